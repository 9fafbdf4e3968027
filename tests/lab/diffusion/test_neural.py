"""Neural denoisers: exact where the network is, and as careful with files as with arrays."""

import json
import math
import sys

import contract
import numpy as np
import pytest

from byheart.errors import InputError, MissingExtraError, UsageError
from byheart.lab.diffusion import AncestralSampler, DiscreteBeta, GaussianDenoiser

torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save_file  # noqa: E402

from byheart.lab.diffusion.jacobians import jacobians  # noqa: E402
from byheart.lab.diffusion.neural import Network, NeuralDenoiser, mlp, unet  # noqa: E402

SHIFT, SCALE = 7.0, 4.0
CHAIN = DiscreteBeta(scale=SCALE)
BETAS = np.linspace(1e-4, 0.02, 200)
PRODUCTS = np.cumprod(1 - BETAS)
MEAN = np.array([0.5, -0.3, 0.1])  # of the standardised data, as the covariance
FACTOR = np.array([[1.0, 0.0, 0.0], [0.4, 0.8, 0.0], [-0.2, 0.3, 0.5]])
COVARIANCE = FACTOR @ FACTOR.T


class OptimalNoise(Network):
    """E[eta | z] for standardised Gaussian data, in closed form."""

    shape = (3,)

    def forward(self, z, label):
        label, rows = label.double().numpy(), z.double().numpy()
        assert (label == label[0]).all()
        product = math.exp(np.interp(label[0], np.arange(200), np.log(PRODUCTS)))
        noisy = product * COVARIANCE + (1 - product) * np.eye(3)
        noise = (rows - math.sqrt(product) * MEAN) @ np.linalg.inv(noisy)
        return torch.from_numpy(math.sqrt(1 - product) * noise).float()


OPTIMAL = NeuralDenoiser(OptimalNoise(), CHAIN, SHIFT)


def small_unet(seed=0):
    pytest.importorskip("diffusers")
    return unet((2, 8, 8), block_channels=(4, 8, 12), seed=seed)


def small_mlp(seed=0):
    return mlp(6, width=16, depth=2, seed=seed)


EVERY = pytest.mark.parametrize("build", [small_mlp, small_unet])


@pytest.mark.parametrize("step", [1, 2, 10, 57.3, 100, 150.5, 199, 200])
def test_optimal_noise_gives_the_exact_posterior_mean(step):
    s = float(CHAIN.noise_level(np.array((step - 1) / 199)))
    rng = np.random.default_rng(1)
    x = SHIFT + SCALE * (MEAN + rng.standard_normal((500, 3)) @ FACTOR.T)
    y = x + s * rng.standard_normal(x.shape)
    exact = GaussianDenoiser(SHIFT + SCALE * MEAN, SCALE**2 * COVARIANCE).mean(y, s)
    # z, |z| < 6, and the noise round by 2^-24; E[x | y] takes them times s and, z's, times the
    # slope sqrt(1 - a)/(a lam + 1 - a) < 1.4 (lam > .13): below 2.6 SCALE 6 2.4 2^-24. The label,
    # up to 199, rounds by 2^-17, which changes log a by .02 2^-17: as much again.
    np.testing.assert_allclose(OPTIMAL.mean(y, s), exact, rtol=0, atol=5e-6 * SCALE)


def test_ancestral_sampling_over_the_chain_is_ddpm():
    sampler = AncestralSampler(OPTIMAL, CHAIN, 199, "posterior_mean", OPTIMAL.start)
    samples = sampler.sample(50, np.random.default_rng(2))
    rng, network = np.random.default_rng(2), OptimalNoise()
    z = rng.standard_normal((50, 3))
    for k in range(199, -1, -1):  # Ho et al. 2020, algorithm 2, with the posterior variance
        noise = network(torch.from_numpy(z), torch.full((50,), float(k))).double().numpy()
        z = (z - BETAS[k] / math.sqrt(1 - PRODUCTS[k]) * noise) / math.sqrt(1 - BETAS[k])
        if k > 0:
            variance = BETAS[k] * (1 - PRODUCTS[k - 1]) / (1 - PRODUCTS[k])
            z += math.sqrt(variance) * rng.standard_normal((50, 3))
    # Each of 200 steps rounds z and the noise by less than 1e-6; the chain contracts errors,
    # except towards the end, by at most 1/sqrt(alphabar) = 2.8 in all.
    np.testing.assert_allclose(samples, SHIFT + SCALE * z, rtol=0, atol=200 * 2.8e-6 * SCALE)


def test_the_start_is_standard_noise_to_the_network():
    s = CHAIN.noise_levels(1)[0]
    y = OPTIMAL.start.draw(4, 3, s, np.random.default_rng(3))
    z = (y - SHIFT) / math.hypot(SCALE, s)
    np.testing.assert_allclose(z, np.random.default_rng(3).standard_normal((4, 3)), rtol=1e-12)


def test_shift_and_scale_are_those_of_all_entries():
    points = np.random.default_rng(4).normal(3.0, 2.0, size=(50, 6))
    denoiser = NeuralDenoiser.for_points(small_mlp(), points, DiscreteBeta(30, 0.01, 0.1))
    assert denoiser.shift == pytest.approx(points.mean())
    assert denoiser.schedule == DiscreteBeta(30, 0.01, 0.1, float(points.std()))


@EVERY
@pytest.mark.slow
def test_units_do_not_matter(build):
    y = np.random.default_rng(5).normal(size=(4, math.prod(build().shape)))
    plain = NeuralDenoiser(build(), DiscreteBeta()).mean(y, 0.7)
    moved = NeuralDenoiser(build(), CHAIN, SHIFT).mean(SHIFT + SCALE * y, 0.7 * SCALE)
    # z may round differently in its last bit.
    np.testing.assert_allclose((moved - SHIFT) / SCALE, plain, rtol=0, atol=1e-5)


@EVERY
def test_keeps_the_contract(build):
    denoiser = NeuralDenoiser(build(), DiscreteBeta())
    assert denoiser.dimension == math.prod(denoiser.network.shape)
    # Sums of a few hundred float32 products in another order.
    contract.rows_do_not_depend_on_each_other(denoiser, 0.7, 1e-4)
    contract.does_not_change_its_argument(denoiser, 0.7)
    contract.refuses_another_shape(denoiser, 0.7)
    contract.refuses_another_noise_level(denoiser)
    with pytest.raises(UsageError, match="noise_level must lie on the chain"):
        denoiser.mean(np.zeros((1, denoiser.dimension)), 3.0)


def test_differences_give_the_jacobian_of_a_network_in_float32():
    denoiser = NeuralDenoiser(small_mlp(), CHAIN, SHIFT)
    y, s = SHIFT + np.random.default_rng(3).normal(size=(5, 6)), 2.0
    found = jacobians(denoiser, y, s)
    scale = math.hypot(SCALE, s)
    label = torch.full((1,), CHAIN.step(s) - 1)
    for row, jacobian in zip(y, found, strict=True):
        z = torch.from_numpy((row - SHIFT) / scale)[None].float()
        network = small_mlp()
        slope = torch.autograd.functional.jacobian(lambda v: network(v, label), z)  # noqa: B023
        exact = np.eye(6) - s / scale * slope.reshape(6, 6).numpy().T
        # Truncation delta^2/6 and rounding 1e-6 |y|/(delta s) at delta = (3 1e-6 |y|/s)^(1/3):
        # 4e-4 together for |y| = 10, s = 2 and derivatives of order 1.
        np.testing.assert_allclose(jacobian, exact, atol=1e-3)


def test_many_rows_are_evaluated_in_blocks(monkeypatch):
    y = np.random.default_rng(6).normal(size=(10, 3)) + SHIFT
    whole = OPTIMAL.mean(y, 2.0)
    monkeypatch.setattr("byheart.lab.diffusion.neural._ROWS", 4)
    np.testing.assert_array_equal(OPTIMAL.mean(y, 2.0), whole)  # the stub works row by row


@EVERY
def test_the_network_knows_the_noise_level_and_every_weight_counts(build):
    network = build()
    z = torch.zeros(2, *network.shape)
    result = network(z, torch.tensor([3.0, 150.5]))
    assert result.shape == z.shape
    assert not torch.allclose(result[0], result[1])
    result.square().sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@EVERY
def test_the_seed_decides_the_weights_and_torch_does_not_notice(build):
    before = torch.get_rng_state()
    first, again, other = (list(build(seed).parameters()) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@EVERY
def test_saved_and_loaded_it_is_the_same_to_the_bit(build, tmp_path):
    schedule = DiscreteBeta(np.int64(100), 1e-3, np.float64(0.03), np.float32(1 / 3))
    denoiser = NeuralDenoiser(build(), schedule, 0.1)
    denoiser.save(tmp_path / "model.safetensors")
    loaded = NeuralDenoiser.load(tmp_path / "model.safetensors")
    assert (loaded.schedule, loaded.shift) == (denoiser.schedule, denoiser.shift)
    y = np.random.default_rng(7).normal(size=(5, denoiser.dimension))
    np.testing.assert_array_equal(loaded.mean(y, 0.3), denoiser.mean(y, 0.3))
    # A loaded denoiser can be trained on and saved again.
    assert all(weight.requires_grad for weight in loaded.network.parameters())
    loaded.save(tmp_path / "again.safetensors")
    contents = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("model", "again")]
    assert contents[0] == contents[1]


def altered(tmp_path, change):
    """A saved denoiser whose tensors and description were changed."""
    path = tmp_path / "model.safetensors"
    NeuralDenoiser(small_mlp(), DiscreteBeta()).save(path)
    tensors = load_file(path)
    description = {
        "format": "byheart denoiser 1",
        "network": {"kind": "mlp", "dimension": 6, "width": 16, "depth": 2},
        "schedule": {"length": 200, "beta_first": 1e-4, "beta_last": 0.02, "scale": 1.0},
        "shift": 0.0,
    }
    change(tensors, description)
    save_file(tensors, path, metadata={"byheart": json.dumps(description)})
    return path


def test_the_description_of_these_tests_is_a_good_one(tmp_path):
    NeuralDenoiser.load(altered(tmp_path, lambda tensors, description: None))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, description: description.update(format="byheart denoiser 99"),
        lambda tensors, description: description.pop("shift"),
        lambda tensors, description: description.update(shift="a"),
        lambda tensors, description: description.update(shift=math.nan),
        lambda tensors, description: description["schedule"].update(length=0),
        lambda tensors, description: description["schedule"].update(other=0),
        lambda tensors, description: description["network"].update(kind="os.system"),
        lambda tensors, description: description["network"].update(width=10**12),
        lambda tensors, description: description["network"].update(depth=10**12),
        lambda tensors, description: description.update(network=3),
        lambda tensors, description: tensors.pop("entry.weight"),
        lambda tensors, description: tensors.update(extra=torch.zeros(1)),
        lambda tensors, description: tensors.update({"entry.bias": torch.zeros(17)}),
        lambda tensors, description: tensors.update({"entry.bias": torch.zeros(16).double()}),
    ],
)
def test_refuses_a_damaged_file(change, tmp_path):
    with pytest.raises(InputError, match=r"model\.safetensors: is a damaged denoiser") as caught:
        NeuralDenoiser.load(altered(tmp_path, change))
    assert "\n" not in str(caught.value)


def test_refuses_files_that_are_not_its_own(tmp_path):
    path = tmp_path / "other.safetensors"
    with pytest.raises(InputError, match="cannot be read as"):
        NeuralDenoiser.load(path)
    path.write_bytes(b"\x80\x04garbage")
    with pytest.raises(InputError, match="cannot be read as"):
        NeuralDenoiser.load(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="is not a denoiser saved by"):
        NeuralDenoiser.load(path)


def test_refuses_to_save_what_it_could_not_load(tmp_path):
    with pytest.raises(UsageError, match="only networks built by"):
        OPTIMAL.save(tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match="cannot write"):
        NeuralDenoiser(small_mlp(), CHAIN).save(tmp_path / "absent" / "model.safetensors")


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "meta", "nonsense"])
def test_refuses_a_device_that_is_not_there(device):
    if torch.cuda.is_available() and device == "cuda":
        pytest.skip("this machine has one")
    with pytest.raises(UsageError, match=f"device '{device}' is not available") as caught:
        NeuralDenoiser(small_mlp(), CHAIN, device=device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: mlp(0, seed=0),
        lambda: mlp(2, width=0, seed=0),
        lambda: mlp(2, depth=1.5, seed=0),
        lambda: mlp(2, seed=-1),
        lambda: unet((8, 8), seed=0),
        lambda: unet((1, 8, 6), seed=0),
        lambda: unet((1, 8, 8), block_channels=(8,), seed=0),
        lambda: unet((1, 8, 8), block_channels=(8, 0), seed=0),
        lambda: NeuralDenoiser(small_mlp(), CHAIN, shift=math.nan),
    ],
)
def test_refuses(build):
    with pytest.raises(UsageError) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("points", [np.full((3, 6), 2.0), [[math.nan] * 6], np.zeros(6)])
def test_refuses_points_without_a_scale(points):
    with pytest.raises(InputError, match="points"):
        NeuralDenoiser.for_points(small_mlp(), points)


def test_says_that_diffusers_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r'pip install "byheart\[neural\]"'):
        unet((1, 8, 8), seed=0)
