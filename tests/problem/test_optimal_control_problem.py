"""A problem checks itself when it is made, and knows what may change at run time."""

import math

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.integrators import ExplicitEuler
from mpc_controller.model.parameters import Parameter, ParameterError, Parameters
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares, ProblemError
from tests.problem.double_integrator import problem


def test_times_add_up_a_grid_that_need_not_be_uniform():
    np.testing.assert_allclose(problem(grid=(0.1, 0.2, 0.4)).times, [0.0, 0.1, 0.3, 0.7])


def test_everything_that_may_change_at_run_time_is_one_table_in_a_known_order():
    p = problem(
        path_constraints=(control_bounds((-1.0,), (2.0,)),),
        extra_parameters=Parameters((Parameter("wind", 3.0, "m/s"),)),
    ).parameters
    assert p.names == (
        *("m", "wind", "weight.state[0]", "weight.state[1]", "weight.effort[0]"),
        *("lower.control[0]", "upper.control[0]"),
    )
    np.testing.assert_array_equal(p.values, [1.0, 3.0, 1.0, 0.1, 0.01, -1.0, 2.0])


def test_infinite_bounds_are_parameters_too():
    p = problem(path_constraints=(state_bounds((0,), (-math.inf,), (1.0,), "wall"),)).parameters
    assert p["lower.wall[0]"].value == -math.inf


@pytest.mark.parametrize("grid", [(), (0.1, 0.0), (0.1, -0.1), (math.nan,), (math.inf,)])
def test_a_grid_without_time_is_refused(grid):
    with pytest.raises(ProblemError, match="grid"):
        problem(grid=grid)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path_costs": ()}, "no cost"),
        ({"terminal_costs": (LeastSquares("state", lambda s: s.x, (1.0, 1.0)),)}, r"named twice: \['state'\]"),
        (
            {"path_costs": (LeastSquares("state", lambda s: s.x, (1.0,)),)},
            r"cost 'state' gives shape \(2, 1\); expected \(1, 1\)",
        ),
        ({"path_costs": (GeneralCost("state", lambda s: s.x),)}, r"cost 'state' gives shape \(2, 1\); expected \(1, 1\)"),
        ({"terminal_costs": (GeneralCost("end", lambda s: s.u**2),)}, "terminal cost 'end' uses controls"),
        ({"path_constraints": (Constraint("box", lambda s: s.x, (0.0,), (1.0,)),)}, r"constraint 'box' gives shape \(2, 1\)"),
        ({"terminal_constraints": (control_bounds((0.0,), (1.0,)),)}, "terminal constraint 'control' uses controls"),
    ],
)
def test_a_term_that_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(ProblemError, match=message):
        problem(**changes)


def test_a_parameter_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match="no parameter 'wind'; there are m"):
        problem(path_costs=(GeneralCost("drag", lambda s: s.parameters["wind"] * s.u**2),))


def test_a_parameter_that_is_given_twice_is_refused():
    with pytest.raises(ParameterError, match="named twice"):
        problem(extra_parameters=Parameters((Parameter("m", 1.0, "kg"),)))


def test_terms_see_parameters_and_reference_by_name():
    made = problem(
        path_costs=(GeneralCost("pull", lambda s: s.parameters["m"] * (s.x[0] - s.reference[1]) ** 2),),
        reference_names=("a", "b"),
    )
    x, u, p, r = ca.SX.sym("x", 2), ca.SX.sym("u"), ca.SX.sym("p", len(made.parameters)), ca.SX.sym("r", made.nr)
    value = ca.Function("l", [x, u, p, r], [made.path_costs[0].value(made.stage(x, u, p, r))])
    assert float(value([3.0, 0.0], 0.0, made.parameters.values, [9.0, 1.0])) == 4.0


def test_the_fingerprint_changes_with_what_code_depends_on_and_not_with_values():
    same = problem().fingerprint
    assert problem().fingerprint == same
    costs = (LeastSquares("state", lambda s: s.x, (7.0, 8.0)), LeastSquares("effort", lambda s: s.u, (9.0,)))
    assert problem(path_costs=costs).fingerprint == same
    assert problem(grid=(0.2,) * 20).fingerprint == same  # steps are a run-time input
    box = control_bounds((-1.0,), (1.0,))
    soft = Constraint("control", box.expression, box.lower, box.upper, Soft(1.0, 1.0))
    others = [
        problem(grid=(0.1,) * 21),
        problem(integrator=ExplicitEuler()),
        problem(path_costs=(GeneralCost("state", lambda s: ca.sumsqr(s.x)),)),
        problem(path_constraints=(box,)),
        problem(path_constraints=(soft,)),
        problem(path_costs=(costs[0],), terminal_costs=(costs[1].__class__("effort", lambda s: s.x[:1], (1.0,)),)),
    ]
    assert len({same, *(p.fingerprint for p in others)}) == len(others) + 1
