"""Other packages' conventions: small cases by hand, and the packages themselves where installed.

dgm-eval is not on the package index: put a checkout on PYTHONPATH. SDMetrics is: `sdmetrics`.
"""

import warnings

import numpy as np
import pytest

from byheart import InputError
from byheart.auditing.metrics import compat


def three_sets(d, rng, dtype=np.float64):
    train, heldout, generated = rng.normal(size=(3, 150, d)).astype(dtype)
    generated[:30] = train[:30] + 0.05 * rng.normal(size=(30, d))
    return train, heldout, generated


@pytest.mark.parametrize("d", [5, 80])  # 80: principal components before the cells of ct
def test_dgm_eval_itself(d):
    pytest.importorskip("dgm_eval.metrics.authpct")
    from dgm_eval.metrics import ct
    from dgm_eval.metrics.authpct import compute_authpct
    from dgm_eval.metrics.prdc import compute_prdc
    from dgm_eval.metrics.vendi import compute_vendi_score
    from scipy.stats import mannwhitneyu

    # Its call hands over (n, 1) arrays, whose result numpy 2.4 no longer turns into a number.
    ct.mannwhitneyu = lambda a, b, alternative: mannwhitneyu(
        a.ravel(), b.ravel(), True, alternative
    )
    sets = three_sets(d, np.random.default_rng(d), np.float32)
    found = compat.dgm_eval(*sets, seed=3)
    np.random.seed(3)  # noqa: NPY002
    expected = compute_prdc(sets[0], sets[2], 5)
    expected["authpct"] = compute_authpct(sets[0], sets[2])
    expected["vendi"] = compute_vendi_score(sets[2].astype(float))
    expected["ct"] = ct.compute_CTscore(*(x.astype(float) for x in sets))
    # authpct is a float32 there; the other figures are ratios of counts or sums in float64.
    assert found == pytest.approx(expected, rel=1e-6)


def test_sdmetrics_itself():
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sdmetrics")
        from sdmetrics.single_table import DCROverfittingProtection, NewRowSynthesis

        rng = np.random.default_rng(5)
        names = ["a", "b", "kind"]
        sets = []
        for rows in (60, 50, 40):
            x = np.column_stack([rng.normal(size=(rows, 2)), rng.integers(0, 3, rows)])
            x[rng.random(x.shape) < 0.05] = np.nan
            sets.append(x)
        sets[2][:10] = sets[0][:10]  # exact matches
        sets[2][5:10, 0] *= 1.005  # within 1%
        sets[1][3] = sets[0][3]  # a tie between T and H
        frames = [pandas.DataFrame(x, columns=names) for x in sets]
        kinds = {n: {"sdtype": "categorical" if n == "kind" else "numerical"} for n in names}
        tables = {"tables": {"t": {"columns": kinds}}}["tables"]["t"]
        outcome = DCROverfittingProtection.compute_breakdown(
            frames[0], frames[2], frames[1], tables, "t"
        )
        new = NewRowSynthesis.compute(frames[0].copy(), frames[2].copy(), tables)
    found = compat.sdmetrics(*sets, categorical=[2])
    assert found == pytest.approx(
        {
            "DCROverfittingProtection": outcome["score"],
            "closer_to_training": outcome["synthetic_data_percentages"]["closer_to_training"],
            "NewRowSynthesis": new,
        }
    )


def test_dgm_eval_conventions_on_a_line():
    # k = 1: training rows 0, 1, 3 have radii 1, 1, 2; generated rows 2, 2.5, 9 have .5, .5, 6.5.
    train, generated = np.array([[0.0], [1.0], [3.0]]), np.array([[2.0], [2.5], [9.0]])
    found = compat._prdc(train, generated, 1)
    assert found["precision"] == pytest.approx(2 / 3)  # 2 is on the sphere around 1: outside
    assert found["density"] == pytest.approx(2 / 3)  # 2 and 2.5 lie in one ball each
    assert found["recall"] == pytest.approx(1 / 3)  # 3 in the ball of 9 alone
    assert found["coverage"] == pytest.approx(1 / 3)  # only the ball of 3 holds any inside
    # The distances to T are 1 (of 1), .5 (of 3), 6 (of 3), against 1 and 2: only 9 is authentic.
    assert compat._authpct(train, generated) == pytest.approx(100 / 3)


def test_sdmetrics_conventions_by_hand():
    train = [[0.0, 1.0], [10.0, 2.0]]  # range of column 0: 10
    heldout = [[0.0, 1.0], [2.0, 3.0]]  # range: 2
    generated = [
        [1.0, 1.0],  # .1/2 from T, .5/2 from H: T
        [0.0, 1.0],  # a tie: H
        [40.0, 3.0],  # 1 + 1 over 2 from T; 1/2 from H: differences stop at the range
        [np.nan, 2.0],  # 1/2 from T, 1 from H
    ]
    found = compat.sdmetrics(train, heldout, generated, categorical=[1])
    assert found == {
        "closer_to_training": 0.5,
        "DCROverfittingProtection": 1.0,
        "NewRowSynthesis": 0.75,
    }


def test_other_columns_are_refused():
    with pytest.raises(InputError, match="differ in their number of columns"):
        compat.dgm_eval(np.zeros((4, 2)), np.zeros((4, 3)), np.zeros((4, 2)))
