"""The parts that regressions share: correlated sums, robust weights, bounds, combinations in words."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from mpc_controller.arrays import Array
from mpc_controller.identification.inverse_dynamics.autocorrelation import long_run
from mpc_controller.identification.inverse_dynamics.bounded import bounded_minimum
from mpc_controller.identification.inverse_dynamics.combinations import combination
from mpc_controller.identification.inverse_dynamics.robust import check_loss, spread, weights
from mpc_controller.identification.model_structure import IdentificationError


def autoregression(samples: int, rho: float, random: np.random.Generator) -> Array:
    rows = random.normal(size=(samples, 2))
    for k in range(1, samples):
        rows[k] += rho * rows[k - 1]
    return rows


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_variance_of_a_sum_of_correlated_rows_is_found(rho: float) -> None:
    """Of first-order autoregression with unit shocks: K / (1 − ρ)²."""
    random, samples = np.random.default_rng(0), 4000
    found = np.mean([long_run([autoregression(samples, rho, random)]).covariance for _ in range(20)], axis=0)
    np.testing.assert_allclose(np.diag(found), samples / (1 - rho) ** 2, rtol=0.25)
    assert abs(found[0, 1]) < 0.15 * found[0, 0]


def test_pieces_are_independent_of_each_other() -> None:
    random = np.random.default_rng(1)
    pieces = [autoregression(500, 0.5, random) for _ in range(4)]
    alone = [long_run([piece] * 4).covariance / 4 for piece in pieces]
    together = long_run(pieces).covariance
    np.testing.assert_allclose(together, sum(alone), rtol=0.15)


def test_fewer_independent_stretches_make_wider_intervals() -> None:
    random = np.random.default_rng(2)
    assert 1.96 < long_run([autoregression(4000, 0.0, random)]).critical < long_run([autoregression(100, 0.9, random)]).critical


def test_bounded_minima_are_those_of_a_general_solver() -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        root, g = random.normal(size=(5, 5)), random.normal(size=5)
        H = root @ root.T + 0.1 * np.eye(5)
        lower, upper = np.array([-np.inf, -0.1, -0.2, -0.5, 0.0]), np.array([0.1, np.inf, 0.2, 0.5, 0.0])
        given = bounded_minimum(H, g, lower, upper)
        bounds = list(zip(lower, upper, strict=True))
        cost = scipy.optimize.minimize(
            lambda d, H=H, g=g: 0.5 * d @ H @ d + g @ d,
            np.zeros(5),
            jac=lambda d, H=H, g=g: H @ d + g,
            bounds=bounds,
            tol=1e-12,
        )
        np.testing.assert_allclose(given, cost.x, atol=1e-5)


def test_robust_weights_are_one_within_and_fall_outside() -> None:
    r = np.array([0.0, 1.0, 10.0])
    np.testing.assert_array_equal(weights("squares", r), 1.0)
    np.testing.assert_allclose(weights("huber", r), [1.0, 1.0, 0.1345])
    assert weights("bisquare", r)[0] == 1.0
    assert weights("bisquare", r)[2] == 0.0
    with pytest.raises(IdentificationError, match="loss is 'tukey'; valid are squares, huber, bisquare"):
        check_loss("tukey")


def test_a_robust_spread_is_that_of_the_bulk() -> None:
    errors = np.random.default_rng(4).normal(size=(5000, 1))
    errors[::20] += 100.0
    assert spread(errors, "huber")[0] == pytest.approx(1.0, rel=0.1)
    assert spread(errors, "squares")[0] > 20


def test_combinations_read_like_formulas() -> None:
    names = ("a", "b", "c", "d")
    assert combination(names, np.array([0.5, 1.0, 0.001, -0.25])) == "b + 0.5 a − 0.25 d"
    assert combination(names, np.array([0.5, 1.0, 0.0, -0.25]), first=0) == "a + 2 b − 0.5 d"
    assert combination(names, np.array([0.0, 0.0, 3.0, 0.0])) == "c"
    many = tuple(f"x{i}" for i in range(9))
    assert combination(many, np.ones(9)).endswith("and 3 more")
