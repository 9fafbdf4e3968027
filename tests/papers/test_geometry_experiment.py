"""A denoiser's memorization against its data, and the reproduction in small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from byheart.auditing.metrics.geometry import KINDS
from byheart.distances.dimension import from_distances
from byheart.distances.neighbours import within
from byheart.errors import InputError, MissingExtraError, UsageError
from byheart.lab.diffusion import EmpiricalDenoiser, GaussianDenoiser
from byheart.lab.measures.geometry import around, memorization
from byheart.lab.sweeps.material import digits
from papers import geometry as reproduce_geometry
from papers import geometry_networks


def test_a_memorizing_and_an_honest_model_of_one_law():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(400, 5))
    train = data[:200]
    copier = memorization(EmpiricalDenoiser(train), train[:30], data)
    assert [point.kind for point in copier] == ["overfitting-driven"] * 30
    honest = memorization(GaussianDenoiser(np.zeros(5), np.eye(5)), train[:30], data)
    # The law itself; its value, near 5, lies below an interval in 2.5% of points: 5 or more of 30
    # have probability 7e-4, and the neighbours' density, which falls outward, leans the other way.
    assert [point.kind for point in honest].count("overfitting-driven") < 5


def test_a_held_out_point_of_a_copier_is_not_read():
    rng = np.random.default_rng(1)
    data = rng.normal(size=(400, 5))
    found = memorization(EmpiricalDenoiser(data[:200]), data[200:210], data)
    assert {point.kind for point in found} == {"cannot tell"}
    assert "outweighs" in found[0].reason


def test_without_a_reference_it_cannot_tell():
    model = EmpiricalDenoiser(np.eye(3))
    (found,) = memorization(model, np.eye(3)[:1], noise_level=0.1)
    assert (found.kind, found.data) == ("cannot tell", None)
    with pytest.raises(InputError, match="pass noise_level too"):
        memorization(model, np.eye(3))
    with pytest.raises(InputError, match="equal twin"):
        memorization(model, np.eye(3), np.zeros((30, 3)))
    with pytest.raises(UsageError, match="noise_level"):
        memorization(model, np.eye(3), noise_level=0.0)


def test_only_the_point_itself_is_left_out():
    rng = np.random.default_rng(2)
    rows = np.concatenate([rng.normal(size=(80, 3)), np.zeros((30, 3))])
    own = from_distances(within(rows, 20).distances)
    found = around(np.concatenate([rows, [[0.5, 0.0, 0.0]]]), rows)
    np.testing.assert_allclose(found.values[:-1], own.values)
    assert (found.values[80:-1] == 0).all()
    assert found.values[-1] > 0


@pytest.fixture
def small(monkeypatch):
    sizes = (300, 3, 6, 6, 3, 4)
    monkeypatch.setattr(reproduce_geometry, "SIZES", {True: sizes, False: sizes})
    monkeypatch.setattr(reproduce_geometry, "LARGE", 260)
    monkeypatch.setattr(reproduce_geometry, "LARGE_DIMENSIONS", (10, 40))
    monkeypatch.setattr(reproduce_geometry, "REFERENCE_ROWS", 1000)
    some = digits()[:300]
    monkeypatch.setattr(reproduce_geometry, "digits", lambda: some)


def test_geometry_in_small(small, idle, no_torch, tmp_path):
    result = reproduce_geometry.reproduce(idle, quick=True)
    assert not any(tmp_path.iterdir())  # nothing is kept
    assert [len(table.rows) for table in result.tables] == [4, 3, 12, 4]
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    assert len(result.claims) == 7
    assert [claim.agrees for claim in result.claims[:3]] == ["yes"] * 3
    # Kernels of .15 have all dimensions at this scale, whatever the seed.
    assert result.claims[5].agrees == "no"
    (graph,) = result.graphs
    assert [len(series.x) for series in graph.series[1:]] == [4] * 3
    # Nothing to draw of training digits where they are atoms: at the least levels.
    assert min(graph.series[0].x) > min(graph.series[1].x)
    assert result.tables[1].headings[2:] == KINDS
    json.dumps(result.to_dict(), allow_nan=False)


def test_networks_in_small(monkeypatch):
    pytest.importorskip("torch")
    for name, value in {"STEPS": 30, "SIZES": (10, 150), "POINTS": 4, "SAMPLES": 20}.items():
        monkeypatch.setattr(geometry_networks, name, value)
    some = digits()[:200].reshape(-1, 64)
    table, claim = geometry_networks.networks(some, np.random.default_rng(0))
    assert len(table.rows) == 2 * 2 * 2
    assert all(len(row) == len(table.headings) for row in table.rows)
    assert claim.agrees in ("yes", "partly", "no")


def test_without_torch_the_full_run_says_so(small, idle, no_torch):
    with pytest.raises(MissingExtraError, match=r'pip install "byheart\[neural\]"'):
        reproduce_geometry.reproduce(idle, quick=False)
