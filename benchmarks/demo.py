"""The demo over many seeds: does each model get its verdict?

    python -m benchmarks.demo [--seeds 20]

Prints verdict, kind, p-value, lower bound and number of named points for both models, and the
counts at the end. The seeds are 0, 1, 2, …: none is left out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import byheart
from byheart.lab.demo import demo_samples

MODELS = ("memorizing", "generalizing")


def outcomes(seed: int) -> list[tuple[str, str]]:
    """Return (verdict, line to print) for both models of one seed."""
    samples = demo_samples(seed)
    rows = []
    for model in MODELS:
        result = byheart.audit(samples.train, samples.heldout, getattr(samples, model), seed=seed)
        assert result.copies is not None
        assert result.controls is not None
        verdict = result.verdict if result.kind is None else f"{result.verdict} ({result.kind})"
        rows.append(
            (
                verdict,
                f"{seed:>3} {model:>12}: {verdict}, p = {result.p_value:.3f}, at least "
                f"{result.copies.memorized_lower_bound}, {len(result.copies.flagged_train)} named, "
                f"exchangeability p = {result.controls.exchangeability.p_value:.3f}",
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {model: Counter() for model in MODELS}
    with ProcessPoolExecutor(2) as workers:
        for rows in workers.map(outcomes, range(options.seeds)):
            for model, (verdict, line) in zip(MODELS, rows, strict=True):
                counts[model][verdict] += 1
                print(line, flush=True)
    for model, counter in counts.items():
        told = ", ".join(f"{verdict} {count}" for verdict, count in counter.most_common())
        print(f"{model}: {told}")


if __name__ == "__main__":
    main()
