"""The encoding of single columns against exact values."""

import numpy as np
import pytest

from byheart import InputError
from byheart.samples import encode, read

pd = pytest.importorskip("pandas")


def encoded(train, heldout, generated, **options):
    """Encode one column "x" of three lists."""
    sets = [
        None if v is None else read(pd.DataFrame({"x": v}), role)
        for v, role in zip(
            (train, heldout, generated), ("train", "heldout", "generated"), strict=True
        )
    ]
    return encode(*sets, **options)


def test_numbers_follow_the_stated_formula():
    rng = np.random.default_rng(0)
    train, heldout, generated = rng.normal(3, 2, 50), rng.normal(3, 2, 40), rng.normal(3, 2, 30)
    pooled = np.concatenate([train, heldout])
    low, median, high = np.quantile(pooled, [0.25, 0.5, 0.75])
    result = encoded(train, heldout, generated)
    for role, x in (("train", train), ("heldout", heldout), ("generated", generated)):
        expected = np.arcsinh((x - median) * 1.349 / (high - low))
        # a handful of roundings of values of order 1
        np.testing.assert_allclose(getattr(result, role)[:, 0], expected, rtol=1e-12, atol=1e-14)


def test_normal_values_and_categories_weigh_the_same():
    values = np.random.default_rng(0).normal(5, 3, 20_000)
    result = encoded(values[:10_000], values[10_000:], values[:10] + 1)
    # sqrt(2) E[asinh(Z)^2]^(1/2) = 1.125 by quadrature; the sample's error is below 0.01
    assert np.isclose(np.sqrt(2) * result.train.std(), 1.125, atol=0.02)


def test_one_huge_price_does_not_dominate():
    rng = np.random.default_rng(1)
    prices = np.exp(rng.normal(3, 1, 200))
    prices[7] = 1e9
    result = encoded(prices[:100], prices[100:], prices[:50] + 0.5)
    bulk = np.delete(result.train[:, 0], 7)
    assert bulk.std() > 0.5  # by plain standardisation it would be below 1e-6


def test_a_rare_value_does_not_dominate():
    rare = np.zeros(10_000)
    rare[5] = 1.0
    result = encoded(rare[:5_000], rare[5_000:], [0.0, 1.0])
    # scale = standard deviation = 1/100 nearly: the logarithm of the rarity, not its root
    assert np.isclose(result.train[5, 0], np.arcsinh(100.0), rtol=1e-4)
    assert result.train[4, 0] == 0.0


def test_a_category_mismatch_has_distance_one():
    result = encoded(list("aabb"), list("abcc"), list("abc"))
    difference = result.generated[:, None] - result.generated[None]
    expected = 1.0 - np.eye(3)
    np.testing.assert_allclose(np.linalg.norm(difference, axis=2), expected, rtol=1e-15)


@pytest.mark.parametrize("cell", ["new", None])
def test_a_level_that_no_real_row_has(cell):
    result = encoded(list("aabb"), list("abba"), ["a", cell, cell, "b"])
    assert result.train.shape[1] == 3
    distance = np.linalg.norm(result.generated[1] - result.train, axis=1)
    np.testing.assert_allclose(distance, 1.0, rtol=1e-15)
    shown = cell or "missing"
    assert (
        f"column 'x': 2 generated cells have categories that no real row has ({shown}); "
        "they count as one further category" in result.warnings
    )


def test_missing_is_a_category_of_its_own():
    result = encoded(["a", None, "b"], ["a", None, None], [None, "a"])
    assert result.train.shape[1] == 3
    assert (result.generated[0] == result.train[1]).all()
    assert result.warnings == ()


@pytest.mark.parametrize("where", ["train", "heldout", "generated"])
def test_missing_numbers_become_the_median_and_a_mark(where):
    values = {"train": [1.0, 2.0, 3.0], "heldout": [1.5, 2.0, 5.0], "generated": [2.0, 9.0]}
    values[where] = [np.nan, *values[where]]
    result = encoded(*values.values())
    assert result.train.shape[1] == 2
    assert getattr(result, where)[0].tolist() == [0.0, 1.0]  # the median is at 0
    assert result.train[-1, 1] == 0.0
    assert "1 missing cells were set to the median of the real rows" in result.warnings[0]


@pytest.mark.parametrize(
    "constant", [[5, 5, 5], [2.5, 2.5], ["a", "a"], [None, None], ["", ""], [True]]
)
def test_a_constant_column_is_left_out(constant):
    frame = {"x": constant, "y": np.arange(len(constant)) / 7}
    sets = [
        read(pd.DataFrame({**frame, "y": frame["y"] + shift}), role)
        for shift, role in enumerate(("train", "heldout", "generated"))
    ]
    result = encode(*sets)
    assert result.train.shape[1] == 1
    assert result.warnings == ("column 'x' is constant in the real data and was left out",)
    assert result.columns == ("x", "y")  # still shown


def test_constant_tables_do_not_crash():
    result = encoded([1, 1, 1], [1, 1], [1, 2, 3, 4])
    assert [x.tolist() for x in (result.train, result.heldout)] == [[[0]] * 3, [[0]] * 2]
    assert result.generated.shape == (4, 1)


def test_more_than_a_hundred_levels_need_a_choice():
    levels = [f"l{i // 2}" for i in range(202)]
    with pytest.raises(
        InputError, match=r"column 'x' has 101 categories, more than 100.*--ignore x"
    ):
        encoded(levels[:100], levels[100:], ["l0"])
    assert encoded(levels[:100], levels[100:200], ["l0"]).train.shape[1] == 100


def test_too_wide_a_range_is_refused():
    with pytest.raises(InputError, match="column 'x' spans too wide a range"):
        encoded([0.0, 5e-324, 1e-323, 1.7e308], [-1.7e308, 0.0], [1.0, 2.0])


def test_a_date_in_a_category_is_refused():
    with pytest.raises(InputError, match="is a date and in the real data a category"):
        encoded(["a", "b"], ["b", "a"], pd.to_datetime(["2021-01-01"]))


def test_a_column_of_missing_numbers_only_is_left_out():
    result = encoded([np.nan, np.nan], [np.nan], [np.nan, 3.0])
    assert result.warnings == ("column 'x' is constant in the real data and was left out",)
