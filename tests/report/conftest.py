"""Results of audits built by hand: believable figures, every shape of evidence, every verdict."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from byheart.auditing.result import (
    Approximation,
    AuditResult,
    Comparability,
    Controls,
    ControlTest,
    CopiedPair,
    Copies,
    CopyingRow,
    Delta,
    DeltaCurve,
    Duplicates,
    Evidence,
    Exchangeability,
    Independence,
    InputSet,
    Match,
    Membership,
    Metric,
    Planted,
    Recall,
    Test,
    TrainingRow,
    Untested,
)

N = 400  # rows of train and of held-out
FAMILY = (
    "berk_jones_distance",
    "berk_jones_ratio",
    "savage_margin",
    "negative_delta_0.2",
    "negative_delta_0.6",
    "negative_delta_1",
    "nearest_share",
    "berk_jones_local",
    "membership_rank_distance",
    "membership_tail_distance_0.01",
)


def images(count, side, rng, channels=0):
    """Smooth shapes on a dark ground, in [0, 1]."""
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    out = []
    for _ in range(count):
        picture = np.zeros((side, side))
        for _ in range(3):
            cx, cy = rng.uniform(0.2, 0.8, 2)
            width = rng.uniform(0.08, 0.22)
            picture += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
        picture = np.clip(picture, 0, 1)
        if channels:
            picture = np.stack([picture * rng.uniform(0.2, 1) for _ in range(channels)], axis=-1)
        out.append(picture)
    return out


def matches(real, noise, rng, q_values, real_names, generated_names):
    made = [np.clip(x + rng.normal(0, noise, np.shape(x)), 0, 1) for x in real]
    found = [
        Match(x, g, a, b, float(np.linalg.norm(x - g)), q)
        for x, g, q, a, b in zip(real, made, q_values, real_names, generated_names, strict=True)
    ]
    return tuple(sorted(found, key=lambda m: m.distance))


def curves(rng, copied):
    """Quantiles of s over train and held-out, and the membership curve."""
    heldout = np.sort(rng.lognormal(0.0, 0.3, N))
    train = np.sort(np.r_[rng.lognormal(-2.2, 0.3, copied), rng.lognormal(0.0, 0.3, N - copied)])
    cuts = np.r_[0.0, np.sort(np.r_[heldout, train])]
    curve = np.array([[(heldout <= c).mean(), (train <= c).mean()] for c in cuts])
    return train, heldout, curve


def delta(level):
    bandwidths = (0.2, 0.3, 0.45, 0.67, 1.0)
    kl = tuple(level * f for f in (1.0, 0.8, 0.55, 0.35, 0.2))
    around = tuple((v - 0.05 - abs(v) / 8, v + 0.05 + abs(v) / 8) for v in kl)
    l2 = tuple(v / 4 for v in kl)
    half = tuple((a / 4, b / 4) for a, b in around)
    null = tuple((-0.1 / b, 0.1 / b) for b in bandwidths)
    return Delta(DeltaCurve(bandwidths, kl, around, null), DeltaCurve(bandwidths, l2, half))


def controls(**changes):
    whole = Controls(
        role_swap=ControlTest(0.62, True),
        exchangeability=Exchangeability(0.35, True, {"ridge": 0.2}),
        comparability=Comparability(1.08, 10.0, True, None),
        independence=Independence(0.0, 0.0025, 1.0, True),
        duplicates=Duplicates(2, ((17, 3), (230, 41))),
        planted=Planted(
            noise=(0.05, 0.25, 0.5),
            training_share=(0.01, 0.02, 0.03, 0.05, 0.1),
            generated_share=(0.005, 0.01, 0.015, 0.025, 0.05),
            power=(
                (0.15, 0.9, 1.0, 1.0, None),
                (0.1, 0.7, 0.975, 1.0, None),
                (None, 0.3, 0.6, 0.95, 1.0),
            ),
            minimum_detectable_share=(0.025, 0.03, 0.1),
        ),
        minimum_detectable_rate=0.03,
    )
    return replace(whole, **changes)


def membership(auc, tail, epsilon):
    return Membership(auc, (auc - 0.03, auc + 0.03), {"0.01": tail, "0.001": None}, epsilon)


def copies(bound, pairs, reproduced):
    rows = copying(pairs)
    share = len(rows) / 800
    return Copies(
        memorized_lower_bound=bound,
        fdr=0.1,
        minimum_list_length=10,
        flagged_train=tuple(sorted(p.train_index for p in pairs if p.q_value <= 0.1)),
        pairs=tuple(pairs),
        reproduced_train=reproduced,
        reproduced_heldout=1,
        reproduction_p_value=1e-9,
        share_of_generated=share,
        share_interval=(share * 0.6, share * 1.5),
        rows=rows,
        training_rows=tuple(
            TrainingRow(p.train_index, p.train_name, 2, p.distance, p.q_value <= 0.1, None, None)
            for p in pairs
        ),
    )


def copying(pairs):
    """Two generated rows for each pair; those of the first one are equal to it."""
    return tuple(
        CopyingRow(
            p.generated_index + again,
            p.generated_name,
            p.train_index,
            p.train_name,
            p.distance * (i > 0),
            i == 0,
            2,
            p.q_value,
        )
        for i, p in enumerate(pairs)
        for again in (0, 1)
    )


def tests(smallest):
    p_values = np.geomspace(smallest, 0.6, len(FAMILY))
    return tuple(
        Test(name, 3.2 + i, float(p), float(min(1.0, 4 * p)))
        for i, (name, p) in enumerate(zip(FAMILY, p_values, strict=True))
    )


def result(verdict, kind, reason, p_value, evidence, **changes):
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    whole = AuditResult(
        verdict=verdict,
        kind=kind,
        reason=reason,
        p_value=p_value,
        seed=7,
        level=0.05,
        fdr=0.1,
        tolerance=0.01,
        resolution=0.05,
        permutations=999,
        inputs={
            "train": InputSet("data/train", digest, N, 64, "float64"),
            "heldout": InputSet("data/heldout", digest[::-1], N, 64, "float64"),
            "generated": InputSet("samples.npy::x", digest[1:] + "a", 800, 64, "float32"),
        },
        tests=tests(0.001),
        delta=delta(-1.2),
        copies=copies(0, (), 0),
        membership=membership(0.5, 0.01, 0.0),
        controls=controls(),
        metrics={
            "near_copy_share": Metric(0.04, (0.03, 0.055), "minimize", 0.0, 1.0),
            "median_distance_ratio": Metric(1.08, None, "none", 0.0, float("inf")),
        },
        parameters={
            "features": "raw",
            "groups": None,
            "image_size": None,
            "columns": list(evidence.columns) if evidence else [],
            "bandwidths": np.array([0.2, 0.3, 0.45, 0.67, 1.0]),
            "k": np.int64(32),
            "planted": {"gate_noise": 0.25, "repeats": 40, "relabellings": 199},
        },
        environment={
            "versions": {"python": "3.11.2", "byheart": "0.1.0", "numpy": "2.4.6"},
            "blas": [{"internal_api": "openblas", "version": "0.3.31", "architecture": "Zen"}],
            "threads": 2,
        },
        warnings=(),
        evidence=evidence,
    )
    return replace(whole, **changes)


def pairs_of(found):
    return [
        CopiedPair(3 * i, 5 * i, m.distance, float(m.q_value), m.real_name, m.generated_name)
        for i, m in enumerate(found)
    ]


def copies_images(side=8, channels=0, noise=0.04, shown=24):
    rng = np.random.default_rng(0)
    real = images(2 * shown, side, rng, channels)
    names = [f"{i:05d}.png" for i in range(2 * shown)]
    made = [f"row {11 * i}" for i in range(2 * shown)]
    found = matches(
        real[:shown],
        noise,
        rng,
        [0.003 * (i + 1) for i in range(shown)],
        names[:shown],
        made[:shown],
    )
    missed = matches(
        real[shown:], max(0.3, noise), rng, [None] * shown, names[shown:], made[shown:]
    )
    train, heldout, curve = curves(rng, 42)
    evidence = Evidence("images", (), (0.0, 1.0), found, missed, train, heldout, curve)
    return result(
        "memorizes",
        "copies",
        "training points come back in the generated samples: at least 31 of 400 are memorized, "
        "and 24 are named with a false discovery rate of at most 10%",
        0.001,
        evidence,
        copies=copies(31, pairs_of(found), 38),
        membership=membership(0.61, 0.124, 1.31),
    )


TABLE_COLUMNS = ("age", "income", "city", "children", "<b>score</b>", "member since")


def table_row(rng):
    city = ["Aix", "Lund", "<script>alert(1)</script>", "Porto", ""][int(rng.integers(5))]
    return np.array(
        [
            int(rng.integers(18, 90)),
            round(float(rng.normal(41000, 9000)), 2),
            city,
            int(rng.integers(4)),
            float(rng.normal()),
            f"20{int(rng.integers(10, 25))}-03-01",
        ],
        dtype=object,
    )


def copies_table():
    rng = np.random.default_rng(1)

    def pair(i, near, q_value):
        real = table_row(rng)
        made = real.copy() if near else table_row(rng)
        made[4] = real[4] + (1e-5 if near else 0.4)
        name = "<script>alert('row')</script>.csv" if i == 0 else f"row {7 * i}"
        return Match(real, made, name, f"row {3 * i}", 0.01 * (i + 1) + (not near), q_value)

    found = tuple(pair(i, True, 0.004 * (i + 1)) for i in range(14))
    missed = tuple(pair(i, False, None) for i in range(14))
    train, heldout, curve = curves(rng, 20)
    evidence = Evidence("table", TABLE_COLUMNS, (-3.0, 3.0), found, missed, train, heldout, curve)
    return result(
        "memorizes",
        "copies",
        "training points come back in the generated samples: at least 9 of 400 are memorized, "
        "and 14 are named with a false discovery rate of at most 10%",
        0.003,
        evidence,
        copies=copies(9, pairs_of(found), 14),
        membership=membership(0.55, 0.05, 0.7),
        warnings=("column '<i>zip</i>' has 100 levels or more; it was kept as categories",),
    )


def traces_vectors():
    rng = np.random.default_rng(2)
    grid = np.linspace(0, 1, 48)

    def wave():
        return sum(
            rng.normal(0, 0.2) * np.sin(2 * np.pi * k * grid + rng.uniform(0, 6)) + 0.2
            for k in range(1, 4)
        )

    names = [f"row {i}" for i in range(24)]
    missed = matches([wave() for _ in range(24)], 0.08, rng, [None] * 24, names, names)
    near = matches([wave() for _ in range(24)], 0.07, rng, [None] * 24, names, names)
    train, heldout, curve = curves(rng, 0)
    train = np.sort(0.93 * train)
    evidence = Evidence("vectors", (), (-1.0, 1.0), near, missed, train, heldout, curve)
    return result(
        "memorizes",
        "traces",
        "the generated samples lean on at least 12 of 400 training points, though none is "
        "reproduced closely enough to be named: the model is overfitted",
        0.002,
        evidence,
        copies=copies(12, (), 0),
        delta=delta(-0.3),
        membership=membership(0.56, 0.02, 0.1),
    )


def generalizes_images():
    rng = np.random.default_rng(3)
    real = images(48, 16, rng)
    names = [f"row {i}" for i in range(24)]
    near = matches(real[:24], 0.3, rng, [None] * 24, names, names)
    missed = matches(real[24:], 0.3, rng, [None] * 24, names, names)
    train, heldout, curve = curves(rng, 0)
    evidence = Evidence("images", (), (0.0, 1.0), near, missed, train, heldout, curve)
    return result(
        "generalizes",
        None,
        "no trace of the training set was found, and copies of 3.00% of it (12 of 400) would "
        "have been found in 95% of audits",
        0.41,
        evidence,
        tests=tests(0.12),
        delta=delta(0.02),
        membership=membership(0.497, 0.0125, 0.0),
    )


def inconclusive_without_heldout():
    whole = result(
        "inconclusive",
        None,
        "there is no held-out set, so nothing can be tested: only descriptive figures are given. "
        "Set aside rows at random before training, as many as you train on if you can, and pass "
        "them as the held-out set",
        None,
        None,
        tests=(),
        delta=None,
        copies=None,
        membership=None,
        controls=None,
    )
    return replace(whole, inputs={**whole.inputs, "heldout": None})


def inconclusive_on_another_scale():
    whole = generalizes_images()
    cause = "scaled to 0 to 255 where the data are in [0, 1]"
    return replace(
        whole,
        verdict="inconclusive",
        reason="the generated samples are not on the data's scale (their median distance to the "
        f"nearest real row is 212 times that among real rows): they seem to be {cause}; bring "
        "the three sets to the same encoding",
        controls=controls(
            comparability=Comparability(212.3, 10.0, False, cause),
            planted=Planted((0.25,), (0.05, 0.5), (0.02, 0.25), ((0.0, 0.1),), (None,)),
            minimum_detectable_rate=None,
        ),
        membership=membership(0.5, None, None),
    )


def untested_images():
    """Without a held-out set, three equal rows and pairs that are merely close."""
    shown = copies_images()
    rows = tuple(
        replace(row, q_value=None, verbatim=i < 3, distance=0.0 if i < 3 else row.distance)
        for i, row in enumerate(shown.copies.rows[::2])
    )
    alone = inconclusive_without_heldout()
    return replace(
        alone,
        evidence=replace(
            shown.evidence,
            train_matches=tuple(replace(m, q_value=None) for m in shown.evidence.train_matches),
            heldout_matches=(),
            heldout_distances=np.zeros(0),
            membership_curve=np.zeros((0, 2)),
        ),
        untested=Untested(rows[:3], rows, shown.copies.training_rows[:3]),
    )


def copies_with_failed_controls():
    """Plain copies, believed although train and held-out differ and no plant was found."""
    return replace(
        copies_images(),
        controls=controls(exchangeability=ControlTest(0.001, False), minimum_detectable_rate=None),
    )


def copies_in_groups():
    """Reproduced groups beside the named ones: the list is longer than the named."""
    whole = copies_table()
    pairs = [
        replace(pair, q_value=0.4 if i >= 10 else pair.q_value)
        for i, pair in enumerate(whole.copies.pairs)
    ]
    return replace(
        whole,
        reason=whole.reason.replace("14 are named", "10 are named"),
        copies=copies(9, pairs, 14),
        parameters={**whole.parameters, "groups": "patient"},
    )


def approximate_traces():
    ways = (
        Recall(1000, at, (at - 0.02, at + 0.01), 0.8, (0.78, 0.82)) for at in (0.96, 0.95, 0.97)
    )
    found = Approximation(141, 0.05, 0.04, *ways, ("coverage",), ("c_t",))
    return replace(traces_vectors(), approximation=found)


def features_without_power():
    """Neither a trace nor the power to see one, in an encoder's features."""
    whole = generalizes_images()
    return replace(
        whole,
        verdict="inconclusive",
        reason="no trace was found, but copies of up to 12% of the training set would have been "
        "missed, more than the resolution of 5% allows: audit about 960 training rows or more",
        controls=controls(minimum_detectable_rate=0.12),
        parameters={**whole.parameters, "features": "hf:facebook/dinov2-small"},
    )


CHROMIUM = shutil.which("chromium")

BUILDERS = {
    "copies-images": copies_images,
    "copies-table": copies_table,
    "traces-vectors": traces_vectors,
    "generalizes-images": generalizes_images,
    "inconclusive-without-heldout": inconclusive_without_heldout,
    "inconclusive-other-scale": inconclusive_on_another_scale,
    "untested-images": untested_images,
    "copies-failed-controls": copies_with_failed_controls,
    "copies-groups": copies_in_groups,
    "traces-approximate": approximate_traces,
    "inconclusive-features": features_without_power,
}


@pytest.fixture(params=sorted(BUILDERS))
def any_name(request):
    return request.param


@pytest.fixture
def any_result(any_name):
    return BUILDERS[any_name]()


@pytest.fixture
def approximation():
    return approximate_traces().approximation


@pytest.fixture
def build():
    """The builders by name: `build["copies-table"]()`."""
    return BUILDERS


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A function from a builder's name to the path of its page, each written once."""
    from byheart.report.page import write_html

    folder = tmp_path_factory.mktemp("pages")

    def page(name):
        path = folder / f"{name}.html"
        return path if path.exists() else write_html(BUILDERS[name](), path)

    return page


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window; where CI runs, it has to be there."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is missing: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu"]
        arguments.append("--disable-background-networking")
        running = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()
