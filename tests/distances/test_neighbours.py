"""Exact neighbours against float64 brute force, on friendly and on adversarial rows."""

import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from byheart.distances.neighbours import two_way, within
from byheart.errors import InputError, UsageError


def brute_force(x, y, k, exclude_self=False):
    """Distances and indices of the k nearest rows of y, by subtraction, ties by the lower index."""
    y = y.astype(np.float64)
    distances, indices = [], []
    for row, values in enumerate(x.astype(np.float64)):
        squared = ((values - y) ** 2).sum(axis=1)
        if exclude_self:
            squared[row] = np.inf
        order = np.argsort(squared, kind="stable")[:k]
        distances.append(np.sqrt(squared[order]))
        indices.append(order)
    return np.array(distances), np.array(indices)


def assert_exact(found, expected, ranks):
    """Equal indices; distances equal to the rounding of a float64 sum of d squares."""
    np.testing.assert_array_equal(found.indices[:, :ranks], expected[1][:, :ranks])
    # Two orders of summation differ by at most (d + 2) 2^-53 relative, 1e-12 for d < 5000.
    np.testing.assert_allclose(
        found.distances[:, :ranks], expected[0][:, :ranks], rtol=1e-12, atol=0
    )


def check(generated, real, k=32, exact=None):
    answer = two_way(generated, real, k)
    k = min(k, len(real))
    assert answer.forward.distances.shape == answer.forward.indices.shape == (len(generated), k)
    assert answer.backward.distances.shape == (len(real), 1)
    expected = brute_force(generated, real, k)
    assert_exact(answer.forward, expected, exact or k)
    assert_exact(answer.backward, brute_force(real, generated, 1), 1)
    assert np.all(np.diff(answer.forward.distances, axis=1) >= 0)
    assert all(len(set(row)) == k for row in answer.forward.indices.tolist())
    return answer, expected


def check_within(points, k=32, exact=None):
    answer = within(points, k)
    k = min(k, len(points) - 1)
    assert answer.indices.shape == (len(points), k)
    expected = brute_force(points, points, k, exclude_self=True)
    assert_exact(answer, expected, exact or k)
    assert np.all(np.diff(answer.distances, axis=1) >= 0)
    assert not np.any(answer.indices == np.arange(len(points))[:, None])
    assert all(len(set(row)) == k for row in answer.indices.tolist())
    return answer, expected


def copies_and_near_copies(rng, generated, real, step):
    """Overwrite some generated rows: exact copies, and copies moved by `step` in one value."""
    real[-20:] = real[:20]
    third = len(generated) // 3
    generated[:third] = real[rng.integers(len(real), size=third)]
    generated[third : 2 * third] = real[rng.integers(len(real), size=third)]
    generated[third : 2 * third, 0] += step


DATA = {
    "gauss": lambda rng, n, d: rng.normal(size=(n, d)),
    "mean 1000": lambda rng, n, d: 1000 + rng.normal(size=(n, d)),
    "mean 1e4, near": lambda rng, n, d: 1e4 + 1e-2 * rng.normal(size=(n, d)),
    "bytes": lambda rng, n, d: rng.integers(0, 256, size=(n, d)).astype(float),
    "binary": lambda rng, n, d: rng.integers(0, 2, size=(n, d)).astype(float),
    "sorted": lambda rng, n, d: np.sort(rng.normal(size=(n, d)), axis=0)[::-1].copy(),
    "outlier": lambda rng, n, d: (
        rng.normal(size=(n, d)) * np.where(np.arange(n) % 97, 1, 1e9)[:, None]
    ),
    "tiny": lambda rng, n, d: 1e-30 * rng.normal(size=(n, d)),
    "huge": lambda rng, n, d: 1e30 * rng.normal(size=(n, d)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "n", "d"), [(1, 1, 1), (7, 3, 2), (1100, 1300, 12), (300, 700, 150)])
@pytest.mark.parametrize("name", DATA)
def test_every_rank_is_exact_at_small_sizes(name, m, n, d, dtype):
    rng = np.random.default_rng(1)
    generated = DATA[name](rng, m, d).astype(dtype)
    real = DATA[name](rng, n, d).astype(dtype)
    if m > 100:
        copies_and_near_copies(rng, generated, real, np.abs(real).max() * 1e-6)
    check(generated, real)
    check_within(real)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["mean 1000", "mean 1e4, near", "bytes"])
def test_first_ranks_are_exact_in_3072_dimensions(name, dtype):
    rng = np.random.default_rng(2)
    generated, real = (DATA[name](rng, n, 3072).astype(dtype) for n in (360, 240))
    copies_and_near_copies(rng, generated, real, np.abs(real).max() * 2e-7)
    answer, expected = check(generated, real, exact=2)
    assert np.all(answer.forward.distances[:50, 0] == 0)
    # The stated bound, with theta < (2.01 d + 11) 2^-24 and the norms about the true mean
    # (the centre used is the mean of all rows here, up to the rounding of 4 extra rows).
    centre = np.concatenate([generated, real]).mean(axis=0, dtype=float)
    norms = [((rows - centre) ** 2).sum(axis=1).max() for rows in (generated, real)]
    bound = (2.01 * 3072 + 11) * 2.0**-24 * sum(norms) * 1.01
    assert np.abs(answer.forward.distances**2 - expected[0] ** 2).max() <= bound
    check_within(real, exact=2)


def test_distances_below_the_resolution_of_float32():
    rng = np.random.default_rng(3)
    real = 1 + 1e-12 * rng.normal(size=(900, 40))
    generated = 1 + 1e-12 * rng.normal(size=(800, 40))
    real[0], real[1] = 5e3, -5e3  # the band now holds everything
    # The outliers' own distances tie up to the rounding of float64: their order means nothing.
    answer = two_way(generated, real)
    assert_exact(answer.forward, brute_force(generated, real, 32), 32)
    backward = brute_force(real, generated, 1)
    np.testing.assert_array_equal(answer.backward.indices[2:], backward[1][2:])
    np.testing.assert_array_equal(
        within(real).indices[2:], brute_force(real, real, 32, exclude_self=True)[1][2:]
    )


@pytest.mark.parametrize("unique", [1, 2, 40])
def test_thousands_of_identical_rows(unique):
    rng = np.random.default_rng(4)
    patterns = rng.normal(size=(unique, 20))
    real, generated = (patterns[rng.integers(unique, size=n)] for n in (3000, 1500))
    check(generated, real)
    check(generated + 1e-3 * rng.normal(size=generated.shape), real)
    check_within(real)


def test_ties_in_many_dimensions_are_exact():
    # 2^25 < 1500 * 32 * 800: ranks 3 to 32 are measured only because one-hot rows tie everywhere.
    real = np.eye(900, 800, dtype=np.float32)
    generated = np.eye(1500, 800, k=3, dtype=np.float32)
    check(generated, real)
    check_within(np.tile(real, (2, 1))[:1400])


@pytest.mark.parametrize("patterns", [None, 50])
def test_answers_depend_neither_on_memory_nor_on_threads(patterns):
    rng = np.random.default_rng(5)
    real = rng.normal(size=(6000, 400)).astype(np.float32)
    generated = rng.normal(size=(2500, 400)).astype(np.float32)
    if patterns:  # more copies of a row than a list holds
        real = real[rng.integers(patterns, size=6000)]
    answers, selves = [], []
    for limit, threads in ((None, 1), (None, 2), (60 << 20, 1), (80 << 20, 2)):
        with threadpool_limits(threads, user_api="blas"):
            answers.append(two_way(generated, real, max_memory=limit))
            selves.append(within(real, 16, max_memory=limit))
    for answer, own in zip(answers, selves, strict=True):
        for part in ("forward", "backward"):
            for field in ("distances", "indices"):
                np.testing.assert_array_equal(
                    getattr(getattr(answer, part), field),
                    getattr(getattr(answers[0], part), field),
                )
        np.testing.assert_array_equal(own.distances, selves[0].distances)
        np.testing.assert_array_equal(own.indices, selves[0].indices)


def test_memory_mapped_rows_are_streamed_within_the_limit(tmp_path):
    limit, k, d = 48 << 20, 32, 1024
    rng = np.random.default_rng(6)
    sets = []
    for name, rows in (("generated", 2500), ("real", 13000)):
        np.save(tmp_path / name, rng.normal(size=(rows, d)).astype(np.float32))
        sets.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    assert sets[1].nbytes > limit
    with threadpool_limits(1, user_api="blas"):
        tracemalloc.start()
        answer = two_way(*sets, k, max_memory=limit)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= limit + (24 * k + 64) * 2500 + 64 * 13000
    some = np.arange(0, 2500, 60)
    expected = brute_force(np.asarray(sets[0])[some], sets[1], 2)
    np.testing.assert_array_equal(answer.forward.indices[some, :2], expected[1])


def test_memory_stays_bounded_when_everything_ties():
    limit, k = 48 << 20, 32
    real = np.repeat(np.random.default_rng(7).normal(size=(2, 50)), 4000, axis=0)
    with threadpool_limits(1, user_api="blas"):
        tracemalloc.start()
        answer = two_way(real[::3].copy(), real, k, max_memory=limit)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= limit + (24 * k + 64) * len(real) // 3 + 64 * len(real) * 4 // 3
    np.testing.assert_array_equal(answer.forward.indices[0], np.arange(k))
    np.testing.assert_array_equal(answer.forward.indices[-1], 4000 + np.arange(k))


def test_a_limit_too_small_names_one_that_does():
    rows = np.random.default_rng(8).normal(size=(50, 3))
    with pytest.raises(UsageError, match=r"pass at least max_memory=\d+") as error:
        two_way(rows, rows, max_memory=1000)
    least = int(str(error.value).split("max_memory=")[1].split()[0])
    assert "\n" not in str(error.value)
    two_way(rows, rows, max_memory=least)
    with pytest.raises(UsageError):
        two_way(rows, rows, max_memory=least - 2**20)


def test_values_whose_squares_overflow_are_refused():
    rows = np.array([[1e200], [-1e200]])
    with pytest.raises(InputError, match="rescale"):
        within(rows)


def test_one_row_has_no_neighbour_but_itself():
    row = np.ones((1, 4), np.float32)
    assert within(row).distances.shape == within(row).indices.shape == (1, 0)
    answer = two_way(row, row)
    assert answer.forward.distances.tolist() == answer.backward.distances.tolist() == [[0.0]]


@pytest.mark.parametrize("k", [0, -1, 2.5, True])
def test_k_must_be_a_positive_whole_number(k):
    with pytest.raises(UsageError):
        two_way(np.ones((2, 2)), np.ones((2, 2)), k)


@pytest.mark.parametrize(
    "call", [lambda p: two_way(ROWS, ROWS[:900], progress=p), lambda p: within(ROWS, progress=p)]
)
def test_progress_counts_up_to_all_blocks(call):
    seen = []
    call(lambda done, steps: seen.append((done, steps)))
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))


def test_a_failure_in_a_thread_reaches_the_caller():
    def fail(done, steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two_way(ROWS, ROWS, progress=fail)


ROWS = np.random.default_rng(9).normal(size=(2500, 6))


@pytest.mark.parametrize("d", [8, 200])
def test_faiss_finds_the_same_neighbours(d):
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(10)
    generated, real = (rng.normal(size=(n, d)).astype(np.float32) for n in (1200, 2100))
    answer = two_way(generated, real, 5)
    index = faiss.IndexFlatL2(d)
    index.add(real)
    squared, rows = index.search(generated, 5)
    # float32 sums of d squares: relative error below (d + 2) 2^-24 of (||x|| + ||y||)^2 ~ 4 d.
    error = 4 * (d + 2) * 2.0**-24 * 4 * d
    np.testing.assert_allclose(answer.forward.distances**2, squared, rtol=0, atol=error)
    assert (answer.forward.indices == rows).mean() > 0.999
