"""What an endless horizon costs, as the cost of a finite one's end."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mpc_controller.solvers.lqr_terminal_cost import lqr_terminal_cost
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.riccati import RegulatorError
from robots import load_robot
from tests.problem.double_integrator import problem as double_integrator
from tests.solvers.problems import constant_guess, solve


def test_with_the_regulators_cost_at_its_end_a_horizon_is_as_good_as_endless():
    base = double_integrator()
    closed = dataclasses.replace(base, terminal_costs=(lqr_terminal_cost(base, np.zeros(2), np.zeros(1)),))
    x0 = np.array([1.0, -0.5])
    short = solve(MultipleShooting(closed, real_time_iteration=False), x0)
    endless = solve(MultipleShooting(double_integrator(grid=(0.1,) * 400), real_time_iteration=False), x0)
    assert short.cost == pytest.approx(endless.cost, rel=1e-10)
    np.testing.assert_allclose(short.gains, np.broadcast_to(endless.gains[0], short.gains.shape), rtol=1e-8)


def test_a_hovering_quadrotor_gets_the_cost_of_its_endless_hover():
    """Attitude included: P is in the tangent space of the quaternion."""
    robot = load_robot("quadrotor")
    task = robot.tasks["hover"]()
    x = np.asarray(task.reference(np.array([100.0]))[0])
    base = task.problem
    thrust = x[13:17]
    cost = lqr_terminal_cost(base, x, thrust, reference=x)
    x0 = base.dynamics.manifold.retract(x, 0.003 * np.random.default_rng(1).normal(size=16))
    costs = []
    for problem in (
        dataclasses.replace(base, name="short", grid=(0.05,) * 5, terminal_costs=(cost,)),
        dataclasses.replace(base, name="long", grid=(0.05,) * 200, terminal_costs=()),
    ):
        guess = constant_guess(problem, x0, thrust)
        solver = MultipleShooting(problem, real_time_iteration=False, hessian="gauss-newton")
        costs.append(solve(solver, x0, guess, reference=np.tile(x, (problem.N + 1, 1))).cost)
    # Exact to second order only: the rest is cubic in deviations of 0.003.
    assert costs[0] == pytest.approx(costs[1], rel=1e-3)


def test_a_terminal_cost_needs_a_point_where_everything_rests():
    base = double_integrator()
    with pytest.raises(RegulatorError, match=r"no equilibrium: it moves by 0\.1"):
        lqr_terminal_cost(base, np.array([0.0, 1.0]), np.zeros(1))
    with pytest.raises(RegulatorError, match="not least at state"):
        lqr_terminal_cost(base, np.array([1.0, 0.0]), np.zeros(1))
    with pytest.raises(RegulatorError, match=r"control is .*; expected 1 numbers"):
        lqr_terminal_cost(base, np.zeros(2), np.zeros(2))
