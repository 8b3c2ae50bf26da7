"""The generated stage functions: derivatives in the tangent space against central differences."""

from __future__ import annotations

from functools import cache

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.layout import padded
from mpc_controller.solvers.stage_functions import StageFunctions
from tests.solvers.problems import RigidSpin


@pytest.fixture(scope="module")
def functions():
    def tilt(stage):
        return 2 * stage.x[1:3] * stage.x[0]

    problem = OptimalControlProblem(
        name="spin",
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.1,) * 3,
        path_costs=(
            LeastSquares("attitude", lambda stage: stage.x[1:4] - stage.reference, (3.0, 4.0, 5.0)),
            GeneralCost("spin", lambda stage: ca.exp(stage.x[4] * stage.u[0]) + stage.x[1] ** 2 * stage.x[5]),
        ),
        terminal_costs=(LeastSquares("end", lambda stage: stage.x[4:], (1.0, 2.0, 3.0)),),
        path_constraints=(
            Constraint("tilt", tilt, (-0.5, -0.5), (0.5, 0.5), Soft(1.0, 1.0)),
            control_bounds((-1.0,) * 3, (1.0,) * 3),
            state_bounds((5,), (-2.0,), (2.0,), "rate"),
        ),
        reference_names=("a", "b", "c"),
    )
    return StageFunctions(problem)


def _point(functions, seed=3):
    rng = np.random.default_rng(seed)
    manifold = functions.problem.dynamics.manifold
    x, x_next = (manifold.normalized(rng.normal(size=7)) for _ in range(2))
    return x, rng.normal(size=3), x_next, functions.problem.parameters.values, rng.normal(size=3), 0.1


def _central(evaluate, size, step=1e-6):
    columns = [(evaluate(step * e) - evaluate(-step * e)) / (2 * step) for e in np.eye(size)]
    return np.stack(columns, axis=-1)


@cache
def _generated(functions):
    return {function.name(): function for function in functions.functions()}


def _moved(functions, name, point, output):
    """The output as a function of z = (δu, δx) around the point."""
    function = _generated(functions)[name]
    x, u, *rest = point
    manifold = functions.problem.dynamics.manifold

    def evaluate(z):
        values = function(manifold.retract(x, z[3:]), u + z[:3], *rest)
        return np.array(values[output]).squeeze()

    return evaluate


def test_the_transition_is_the_derivative_of_the_defect(functions):
    point = _point(functions)
    path = _generated(functions)["ocp_path"](*point)
    transition = np.array(path[1])
    assert transition.shape == (padded(9), 6)
    np.testing.assert_allclose(transition[:9].T, _central(_moved(functions, "ocp_path", point, 0), 9), atol=1e-7)
    np.testing.assert_array_equal(transition[9:], 0.0)


def test_the_gradient_is_the_derivative_of_the_cost(functions):
    point = _point(functions)
    path = _generated(functions)["ocp_path"](*point)
    np.testing.assert_allclose(np.array(path[3])[:, 0], _central(_moved(functions, "ocp_path", point, 2), 9), atol=1e-7)


def test_the_hessian_of_a_general_cost_is_exact(functions):
    point = list(_point(functions))
    weights = functions.problem.parameters.index("weight.attitude[0]")
    point[3] = point[3].copy()
    point[3][weights : weights + 3] = 0.0  # leaves the general cost alone
    path = _generated(functions)["ocp_path"](*point)

    def value(z):
        return _moved(functions, "ocp_path_value", point, 1)(z)

    step = 1e-4
    expected = _central(lambda z: _central(lambda y: value(z + y), 9, step), 9, step)
    np.testing.assert_allclose(np.array(path[4])[:9], expected, atol=1e-5)


def test_the_hessian_of_least_squares_is_gauss_newton(functions):
    point = _point(functions)
    path = _generated(functions)["ocp_path"]
    without = [*point]
    without[3] = without[3].copy()
    weights = functions.problem.parameters.index("weight.attitude[0]")
    without[3][weights : weights + 3] = 0.0
    hessian = np.array(path(*point)[4])[:9] - np.array(path(*without)[4])[:9]
    manifold, x = functions.problem.dynamics.manifold, point[0]
    J = _central(lambda z: manifold.retract(x, z[3:])[1:4], 9)
    np.testing.assert_allclose(hessian, 0.1 * J.T @ np.diag([3.0, 4.0, 5.0]) @ J, atol=1e-7)


def test_bounds_are_recognised_as_entries_and_come_first(functions):
    rows = functions.path_rows
    assert [(r.name, r.entry) for r in rows] == [
        ("control[0]", 0), ("control[1]", 1), ("control[2]", 2), ("rate[0]", 7), ("tilt[0]", None), ("tilt[1]", None),
    ]  # fmt: skip
    assert [r.name for r in functions.terminal_rows] == ["rate[0]", "tilt[0]", "tilt[1]"]


def test_general_rows_have_the_derivative_of_their_constraint(functions):
    point = _point(functions)
    path = _generated(functions)["ocp_path"](*point)
    expected = _central(_moved(functions, "ocp_path", point, 5), 9)
    np.testing.assert_allclose(np.array(path[6])[:9].T, expected[4:], atol=1e-7)
