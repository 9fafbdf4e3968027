"""Samples straight from a pipeline of diffusers, in batches."""

import numpy as np
import pytest

import byheart

pytestmark = pytest.mark.filterwarnings("ignore")  # of diffusers' own
diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        layers_per_block=1,
    )
    made = diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler(num_train_timesteps=100))
    made.set_progress_bar_config(disable=True)
    return made


def sampler(pipeline, output_type):
    def sample(count):
        for start in range(0, count, 16):
            yield pipeline(
                batch_size=min(16, count - start), num_inference_steps=2, output_type=output_type
            ).images

    return sample


def test_an_audit_of_floats(pipeline):
    train, heldout = np.random.default_rng(0).random((2, 40, 8, 8), dtype=np.float32)
    result = byheart.audit(train, heldout, sampler(pipeline, "np")(40), permutations=99)
    assert result.inputs["generated"].rows == 40
    assert result.inputs["generated"].dimension == 64


def test_images_of_pillow_stay_whole_numbers(pipeline):
    train, heldout = np.random.default_rng(0).integers(256, size=(2, 40, 8, 8), dtype=np.uint8)
    monitor = byheart.MemorizationMonitor(train, heldout, every=1, samples=40, permutations=99)
    assert monitor.update(1, sampler(pipeline, "pil")).samples == 40
    result = byheart.audit(train, heldout, sampler(pipeline, "pil")(40), permutations=99)
    assert result.inputs["generated"].dtype == "uint8"


def test_a_pipeline_itself_is_called_not_read(pipeline):
    images = np.zeros((40, 8, 8))
    with pytest.raises(byheart.InputError, match="generated: DDPMPipeline is called, not read"):
        byheart.audit(images, images, pipeline)
