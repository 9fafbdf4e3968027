"""How often the comparability control blocks honest samples, and how often it sees a wrong scale.

    python -m benchmarks.comparability [--honest 50] [--errors 100] [--seed 2024]
        [--only TEXT]

The control alone, on |T| = |H| = m = 300 rows. Three tables: honest sets, G drawn fresh from the
law of the data; poor but honest models of digits and of colour patches, for which a small distance
is no promise; and sets with one error each, of laws that the change does not leave as they are.
"right cause" is the share that names what was done.

Patches are random crops of scikit-learn's two photographs; tables have skewed, normal, counted and
categorical columns and go through the audit's own encoding, stored as they are or standardised.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from byheart.auditing.comparability import comparability, numeric_columns
from byheart.auditing.result import Comparability
from byheart.distances.neighbours import two_way
from byheart.samples import encode, read

ROWS = 300  # of each set
Array = NDArray[Any]
Draw = Callable[[np.random.Generator, int], Array]


@lru_cache(maxsize=1)
def digits() -> Array:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images)


@lru_cache(maxsize=1)
def photographs() -> list[Array]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def patches(rng: np.random.Generator, rows: int, side: int) -> Array:
    """Return random crops, (rows, side, side, 3) of uint8."""
    out = np.empty((rows, side, side, 3), np.uint8)
    for patch in out:
        image = photographs()[rng.integers(2)]
        top, left = (rng.integers(size - side) for size in image.shape[:2])
        patch[:] = image[top : top + side, left : left + side]
    return out


def normal(rng: np.random.Generator, rows: int, dimension: int) -> Array:
    return rng.normal(size=(rows, dimension))


def student(rng: np.random.Generator, rows: int, dimension: int) -> Array:
    """Return vectors of the multivariate t distribution with 3 degrees of freedom."""
    return normal(rng, rows, dimension) / np.sqrt(rng.chisquare(3, (rows, 1)) / 3)


def mixture(rng: np.random.Generator, rows: int, dimension: int) -> Array:
    """Return normal vectors, each with a lognormal size of its own."""
    return rng.lognormal(sigma=1.5, size=(rows, 1)) * normal(rng, rows, dimension)


def embeddings(rng: np.random.Generator, rows: int) -> Array:
    """Return unit vectors of 512 rectified features of 12 factors."""
    weights = np.random.default_rng(0).normal(size=(12, 512))
    x = np.maximum(rng.normal(size=(rows, 12)) @ weights, 0)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def table(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    factor = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "income": np.exp(10 + 0.6 * factor + 0.3 * rng.normal(size=rows)).round(2),
            "age": (38 + 12 * (0.5 * factor + rng.normal(size=rows))).clip(17, 90).round(1),
            "gain": np.where(rng.random(rows) < 0.8, 0.0, rng.lognormal(7, 1, rows).round(1)),
            "change": 3 * rng.normal(size=rows) - factor,
            "visits": rng.poisson(2, rows) * 1.0,
            "kind": rng.choice(["a", "b", "c"], rows),
        }
    )


NUMBERS = ("income", "age", "gain", "change", "visits")


def standardised(frame: pd.DataFrame, by: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the mean and deviation of `by` taken off its numbers."""
    mean, spread = (f(by[list(NUMBERS)]) for f in (pd.DataFrame.mean, pd.DataFrame.std))
    return frame.assign(**{n: (frame[n] - mean[n]) / spread[n] for n in NUMBERS})


VECTORS: dict[str, Draw] = {
    **{f"t3, d = {d}": partial(student, dimension=d) for d in (1, 2, 8, 64)},
    **{f"normal, d = {d}": partial(normal, dimension=d) for d in (1, 2, 16, 3072)},
    **{f"scale mixture, d = {d}": partial(mixture, dimension=d) for d in (1, 2, 32)},
    "exponential, d = 4": lambda rng, rows: rng.exponential(size=(rows, 4)),
    "uniform, d = 1": lambda rng, rows: rng.random((rows, 1)),
    "digits, 0 to 16": lambda rng, rows: rng.permutation(digits())[:rows],
    "digits, [0, 1], as vectors": lambda rng, rows: (
        rng.permutation(digits())[:rows].reshape(rows, -1) / 16
    ),
    "patches, 3 x 3, uint8": lambda rng, rows: patches(rng, rows, 3),
    "patches, 8 x 8, uint8": lambda rng, rows: patches(rng, rows, 8),
    "patches, 32 x 32, uint8": lambda rng, rows: patches(rng, rows, 32),
    "patches, 8 x 8, [0, 1]": lambda rng, rows: patches(rng, rows, 8) / 255,
}


def compare(real: Array, made: Array, rng: np.random.Generator, raw: bool) -> Comparability:
    flat, fakes = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (real, made))
    nearest = two_way(fakes, flat, 1).forward.distances[:, 0]
    return comparability(flat, fakes, nearest, rng, raw=raw, sample_shape=real.shape[1:])


def compare_tables(frames: list[pd.DataFrame], rng: np.random.Generator) -> Comparability:
    roles = ("train", "heldout", "generated")
    train, heldout, made = (read(f, role) for f, role in zip(frames, roles, strict=True))
    encoded = encode(train, heldout, made)
    assert encoded.heldout is not None
    real = np.concatenate([encoded.train, encoded.heldout])
    nearest = two_way(encoded.generated, real, 1).forward.distances[:, 0]
    columns = numeric_columns((train, heldout, made), encoded.columns)
    return comparability(real, encoded.generated[:], nearest, rng, raw=False, columns=columns)


def honest(name: str, rng: np.random.Generator) -> Comparability:
    if name.startswith("table"):
        frames = [table(rng, ROWS) for _ in range(3)]
        if "standardised" in name:
            frames = [standardised(f, frames[0]) for f in frames]
        return compare_tables(frames, rng)
    if name.startswith("embeddings"):
        x = embeddings(rng, 3 * ROWS)
        return compare(x[: 2 * ROWS], x[2 * ROWS :], rng, raw=False)
    if name.startswith("near-duplicates"):  # every real row has a twin, generated rows have none
        draw = VECTORS[name.removeprefix("near-duplicates of ")]
        x = draw(rng, 2 * ROWS).astype(np.float64)
        real = np.repeat(x[:ROWS], 2, axis=0)
        real[1::2] += 1e-5 * rng.normal(size=real[1::2].shape)
        return compare(real, x[ROWS:], rng, raw=True)
    x = VECTORS[name](rng, 3 * ROWS)
    return compare(x[: 2 * ROWS], x[2 * ROWS :], rng, raw=True)


HONEST = (
    *VECTORS,
    "near-duplicates of normal, d = 16",
    "near-duplicates of patches, 8 x 8, [0, 1]",
    "table, as stored",
    "table, standardised",
    "embeddings, d = 512",
)


def gaussian(x: Array, rng: np.random.Generator) -> Array:
    flat = x.reshape(len(x), -1)
    drawn = rng.multivariate_normal(flat.mean(0), np.cov(flat.T), len(x), method="eigh")
    return np.asarray(drawn.reshape(x.shape))


def blurred(x: Array, rng: np.random.Generator) -> Array:
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(x, (0, 3, 3) + (0,) * (x.ndim - 3)))


POOR: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "Gaussian fit": gaussian,
    "blurred": blurred,
    "a tenth of the deviation": lambda x, rng: x.mean(0) + 0.1 * (x - x.mean(0)),
    "half the contrast": lambda x, rng: 0.25 + 0.5 * x,
    "brighter by .2": lambda x, rng: x + 0.2,
    "pixel noise of .3": lambda x, rng: x + 0.3 * rng.normal(size=x.shape),
    "uniform noise": lambda x, rng: rng.random(x.shape),
    "normal noise": lambda x, rng: rng.normal(size=x.shape),
    "all black": lambda x, rng: np.zeros(x.shape),
    "the mean": lambda x, rng: np.broadcast_to(x.mean(0), x.shape),
}
IMAGES: dict[str, Draw] = {
    "digits": lambda rng, rows: rng.permutation(digits())[:rows] / 16,
    "patches, 8 x 8": VECTORS["patches, 8 x 8, [0, 1]"],
}


def poor(name: str, rng: np.random.Generator) -> Comparability:
    kind, _, model = name.partition(": ")
    x = IMAGES[kind](rng, 3 * ROWS)
    return compare(x[: 2 * ROWS], POOR[model](x[2 * ROWS :], rng), rng, raw=True)


def times_column(x: Array, rng: np.random.Generator) -> Array:
    column = rng.integers(x.shape[1])
    return np.asarray(np.where(np.arange(x.shape[1]) == column, 1000 * x, x))


def z_scores(x: Array, rng: np.random.Generator) -> Array:
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1))


# What is done, what its cause says, and on which laws that are not left as they are.
ERRORS: dict[str, tuple[Callable[[Array, np.random.Generator], Array], str, tuple[str, ...]]] = {
    "0 to 255 for [0, 1]": (
        lambda x, rng: 255 * x,
        "scaled to 0 to 255",
        ("digits", "patches, 8 x 8", "uniform, d = 1", "digits, [0, 1], as vectors"),
    ),
    "[0, 1] for 0 to 255": (
        lambda x, rng: x / 255,
        "scaled to [0, 1]",
        ("patches, 3 x 3, uint8", "patches, 8 x 8, uint8"),
    ),
    "[-1, 1] for [0, 1]": (
        lambda x, rng: 2 * x - 1,
        "scaled to [-1, 1]",
        ("digits", "patches, 8 x 8", "uniform, d = 1"),
    ),
    "[0, 1] for 0 to 16": (lambda x, rng: x / 16, "linear", ("digits, 0 to 16",)),
    "inverted": (
        lambda x, rng: x.max() - x,
        "inverted",
        ("digits", "patches, 8 x 8", "patches, 32 x 32, uint8"),
    ),
    "transposed": (lambda x, rng: x.swapaxes(1, 2), "transposed", ("digits",)),
    "upside down": (lambda x, rng: x[:, ::-1], "upside down", ("digits",)),
    "channels swapped": (
        lambda x, rng: x[..., ::-1],
        "channel order",
        ("patches, 3 x 3, uint8", "patches, 8 x 8", "patches, 32 x 32, uint8"),
    ),
    "channels first": (
        lambda x, rng: np.moveaxis(x, 3, 1).reshape(x.shape),
        "channels first",
        ("patches, 8 x 8", "patches, 32 x 32, uint8"),
    ),
    "one column x 1000": (
        times_column,
        "in another unit",
        ("table, as stored", "table, standardised", "normal, d = 2", "normal, d = 16", "t3, d = 8"),
    ),
    "standardised": (
        z_scores,
        "standardised",
        ("table, as stored", "exponential, d = 4", "digits", "patches, 8 x 8, uint8"),
    ),
}


def erring(name: str, rng: np.random.Generator) -> tuple[Comparability, bool]:
    """Return the control's answer, and whether it names the error."""
    error, _, kind = name.partition(": ")
    spoil, says, _ = ERRORS[error]
    if kind.startswith("table"):
        frames = [table(rng, ROWS) for _ in range(3)]
        if "standardised" in kind:
            frames = [standardised(f, frames[0]) for f in frames]
        made = frames[2]
        if error == "standardised":
            frames[2] = standardised(made, made)
        else:
            column = rng.choice(NUMBERS)
            frames[2] = made.assign(**{column: 1000 * made[column]})
            says = f"column {str(column)!r} (about 1,000 "
        found = compare_tables(frames, rng)
    else:
        x = (IMAGES | VECTORS)[kind](rng, 3 * ROWS).astype(np.float64)
        made = np.asarray(spoil(x[2 * ROWS :], rng))
        found = compare(x[: 2 * ROWS], made, rng, raw=True)
    return found, says in (found.cause or "")


def one(run: Callable[..., Any], name: str, seed: list[int]) -> tuple[bool, bool, float]:
    """Return whether the sets are blocked, whether the cause is right, and the ratio."""
    answer = run(name, np.random.default_rng(seed))
    found, right = answer if isinstance(answer, tuple) else (answer, False)
    return not found.passed, right, found.distance_ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--honest", type=int, default=50, help="audits of each kind")
    parser.add_argument("--errors", type=int, default=100, help="audits of each kind")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--only", default="", help='lines with this in "table: line"')
    options = parser.parse_args()
    bad = [f"{e}: {kind}" for e, (_, _, kinds) in ERRORS.items() for kind in kinds]
    models = [f"{kind}: {model}" for kind in IMAGES for model in POOR]
    with ProcessPoolExecutor(2) as workers:
        for part, (title, run, names, repeats) in enumerate(
            (
                ("honest", honest, HONEST, options.honest),
                ("poor, but honest", poor, models, options.honest // 2),
                ("error", erring, bad, options.errors),
            )
        ):
            lines = [n for n in enumerate(names) if options.only in f"{title}: {n[1]}"]
            if not lines:
                continue
            print(f"\n| {title} | audits | blocked | right cause | largest ratio |")
            print("|" + "---|" * 5)
            blocked = audits = 0
            for row, name in lines:
                seeds = [[options.seed, part, row, k] for k in range(repeats)]
                outcomes = np.array(list(workers.map(partial(one, run, name), seeds, chunksize=4)))
                stopped, right, ratio = outcomes.T
                cause = f"{right.mean():.0%}" if part == 2 else "–"
                print(
                    f"| {name} | {repeats} | {stopped.mean():.1%} | {cause} | {ratio.max():.3g} |",
                    flush=True,
                )
                blocked, audits = blocked + int(stopped.sum()), audits + repeats
            print(f"| all | {audits:,} | {blocked / audits:.2%} | | |")


if __name__ == "__main__":
    main()
