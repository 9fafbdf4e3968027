"""The demo's models: one that memorizes real digits and one that does not.

scikit-learn's 8x8 digits (1,797 images, 17 grey levels scaled to [0, 1]) are split at random into
850 to train on and 850 held out. Two models see the same 850, and one deterministic sampler, from
one and the same initial noise, draws from both:

* the empirical denoiser, the exact score of the training set, returns training digits;
* the linear denoiser with a noise floor c is a Gaussian, N(xbar, Sigma_hat + c I).

A Gaussian with 64 means and 2,080 covariances fitted to 850 points leaves an honest trace: its
samples lie a little closer to the points it was fitted to, and an audit sees it. At noise floors
of .0025 to .04 a test of this kind at 5% rejected 20 to 30% of 80 splits, whatever the number of
samples; at .1, .15, .2, .25 and .3 with 400 samples 18, 12, 12, 9 and 7% (120 splits, 300 at .25),
against 3% for a model that owes nothing to its training points. So noise hides the trace, at the
price of quality: NOISE_FLOOR makes the samples look noisy. This model shows what an audit without
a finding looks like, not a good model of digits.

Samples are clipped to [0, 1], the range of a pixel, as any image pipeline does before it saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.diffusion import (
    Denoiser,
    EmpiricalDenoiser,
    HeunSampler,
    LinearDenoiser,
    VarianceExploding,
)
from byheart.lab.sweeps.material import digits

Array = NDArray[np.float64]

ROWS = 850  # training digits, and as many held out
GENERATED = 400  # enough to copy a third of the training digits at least once
NOISE_FLOOR = 0.25  # variance c: a deviation of half the range of a pixel
# 80 is far above the length of a digit (about 5), so that pure noise is a fair start; at 0.05 the
# posterior mean of the training set is one digit, the nearest being about 1 apart.
SCHEDULE = VarianceExploding(0.05, 80.0)
STEPS = 24


@dataclass(frozen=True)
class DemoSamples:
    """Real digits and two models' samples, one flattened image a row, values in [0, 1].

    train, heldout: (850, 64). memorizing, generalizing: (400, 64). image_shape: of a row.
    """

    train: Array
    heldout: Array
    memorizing: Array
    generalizing: Array
    image_shape: tuple[int, int]


def demo_samples(seed: int) -> DemoSamples:
    """Split the digits, fit both models and draw their samples; the same seed, the same arrays.

    Raises UsageError unless seed is a whole number of at least 0.
    Source: derived in `byheart.lab.diffusion.denoisers` and `byheart.lab.diffusion.samplers`.

    >>> samples = demo_samples(0)
    >>> samples.train.shape, samples.generalizing.shape
    ((850, 64), (400, 64))
    """
    from threadpoolctl import threadpool_limits

    seed = _check.integer(seed, "seed", 0)
    split, noise = np.random.SeedSequence(seed).spawn(2)
    images = digits().reshape(-1, 64)
    order = np.random.default_rng(split).permutation(len(images))
    train, heldout = images[order[:ROWS]], images[order[ROWS : 2 * ROWS]]
    # One BLAS thread: the matrices are small, several threads wait for each other on a busy
    # machine, and the last bits of a product depend on their number.
    with threadpool_limits(1, "blas"):
        memorizing = _draw(EmpiricalDenoiser(train), noise)
        generalizing = _draw(LinearDenoiser.fit(train, NOISE_FLOOR), noise)
    return DemoSamples(train, heldout, memorizing, generalizing, image_shape=(8, 8))


def write_demo(folder: Path, seed: int) -> dict[str, str]:
    """Write the demo's four sets as images to `folder` and return their paths by name.

    Each file is (rows, 8, 8) float64, .npy. A file that holds the same data is left alone; one
    that holds other data is never overwritten: UsageError names it.

    >>> import tempfile
    >>> sorted(write_demo(Path(tempfile.mkdtemp()), 0))
    ['generalizing', 'heldout', 'memorizing', 'train']
    """
    samples = demo_samples(seed)
    paths = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "heldout", "memorizing", "generalizing"):
        images = getattr(samples, name).reshape(-1, *samples.image_shape)
        path = folder / f"{name}.npy"
        if not path.exists():
            np.save(path, images, allow_pickle=False)
        elif not _holds(path, images):
            raise UsageError(f"{path}: exists and holds other data; choose another --out")
        paths[name] = str(path)
    return paths


def _holds(path: Path, images: Array) -> bool:
    try:
        return np.array_equal(np.load(path, allow_pickle=False), images)
    except (OSError, ValueError):
        return False


def _draw(model: Denoiser, noise: np.random.SeedSequence) -> Array:
    sampler = HeunSampler(model, SCHEDULE, STEPS, finish="posterior_mean")
    return sampler.sample(GENERATED, np.random.default_rng(noise)).clip(0.0, 1.0)
