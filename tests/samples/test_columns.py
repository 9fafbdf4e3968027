"""What the columns of a table mean, and the cells that are refused."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from byheart import InputError
from byheart.samples import read
from byheart.samples.columns import MISSING, Column, identifier, meaning

pd = pytest.importorskip("pandas")


def text_column(tmp_path, cells, role="train"):
    """A column as it comes from a CSV."""
    file = tmp_path / f"{role}.csv"
    file.write_text("x,y\n" + "".join(f'"{c}",1\n' for c in cells))
    return Column(read(file, role), "x")


def typed(values, role="train"):
    """A column as it comes from a frame or from Parquet."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return Column(read(pa.table({"x": array}), role), "x")


@pytest.mark.parametrize(
    ("cells", "means"),
    [
        (["1", "-2", "+3.5", ".5", "4.", "1e-3", " 7 "], "number"),
        (["1", "", "NA", "nan", "2"], "number"),
        (["0", "0.5", "-0"], "number"),
        (["01234", "94110", "10001"], "category"),
        (["1", "a", "b"], "category"),
        (["true", "False", "true"], "category"),
        (["2021-03-04", "1999-12-31", ""], "date"),
        (["2021-03-04T05:06:07.123456789Z", "2021-03-04 05:06+02:00", "2021-03-04"], "date"),
        (["20210304", "19991231"], "number"),
        (["", "NA", "null"], "empty"),
        (["0x10", "a"], "category"),
    ],
)
def test_the_meaning_of_text(tmp_path, cells, means):
    assert meaning([text_column(tmp_path, cells)]) == means


@pytest.mark.parametrize(
    ("cells", "row", "cell"),
    [
        (["3", "-", "5"], 1, "-"),
        (["3", "5", "4", "1,234"], 3, "1,234"),
        (["1.5", "inf"], 1, "inf"),
        (["1", "2", "", "?"], 3, "?"),
        (["2021-03-04", "2021-03-05", "yesterday"], 2, "yesterday"),
    ],
)
def test_a_cell_that_is_no_number_among_numbers_is_named(tmp_path, cells, row, cell):
    with pytest.raises(InputError) as caught:
        meaning([text_column(tmp_path, cells)])
    assert f"train.csv): row {row}, column 'x': '{cell}' is not a" in str(caught.value)


def test_the_meaning_is_decided_on_all_real_rows(tmp_path):
    numbers = text_column(tmp_path, ["1", "2", "3"])
    words = text_column(tmp_path, ["a", "b", "c", "d"], "heldout")
    padded = text_column(tmp_path, ["007"], "other")
    assert meaning([numbers, words]) == meaning([words, numbers]) == "category"
    assert meaning([numbers, padded]) == "category"


@pytest.mark.parametrize(
    ("values", "means"),
    [
        ([1, 2], "number"),
        ([1.5, None], "number"),
        (pa.array([1, 2], pa.uint8()), "number"),
        (pa.array([1, 2]).cast(pa.decimal128(30, 2)), "number"),
        ([True, False], "category"),
        (["94110", "10001"], "category"),  # declared text stays text
        (pa.array(["94110"], pa.large_string()), "category"),
        (pa.array([1, 2]).dictionary_encode(), "category"),
        (["2021-03-04", "2021-03-05"], "date"),
        ([datetime.date(2021, 3, 4)], "date"),
        ([datetime.datetime(2021, 3, 4, 5)], "date"),
        ([datetime.time(5, 6)], "number"),
        ([datetime.timedelta(hours=1)], "number"),
        (pa.nulls(2), "empty"),
        ([None, ""], "empty"),
    ],
)
def test_the_meaning_of_types(values, means):
    assert meaning([typed(values)]) == means


@pytest.mark.parametrize("values", [[b"x"], [[1, 2]], [{"a": 1}], pd.period_range("2021", "2022")])
def test_types_without_a_meaning(values):
    samples = read(pd.DataFrame({"x": values}), "train")
    with pytest.raises(InputError, match=r"neither numbers, dates nor categories.*--ignore x"):
        meaning([Column(samples, "x")])


@pytest.mark.parametrize(
    ("first", "second"), [([1], ["a"]), ([1], [datetime.date(2021, 1, 1)]), ([True], [2.5])]
)
def test_contradicting_types_are_refused(first, second):
    with pytest.raises(InputError, match="store it with one type"):
        meaning([typed(first), typed(second, "heldout")])


def test_text_beside_types_follows_the_types(tmp_path):
    text = text_column(tmp_path, ["1", "", "2.5"])
    assert meaning([text, typed([1, 2], "heldout")]) == "number"
    assert meaning([text, typed(["1", "2"], "heldout")]) == "category"


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        ("1970-01-02", 1.0),
        ("1970-01-01T12:00", 0.5),
        ("1970-01-01 06:00:00", 0.25),
        ("1970-01-01T06:00:00.000000789Z", 0.25),
        ("1970-01-01T06:00+03:00", 0.125),
        ("1969-12-31", -1.0),
        ("0001-01-01", -719162.0),
    ],
)
def test_dates_are_days(tmp_path, cells, days):
    assert text_column(tmp_path, [cells]).numbers("date").tolist() == [days]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([datetime.date(1970, 1, 3), None], [2.0, np.nan]),
        ([datetime.datetime(1970, 1, 1, 6)], [0.25]),
        (pa.array([0, 86_400_000_000_001], pa.timestamp("ns", "Europe/Zurich")), [0.0, 1.0]),
    ],
)
def test_declared_dates_are_days(values, expected):
    np.testing.assert_array_equal(typed(values).numbers("date"), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([datetime.time(0, 1)], [60.0]),
        (pa.array([1500], pa.duration("ms")), [1.5]),
        ([True, None, False], [1.0, np.nan, 0.0]),
        ([1.5, float("nan")], [1.5, np.nan]),
        (["3", "NA"], [3.0, np.nan]),
        (pa.array([3, 4]).dictionary_encode(), [3.0, 4.0]),
        (pa.nulls(2), [np.nan, np.nan]),
    ],
)
def test_numbers_of_every_type(values, expected):
    np.testing.assert_array_equal(typed(values).numbers("number"), expected)


@pytest.mark.parametrize(
    ("values", "means", "message"),
    [
        ([1.0, float("inf")], "number", "row 1, column 'x' is inf"),
        (["1", "b"], "number", "row 1, column 'x': 'b' is not a number"),
        (["1", "1e999"], "number", "row 1, column 'x': '1e999' is too large"),
        (["2021-02-28", "2021-02-30"], "date", "row 1, column 'x': '2021-02-30' is not a day"),
        (["2021-02-28", "x"], "date", "row 1, column 'x': 'x' is not an ISO date"),
        ([1, 2], "date", "is a number and in the real data a date"),
        ([datetime.date(2021, 1, 1)], "number", "is a date and in the real data a number"),
    ],
)
def test_bad_cells_are_named(values, means, message):
    with pytest.raises(InputError, match=message):
        typed(values, "generated").numbers(means)


def test_missing_cells_and_trimming(tmp_path):
    column = text_column(tmp_path, [*MISSING, " a ", "a", "  "])
    assert column.text.codes.tolist() == [-1] * len(MISSING) + [0, 0, -1]
    assert column.text.levels.to_pylist() == ["a"]


def test_booleans_are_alike_in_text_and_types(tmp_path):
    text = text_column(tmp_path, ["True", "false", "TRUE"]).text
    assert [text.levels[i].as_py() for i in text.codes] == ["true", "false", "true"]
    assert typed([True, False]).text.levels.to_pylist() == ["true", "false"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(20), True),
        ([f"p{i}" for i in range(20)], True),
        ([float(i) for i in range(20)], False),
        ([*range(19), 0], False),
        (range(9), False),  # too few for evidence
        ([*range(15), *[None] * 5], True),
    ],
)
def test_identifiers(values, expected):
    values = list(values)
    column = typed(values)
    assert identifier([column], meaning([column])) is expected


def test_an_identifier_differs_within_each_set():
    numbers, anew = typed(list(range(20))), typed(list(range(15)), "heldout")
    assert identifier([numbers, anew], "number") is True  # row numbers that start anew
    assert identifier([numbers, typed([3, 3], "heldout")], "number") is False
    assert identifier([numbers, typed(pa.nulls(2), "heldout")], "number") is True


def test_text_with_decimals_or_dates_is_no_identifier(tmp_path):
    numbers = text_column(tmp_path, [f"{i}.0" for i in range(30)])
    assert identifier([numbers], "number") is False
    dates = typed(list(pd.date_range("2021-01-01", periods=30)))
    assert identifier([dates], meaning([dates])) is False
    whole = text_column(tmp_path, [str(10**17 + i) for i in range(30)])  # equal as float64
    assert identifier([whole], "number") is True
