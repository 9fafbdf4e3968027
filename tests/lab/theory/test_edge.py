import numpy as np
import pytest

from byheart.lab.theory import edge


def test_the_crossover_is_continuous_and_has_its_limits():
    eta = np.linspace(-8, 20, 28001)  # steps of 0.001; the slope of phi is at most 0.6
    for values in (edge.crossover(eta), edge.crossover_correction(eta, 0.3)):
        # At the ends of the tables the tails take over: within 1e-4 of them.
        assert np.all(np.abs(np.diff(values)) < 1e-3)
    assert edge.crossover(-20.0) == edge.GINIBRE_CONSTANT
    assert edge.crossover(1e3) == pytest.approx(np.log(1e3), abs=2e-6)


def test_the_second_derivative_jumps_by_one_at_zero():
    """phi − eta²/2 beyond 0 continues phi below it: the two lines differ by D (e^ell − 1 − ell)."""
    h = 0.02
    left = edge.crossover([-2 * h, -h, 0.0]) @ [1, -2, 1] / h**2
    right = edge.crossover([0.0, h, 2 * h]) @ [1, -2, 1] / h**2
    # Third derivatives of about 0.5 over a distance of 2 h, and 1e-6/h² from the tables.
    assert right - left == pytest.approx(1.0, abs=0.05)
