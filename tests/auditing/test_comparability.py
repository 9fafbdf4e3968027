import numpy as np
import pandas as pd
import pytest
from scipy import stats

from byheart.auditing import comparability as control
from byheart.auditing.comparability import NumericColumn, comparability, numeric_columns
from byheart.distances.neighbours import two_way
from byheart.samples import read


def compare(real, generated, seed=0, raw=True, columns=()):
    flat, made = (np.ascontiguousarray(x.reshape(len(x), -1)) for x in (real, generated))
    nearest = two_way(made, flat, 1).forward.distances[:, 0]
    rng = np.random.default_rng(seed)
    return comparability(
        flat, made, nearest, rng, raw=raw, sample_shape=real.shape[1:], columns=columns
    )


def blobs(rng, count):
    """Images of one bright spot each in the upper left, 6 x 6 x 3, values in [0, 1]."""
    images = 0.1 * rng.random((count, 6, 6, 3))
    images[np.arange(count), rng.integers(0, 2, count), rng.integers(2, 5, count), 0] += 0.9
    return images


SPOILED = {
    "0 to 255": lambda x: x * 255,
    "[-1, 1]": lambda x: 2 * x - 1,
    "inverted": lambda x: 1 - x,
    "transposed": lambda x: x.swapaxes(1, 2),
    "channel order": lambda x: x[..., ::-1],
    "channels first": lambda x: np.moveaxis(x, 3, 1),
    "upside down": lambda x: x[:, ::-1],
    "linear scale": lambda x: 16 * x,
    "standardised": lambda x: (x - x.mean()) / x.std(),
}


@pytest.mark.parametrize("cause", SPOILED)
def test_a_wrong_encoding_is_named_and_only_of_raw_samples(cause):
    rng = np.random.default_rng(0)
    real, generated = blobs(rng, 300), SPOILED[cause](blobs(rng, 100))
    found = compare(real, generated)
    assert not found.passed
    assert cause in found.cause
    assert compare(real, generated, raw=False).cause is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x, rng: x,
        lambda x, rng: x + 0.1,
        lambda x, rng: x**1.2,
        lambda x, rng: x.mean(axis=0) + 0.1 * (x - x.mean(axis=0)),
        lambda x, rng: rng.random(x.shape),
        lambda x, rng: rng.normal(size=x.shape),
        lambda x, rng: np.zeros(x.shape),
    ],
)
def test_a_poor_model_is_not_taken_for_a_wrong_encoding(spoil):
    rng = np.random.default_rng(0)
    found = compare(blobs(rng, 300), spoil(blobs(rng, 100), rng))
    assert found.passed, found


def test_the_boxes_are_told_apart():
    rng = np.random.default_rng(0)
    unit = blobs(rng, 400)
    box = {"[0, 1]": unit, "0 to 255": 255 * unit, "[-1, 1]": 2 * unit - 1}
    for source, made in box.items():
        for target, real in box.items():
            cause = compare(real[:300], made[300:]).cause
            if source == target:
                assert cause is None
            else:
                assert cause.startswith(f"scaled to {source} where the data are ")
                assert cause.endswith(target)


@pytest.mark.parametrize("law", ["t3", "normal", "mixture", "twins"])
@pytest.mark.parametrize("dimension", [1, 2, 16])
def test_an_honest_set_passes(law, dimension):
    rng = np.random.default_rng([dimension, len(law)])
    for _ in range(5):
        normal = rng.normal(size=(300, dimension))
        if law == "t3":
            normal = normal / np.sqrt(rng.chisquare(3, (300, 1)) / 3)
        elif law == "mixture":
            normal = normal * rng.lognormal(sigma=1.5, size=(300, 1))
        real, generated = normal[:200], normal[200:]
        if law == "twins":  # the honest model knows the law, but not the twins
            real = np.concatenate([real, real + 1e-6 * rng.normal(size=real.shape)])
        assert compare(real, generated).passed


def test_near_duplicates_do_not_shrink_the_denominator():
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(200, 8)), rng.normal(size=(200, 8))
    doubled = np.concatenate([real, real + 1e-9])
    assert compare(doubled, generated).distance_ratio == pytest.approx(
        compare(real, generated).distance_ratio, rel=0.2
    )


def test_the_ratio_where_all_real_rows_are_equally_far_apart():
    real = np.eye(40)  # sqrt(2) apart
    assert compare(real, np.zeros((10, 40)), raw=False).distance_ratio == pytest.approx(0.5**0.5)
    far = compare(real, np.full((10, 40), 50.0), raw=False)
    assert far.distance_ratio == pytest.approx((39 * 50**2 + 49**2) ** 0.5 / 2**0.5)
    assert (far.passed, far.cause) == (False, None)


def test_equal_real_rows_have_no_scale():
    equal = np.ones((40, 1))
    assert compare(equal, equal[:10]).distance_ratio == 0
    assert compare(equal, equal[:10] + 1, raw=False).passed


def table(rng, rows):
    return pd.DataFrame(
        {
            "income": np.round(rng.lognormal(10, 0.5, rows), 2),
            "gain": rng.normal(size=rows),
            "paid": rng.poisson(0.5, rows) * 10.5,
            "kind": rng.choice(["a", "b"], rows),
        }
    )


def columns(rng, spoil=lambda frame: frame):
    sets = [table(rng, 200), table(rng, 200), spoil(table(rng, 150))]
    roles = ("train", "heldout", "generated")
    samples = [read(frame, role) for frame, role in zip(sets, roles, strict=True)]
    return numeric_columns(samples, ["gain", "kind", "income", "paid"])


def test_numeric_columns_are_as_stored():
    found = columns(np.random.default_rng(0))
    assert [c.name for c in found] == ["gain", "income", "paid"]
    assert [len(found[0].real), len(found[0].generated)] == [400, 150]
    assert found[1].real.min() > 1000


@pytest.mark.parametrize("name", ["income", "gain", "paid"])
def test_a_unit_error_names_its_column(name):
    rng = np.random.default_rng(0)
    found = control._other_units(columns(rng, lambda f: f.assign(**{name: 1000 * f[name]})))
    assert found == f"in another unit in column '{name}' (about 1,000 times the real values)"
    assert control._other_units(columns(rng)) is None


def test_a_smaller_unit_is_believed_of_columns_of_one_sign_only():
    rng = np.random.default_rng(0)
    spoiled = columns(rng, lambda f: f.assign(income=f.income / 1000, gain=f.gain / 1000))
    found = control._other_units(spoiled)
    assert found == "in another unit in column 'income' (about 0.001 times the real values)"


def test_standardised_columns():
    def spoil(frame):
        numbers = frame.drop(columns="kind")
        return (numbers - numbers.mean()).div(numbers.std()).assign(kind=frame.kind)

    rng = np.random.default_rng(0)
    real = [c for c in columns(rng, spoil) if c.name == "income"]
    assert control._standardised(real).startswith("standardised")
    assert control._standardised(columns(rng)) is None


def test_a_unit_error_in_raw_vectors():
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(300, 8)), rng.normal(size=(100, 8))
    generated[:, 3] *= 1000
    assert "column '3' (about 1,000 times" in compare(real, generated).cause


def test_kolmogorov_distance():
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 9, size).astype(float) for size in (40, 60))
    expected = stats.ks_2samp(first, second).statistic
    assert control._apart(first, second) == pytest.approx(expected, rel=1e-12)
    assert control._apart(first, first + 0.3, 0.3 + 1e-9) == 0
    assert control._apart(first, first + 0.3, 0.2) == control._apart(first, first + 0.3)


def test_too_few_values_tell_nothing():
    column = NumericColumn("x", np.ones(5), np.full(5, 1000.0))
    assert control._other_units([column]) is None
    assert control._standardised([]) is None


@pytest.mark.parametrize("cause", ["0 to 255", "[-1, 1]", "inverted", "transposed"])
def test_copies_in_a_wrong_encoding_are_seen_too(cause):
    rng = np.random.default_rng(0)
    real = blobs(rng, 300)
    found = compare(real, SPOILED[cause](real[:100]))
    assert found.cause is not None
    assert cause in found.cause
    assert compare(real, real[:100]).passed
