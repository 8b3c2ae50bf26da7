"""Terms of a problem refuse what makes no sense, by name."""

import math

import pytest

from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares, ProblemError


@pytest.mark.parametrize("weights", [(), (-1.0,), (math.nan,), (1.0, math.inf)])
def test_weights_that_are_missing_negative_or_not_finite_are_refused(weights):
    with pytest.raises(ProblemError, match="cost 'effort'"):
        LeastSquares("effort", lambda s: s.u, weights)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [((1.0,), (0.0,)), ((math.nan,), (1.0,)), ((0.0,), (math.nan,)), ((math.inf,), (math.inf,)), ((-math.inf,), (-math.inf,))],
)
def test_bounds_that_are_reversed_or_not_numbers_are_refused_with_their_row(lower, upper):
    with pytest.raises(ProblemError, match="constraint 'box' row 0"):
        Constraint("box", lambda s: s.u, lower, upper)


@pytest.mark.parametrize(("lower", "upper"), [((), ()), ((0.0,), (1.0, 2.0))])
def test_bounds_of_different_number_are_refused(lower, upper):
    with pytest.raises(ProblemError, match="as many of each"):
        Constraint("box", lambda s: s.u, lower, upper)


@pytest.mark.parametrize(("l1", "l2"), [(-1.0, 1.0), (0.0, 0.0), (math.inf, 1.0), (1.0, math.nan)])
def test_prices_of_a_violation_must_be_finite_and_one_above_zero(l1, l2):
    with pytest.raises(ProblemError, match="Soft"):
        Soft(l1, l2)


def test_equal_and_infinite_bounds_are_fine():
    assert Constraint("hold", lambda s: s.x, (1.0, -math.inf), (1.0, math.inf)).soft is None


def test_helpers_take_any_numbers():
    assert control_bounds([-1], [1]).lower == (-1.0,)
    assert state_bounds([0], [0], [2], "speed", Soft(1.0, 0.0)).upper == (2.0,)
