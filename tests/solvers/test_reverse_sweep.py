"""Back-propagation through the stages: the gradient of the rolled-out cost, against differences and Jacobians."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.problem.constraint import control_bounds, state_bounds
from mpc_controller.solvers.stage_functions import StageFunctions
from robots import ROBOTS, load_robot
from tests.solvers.problems import (
    RigidSpin,
    first_plan,
    spin_to_rest,
)


def _rolled_out_cost(problem, stage, x0, controls, p, reference):
    """Cost of controls, and the states on the way, by the generated functions."""
    x, total = [x0], 0.0
    for k, dt in enumerate(problem.grid):
        change, cost, _ = (np.array(v).ravel() for v in stage["ocp_path_value"](x[k], controls[k], x[k], p, reference[k], dt))
        total += float(cost[0])
        x.append(problem.dynamics.manifold.retract(x[k], change))
    return total + float(stage["ocp_terminal_value"](x[-1], p, reference[-1])[0]), x


@pytest.mark.parametrize("robot_name", ROBOTS)
def test_the_reverse_sweep_gives_the_derivative_of_the_rolled_out_cost(robot_name):
    """Against central differences along random directions of all controls, on every robot."""
    robot = load_robot(robot_name)
    task = robot.tasks[robot.default_task]()
    problem = task.problem
    functions = StageFunctions(problem, adjoint=True)
    stage = {f.name(): f for f in functions.functions()}
    x0, reference, guess = first_plan(robot, task)
    p, rng = problem.parameters.values, np.random.default_rng(1)
    span = robot.control_upper - robot.control_lower
    controls = guess.controls + 0.02 * span * rng.uniform(-1, 1, size=guess.controls.shape)
    _, x = _rolled_out_cost(problem, stage, x0, controls, p, reference)
    adjoint = np.array(stage["ocp_terminal_adjoint"](x[-1], p, reference[-1], np.zeros(len(functions.terminal_rows)))).ravel()
    gradient = np.zeros_like(controls)
    none = np.zeros(len(functions.path_rows))
    for k in range(problem.N - 1, -1, -1):
        given = (x[k], controls[k], x[k + 1], p, reference[k], problem.grid[k], adjoint, none)
        swept = np.array(stage["ocp_path_adjoint"](*given)).ravel()
        gradient[k], adjoint = swept[: functions.nu], swept[functions.nu :]
    for _ in range(5):
        direction = span * rng.normal(size=controls.shape)
        h = 1e-6
        ahead, behind = (_rolled_out_cost(problem, stage, x0, controls + s * h * direction, p, reference)[0] for s in (1, -1))
        assert np.sum(gradient * direction) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-7)


def test_the_reverse_sweep_includes_constraints_and_the_curvature_of_the_sphere():
    """∇[dt·l + πᵀ(F ⊟ x⁺) + μᵀg] against the stage's own Jacobians, at a point where F is far from x⁺."""
    problem = spin_to_rest(
        path_constraints=(control_bounds((-1.0,) * 3, (1.0,) * 3), state_bounds((5,), (-2.0,), (2.0,), "rate"))
    )
    stage = {f.name(): f for f in StageFunctions(problem, adjoint=True).functions()}
    rng = np.random.default_rng(0)
    x, x_next = (RigidSpin.manifold.normalized(rng.normal(size=7)) for _ in range(2))
    point = (x, rng.normal(size=3), x_next, problem.parameters.values, np.zeros(0), 0.1)
    pi, mu = rng.normal(size=6), rng.normal(size=4)
    _, transition, _, gradient, *_ = (np.array(value) for value in stage["ocp_path"](*point))
    expected = gradient[:, 0] + transition[:9] @ pi
    expected[[0, 1, 2, 7]] += mu
    np.testing.assert_allclose(np.array(stage["ocp_path_adjoint"](*point, pi, mu)).ravel(), expected, atol=1e-12)
