"""The second opinion is checked too: against closed forms, and against its own plain evaluation."""

import math

import casadi as ca
import numpy as np
import pytest
import scipy.linalg

from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from tests.ipopt_reference import IpoptError, evaluate, solve_with_ipopt
from tests.problem.double_integrator import problem

X0 = np.array([1.0, 0.0])


def solve(made: OptimalControlProblem) -> tuple[np.ndarray, np.ndarray, float]:
    return solve_with_ipopt(made, X0, made.parameters.values, np.zeros((made.N + 1, made.nr)))


def test_without_constraints_the_optimum_is_the_finite_horizon_lqr():
    dt = 0.1
    A, B = np.array([[1.0, dt], [0.0, 1.0]]), np.array([[dt**2 / 2], [dt]])
    Q, R = dt * np.diag([1.0, 0.1]), dt * np.array([[0.01]])
    P, gains = np.zeros((2, 2)), []
    for _ in range(20):
        K = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
        P = Q + A.T @ P @ (A - B @ K)
        gains.append(K)
    states, controls, cost = solve(problem())
    assert cost == pytest.approx(0.5 * X0 @ P @ X0, rel=1e-9)
    np.testing.assert_allclose(controls[0], -gains[-1] @ X0, rtol=1e-6)
    np.testing.assert_allclose(states[1], A @ X0 + B @ controls[0], atol=1e-9)


def test_a_long_horizon_gives_the_stationary_lqr_gain():
    A, B = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[0.005], [0.1]])
    P = scipy.linalg.solve_discrete_are(A, B, 0.1 * np.diag([1.0, 0.1]), [[0.001]])
    K = np.linalg.solve(0.001 + B.T @ P @ B, B.T @ P @ A)
    _, controls, _ = solve(problem(grid=(0.1,) * 100))
    np.testing.assert_allclose(controls[0], -K @ X0, rtol=1e-6)


def test_bounds_hold_where_they_say():
    made = problem(
        path_constraints=(control_bounds((-2.0,), (1.0,)), state_bounds((1,), (-0.7,), (0.7,), "speed")),
        terminal_constraints=(state_bounds((0,), (0.0,), (0.0,), "arrive"),),
    )
    states, controls, cost = solve(made)
    assert controls.min() == pytest.approx(-2.0, abs=1e-6)
    assert states[:, 1].min() == pytest.approx(-0.7, abs=1e-6)
    assert states[-1, 0] == pytest.approx(0.0, abs=1e-6)
    again, violation = evaluate(made, states, controls, made.parameters.values, np.zeros((21, 0)))
    assert again == pytest.approx(cost, rel=1e-9)
    assert violation < 1e-6


def test_a_bound_on_states_does_not_hold_at_the_given_state():
    made = problem(path_constraints=(state_bounds((0,), (-0.5,), (0.999,), "wall"),))
    states, controls, _ = solve_with_ipopt(made, np.array([1.0, -0.1]), made.parameters.values, np.zeros((21, 0)))
    _, violation = evaluate(made, states, controls, made.parameters.values, np.zeros((21, 0)))
    assert violation < 1e-6  # x₀ lies beyond the wall, which is nobody's fault


def test_a_soft_bound_that_is_dear_enough_is_kept_and_a_cheap_one_is_paid_for():
    def speed_limited(price: float) -> OptimalControlProblem:
        return problem(path_constraints=(state_bounds((1,), (-0.5,), (0.5,), "speed", Soft(price, 0.0)),))

    hard = problem(path_constraints=(state_bounds((1,), (-0.5,), (0.5,), "speed"),))
    hard_states, _, hard_cost = solve(hard)
    states, _, cost = solve(speed_limited(100.0))
    np.testing.assert_allclose(states, hard_states, atol=1e-5)
    assert cost == pytest.approx(hard_cost, rel=1e-6)
    cheap = speed_limited(0.01)
    states, controls, cost = solve(cheap)
    assert np.abs(states[:, 1]).max() > 0.6
    assert evaluate(cheap, states, controls, cheap.parameters.values, np.zeros((21, 0)))[0] == pytest.approx(cost, rel=1e-6)


def test_weights_and_bounds_are_taken_from_the_run_time_parameters():
    made = problem(path_constraints=(control_bounds((-2.0,), (2.0,)),))
    p = made.parameters.with_values({"lower.control[0]": -0.5, "weight.effort[0]": 0.02}).values
    _, controls, _ = solve_with_ipopt(made, X0, p, np.zeros((21, 0)))
    assert controls.min() == pytest.approx(-0.5, abs=1e-6)
    costs = (LeastSquares("state", lambda s: s.x, (1.0, 0.1)), LeastSquares("effort", lambda s: s.u, (0.02,)))
    fixed = problem(path_costs=costs, path_constraints=(control_bounds((-0.5,), (2.0,)),))
    np.testing.assert_allclose(controls, solve(fixed)[1], atol=1e-6)


def test_a_problem_without_a_solution_is_an_error():
    impossible = Constraint("impossible", lambda s: ca.sumsqr(s.x), (-math.inf,), (-1.0,))
    with pytest.raises(IpoptError, match="test"):
        solve(problem(path_constraints=(impossible,)))


def test_evaluate_finds_the_worst_gap_and_the_worst_violation():
    made = problem(path_constraints=(control_bounds((-1.0,), (1.0,)),))
    states, controls = np.zeros((21, 2)), np.zeros((20, 1))
    states[7, 0] = 0.25
    assert evaluate(made, states, controls, made.parameters.values, np.zeros((21, 0)))[1] == pytest.approx(0.25)
    controls[3] = 1.5
    assert evaluate(made, states, controls, made.parameters.values, np.zeros((21, 0)))[1] == pytest.approx(0.5)
