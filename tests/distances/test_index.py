"""The index against a definition by brute force, and against an exact search."""

import numpy as np
import pytest

from byheart.distances import index as module
from byheart.distances.index import Index
from byheart.distances.neighbours import two_way, within
from byheart.distances.rows import Chosen
from byheart.distances.tiles import SPARE


def data(rows=(700, 300), dimension=6, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(count, dimension)).astype(dtype) for count in rows)


def made_index(real, generated, lists=20, monkeypatch=None, **options):
    if monkeypatch:
        monkeypatch.setattr(module, "list_count", lambda rows: lists)
    return Index(real, generated, np.random.default_rng(1), **options)


def equal(one, other):
    return one.distances.tobytes() == other.distances.tobytes() and np.array_equal(
        one.indices, other.indices
    )


def rows_read(index, query, target):
    """Return the real rows that a query (1, d) meets, by the definition."""
    scores = (index.frame.left(query)[0] @ index.centres.right.T)[0]
    read = []
    for number in np.argsort(scores):
        if len(read) >= target:
            break
        read += list(np.flatnonzero(index.of == number))
    return np.array(sorted(read))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [30, 200])
def test_found_are_the_nearest_of_the_lists_that_are_read(dtype, target, monkeypatch):
    real, generated = data(dtype=dtype)
    index = made_index(real, generated, monkeypatch=monkeypatch)
    found = index.two_way(generated, 4, target).forward
    missed = 0
    for g, query in enumerate(generated):
        rows = rows_read(index, query[None], target)
        # float64 distances: differences of float32 values are exact to 1e-16 of their size
        distances = np.linalg.norm(real[rows].astype(float) - query.astype(float), axis=1)
        order = np.argsort(distances)[:4]
        np.testing.assert_array_equal(found.indices[g], rows[order])
        np.testing.assert_allclose(found.distances[g], distances[order], rtol=1e-12)
        missed += len(rows) < len(real)
    assert missed == len(generated)  # nobody read all


def test_who_reads_all_finds_what_an_exact_search_finds(monkeypatch):
    real, generated = data()
    index = made_index(real, generated, monkeypatch=monkeypatch)
    both, exact = index.two_way(generated, 5, len(real)), two_way(generated, real, 5)
    assert equal(both.forward, exact.forward)
    assert equal(both.backward, exact.backward)
    assert equal(index.within(5, len(real)), within(real, 5))
    assert equal(index.forward(generated, 5, len(real)), exact.forward)


def test_threads_memory_and_where_rows_lie_change_nothing(monkeypatch):
    real, generated = data((900, 1100))
    index = made_index(real, generated, monkeypatch=monkeypatch)
    usual = index.two_way(generated, 4, 60), index.within(4, 60)
    for threads, memory in ((1, 1), (3, 1 << 40)):
        monkeypatch.setattr(module, "thread_count", lambda threads=threads: threads)
        rows = Chosen(real, np.arange(len(real)))
        other = made_index(rows, Chosen(generated, np.arange(len(generated))), max_memory=memory)
        again = other.two_way(generated, 4, 60), other.within(4, 60)
        assert equal(again[0].forward, usual[0].forward)
        assert equal(again[0].backward, usual[0].backward)
        assert equal(again[1], usual[1])


def test_a_real_row_that_nobody_meets_looks_itself(monkeypatch):
    real, generated = data()
    generated[:] = real[0] + 0.001 * generated  # all of them read the same few lists
    index = made_index(real, generated, monkeypatch=monkeypatch)
    answer = index.two_way(generated, 4, 30).backward
    assert len(np.unique(rows_read(index, generated[:1], 30))) < len(real) // 2
    true = np.linalg.norm(
        real.astype(float) - generated[answer.indices[:, 0]].astype(float), axis=1
    )
    np.testing.assert_allclose(answer.distances[:, 0], true, rtol=1e-12)


def test_a_target_above_what_is_read_before_finds_the_row(monkeypatch):
    real, generated = data()
    index = made_index(real, generated, monkeypatch=monkeypatch)
    nearest = two_way(generated, real, 1).forward.indices
    before = index.read_before(generated, nearest)[:, 0]
    least = 1 + SPARE  # as many rows are read in any case
    for target in (60, 200):
        found = index.forward(generated, 1, target).indices[:, 0] == nearest[:, 0]
        np.testing.assert_array_equal(found, before < max(target, least))


@pytest.mark.parametrize(
    ("real", "generated"),
    [
        (np.ones((30, 3)), np.ones((20, 3))),
        (np.repeat(np.arange(5.0), 60)[:, None], np.arange(7.0)[:, None]),
        (np.r_[np.zeros((299, 2)), np.full((1, 2), 1e9)], np.full((12, 2), 0.5)),
        (np.random.default_rng(0).integers(0, 2, (300, 4)).astype(float), np.zeros((11, 4))),
    ],
)
def test_awkward_rows_get_answers(real, generated, monkeypatch):
    index = made_index(real, generated, lists=9, monkeypatch=monkeypatch)
    answer = index.two_way(generated, 3, 1)
    for table, x, y in ((answer.forward, generated, real), (answer.backward, real, generated)):
        true = np.linalg.norm(x[:, None] - y[table.indices], axis=2)
        # rows that differ by 1e-9 of the spread: distances are those of the pairs all the same
        np.testing.assert_allclose(table.distances, true, rtol=1e-12)
    among = index.within(3, 1)
    assert (among.indices != np.arange(len(real))[:, None]).all()


def test_copies_are_found_in_the_first_list(monkeypatch):
    real, _ = data()
    index = made_index(real, real, monkeypatch=monkeypatch)
    copies = real[::3].copy()
    found = index.two_way(copies, 4, 1)
    assert (found.forward.distances[:, 0] == 0).all()
    assert (found.backward.distances[::3, 0] == 0).all()
