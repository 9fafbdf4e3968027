"""One trial of the paper's linear experiment, against the paper's own code.

    BYHEART_REFERENCE=CHECKOUT python -m benchmarks.trial [--quick]

d = 100, n = 100, N_O = 10,000, T = 2, lambda = 1: train, and Delta against training and fresh
points. The checkout (see benchmarks/reference.py) runs its linear_generator; byheart runs the trial
twice, with the fresh points integrated out in closed form (fresh="exact", what a sweep does) and
with 10,000 points drawn, as the reference does. byheart's trials have one BLAS thread, as every
engine of a sweep gives them; the reference has all.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.claims import Claim, Ratio, in_turn, machine, seconds, show
from benchmarks.reference import VARIABLE, reference
from byheart.lab.measures.relative import relative_distance
from byheart.lab.theory.gaussians import GaussianLaw, squared_hellinger
from byheart.lab.theory.solvable_model import LinearOneStep

MODULE = "trial"
DIMENSION, TRAIN, FRESH, FASTER = 100, 100, 10_000, 1_000
REPEATS = 20  # of the fast trial in one round
CLAIM = f"a trial, d = {DIMENSION}, n = {TRAIN}, N_O = {FRESH:,}"


def trial(drawn: bool, rng: np.random.Generator) -> bool:
    """Return whether Delta > 0 in one trial; the divergence of the generated law comes with it."""
    with threadpool_limits(1, "blas"):
        model = LinearOneStep(DIMENSION, 2.0, 1.0)
        x = rng.standard_normal((TRAIN, DIMENSION))
        law = model.fit(x, rng)
        squared_hellinger(law, GaussianLaw.isotropic(np.zeros(DIMENSION), 1.0))
        fresh = rng.standard_normal((FRESH, DIMENSION)) if drawn else "exact"
        return relative_distance(x, law, fresh=fresh, fresh_rows=FRESH).positive


def claims(quick: bool) -> list[Claim]:
    rng = np.random.default_rng(0)
    theirs = reference("LDM.py")
    times = in_turn(
        {
            "exact": lambda: [trial(False, rng) for _ in range(REPEATS)],
            "drawn": lambda: trial(True, rng),
        },
        5,
    )
    exact = float(np.median(times["exact"])) / REPEATS
    drawn = float(np.median(times["drawn"]))
    told = f"{exact * 1000:.1f} ms with fresh points integrated out, {drawn:.2f} s with them drawn"
    if theirs is None:
        peer = f"the paper's LDM.py ({VARIABLE} names no checkout)"
        return [Claim(f"{CLAIM}, at least {FASTER:,} times as fast", peer, told, None, MODULE)]

    def run_theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs["linear_generator"](
                theirs["mean_list"], theirs["std_list"], 10, FRESH, TRAIN, theirs["T"]
            )

    slow, fast, equal = [], [], []
    for _ in range(1 if quick else 2):
        fast.append(seconds(lambda: [trial(False, rng) for _ in range(REPEATS)]) / REPEATS)
        equal.append(seconds(lambda: trial(True, rng)))
        slow.append(seconds(run_theirs))
    peer = f"one linear_generator of the paper's LDM.py, {np.median(slow):.1f} s"
    whole, alike = Ratio.of(slow, fast), Ratio.of(slow, equal)
    return [
        Claim(
            f"{CLAIM} integrated out in closed form, at least {FASTER:,} times as fast",
            peer,
            f"{whole} times as fast; {told}",
            whole.value >= FASTER,
            MODULE,
        ),
        Claim(
            f"{CLAIM} drawn, at least {FASTER:,} times as fast",
            peer,
            f"{alike} times as fast",
            alike.value >= FASTER,
            MODULE,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="run the reference once")
    quick = parser.parse_args().quick
    print(machine())
    show(claims(quick))


if __name__ == "__main__":
    main()
