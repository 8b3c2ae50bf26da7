"""The baseline solver: exact on linear-quadratic problems, honest about all others."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from mpc_controller.model.integrators import ExplicitEuler
from mpc_controller.problem.constraint import state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.lqr import LinearQuadraticRegulator
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.riccati import finite_horizon_lqr
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from tests.ipopt_reference import evaluate
from tests.problem.double_integrator import problem as double_integrator
from tests.solvers.linear_quadratic import linear_problem, random_instance, unconstrained
from tests.solvers.problems import RigidSpin, constant_guess, rod, runaway, solve, spin_to_rest


@pytest.mark.parametrize(("nx", "nu", "N"), [(1, 1, 1), (4, 2, 10), (3, 2, 500)])
def test_a_linear_quadratic_problem_is_solved_exactly_by_one_sweep_from_any_guess(nx, nu, N):
    problem = linear_problem(nx, nu, 1, N, soft=False)
    a = unconstrained(random_instance(np.random.default_rng(5), nx, nu, 1, N, soft=False))
    if N > 100:  # the gradient of an unstable rollout this long is all rounding
        a = dataclasses.replace(a, A=0.9 * a.A / np.abs(np.linalg.eigvals(a.A)).max())
    rng = np.random.default_rng(1)
    times = (problem.times * 1e9).astype(np.int64)
    guess = Trajectory(problem.dynamics.manifold, times, rng.normal(size=(N + 1, nx)), rng.normal(size=(N, nu)))
    p = a.parameters(problem)
    solution = solve(LinearQuadraticRegulator(problem), a.x0, guess, parameters=p)
    feedback = finite_horizon_lqr(a.A, a.B, np.diag(a.Q), np.diag(a.R), np.diag(a.Q), horizon=N, q=a.q, c=a.c)
    x = a.x0
    for k in range(N):
        u = feedback.gains[k] @ x + feedback.offsets[k]
        np.testing.assert_allclose(solution.trajectory.controls[k], u, atol=1e-8 * (1 + np.abs(u).max()))
        x = a.A @ x + a.B @ u + a.c
    np.testing.assert_allclose(solution.gains, feedback.gains, rtol=1e-7, atol=1e-9)
    assert solution.status is Status.CONVERGED
    assert (solution.iterations, solution.qp_iterations) == (1, 1)
    assert solution.residuals.stationarity < 1e-6


def test_a_chain_of_forty_states_is_solved_exactly():
    N, nx = 15, 40
    problem = OptimalControlProblem(
        name="chain",
        dynamics=rod(),
        integrator=ExplicitEuler(),
        grid=(0.1,) * N,
        path_costs=(
            LeastSquares("state", lambda stage: stage.x, (1.0,) * nx),
            LeastSquares("u", lambda stage: stage.u, (0.1,) * 2),
        ),
    )
    A = np.eye(nx) + 0.1 * (np.eye(nx, k=1) - 2 * np.eye(nx) + np.eye(nx, k=-1))
    B = np.zeros((nx, 2))
    B[0, 0] = B[-1, 1] = 0.1
    x = np.random.default_rng(3).normal(size=nx)
    solution = solve(LinearQuadraticRegulator(problem), x)
    feedback = finite_horizon_lqr(A, B, 0.1 * np.eye(nx), 0.01 * np.eye(2), np.zeros((nx, nx)), horizon=N)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.gains, feedback.gains, atol=1e-12)
    np.testing.assert_allclose(solution.trajectory.controls[0], feedback.gains[0] @ x, atol=1e-12)


@pytest.fixture(scope="module")
def spin():
    return spin_to_rest()


def _turned(angle):
    return RigidSpin.manifold.retract(np.r_[1.0, np.zeros(6)], np.r_[angle * np.ones(3), np.zeros(3)])


def test_gains_on_the_sphere_are_those_of_the_unconstrained_programme(spin):
    x0 = _turned(0.1)
    free = dataclasses.replace(spin, name="spin, no bounds", path_constraints=())
    programme = solve(MultipleShooting(free, real_time_iteration=False, max_iterations=1), x0)
    solution = solve(LinearQuadraticRegulator(spin), x0)
    np.testing.assert_allclose(solution.gains, programme.gains, atol=1e-9)


def test_the_plan_obeys_the_model_with_controls_inside_their_bounds(spin):
    solution = solve(LinearQuadraticRegulator(spin), _turned(1.2))
    states, controls = solution.trajectory.states, solution.trajectory.controls
    assert np.abs(controls).max() == pytest.approx(2.0, abs=1e-12)
    cost, violation = evaluate(spin, states, controls, spin.parameters.values, np.zeros((21, 0)))
    assert violation < 1e-12
    assert solution.cost == pytest.approx(cost, rel=1e-12)


def test_sweeps_about_their_own_plan_settle_at_the_optimum(spin):
    solver, x0 = LinearQuadraticRegulator(spin, tolerance=1e-7), _turned(0.15)  # little enough for no control to saturate
    solution = solve(solver, x0)
    assert solution.status is Status.ITERATION_LIMIT
    for _ in range(20):
        solution = solve(solver, x0, solution.trajectory)
    optimum = solve(MultipleShooting(spin, real_time_iteration=False, tolerance=1e-8), x0)
    assert solution.status is Status.CONVERGED
    assert solution.cost == pytest.approx(optimum.cost, rel=1e-9)


def test_a_state_constraint_is_ignored_and_its_violation_reported():
    bounded = double_integrator(path_constraints=(state_bounds((1,), (-0.1,), (0.1,), "speed"),))
    solution = solve(LinearQuadraticRegulator(bounded), np.array([1.0, 0.0]))
    free = solve(LinearQuadraticRegulator(double_integrator()), np.array([1.0, 0.0]))
    np.testing.assert_allclose(solution.trajectory.controls, free.trajectory.controls, atol=1e-12)
    assert solution.status is Status.ITERATION_LIMIT
    assert solution.worst_constraint.startswith("speed[0] at k=")
    assert solution.violation == pytest.approx(np.abs(solution.trajectory.states[:, 1]).max() - 0.1)


def test_failures_are_statuses_that_leave_the_guess_and_no_trace(spin):
    solver, x0 = LinearQuadraticRegulator(spin), _turned(0.3)
    clean = solve(solver, x0)
    late = solver.solve(x0, spin.parameters.values, np.zeros((21, 0)), clean.trajectory, time.monotonic_ns())
    assert late.status is Status.DEADLINE
    np.testing.assert_allclose(late.trajectory.states, clean.trajectory.states, atol=1e-15)
    p = spin.parameters.values
    p[spin.parameters.index("upper.control[1]")] = -3.0
    for _ in range(2000):
        assert solve(solver, np.full(7, np.nan)).status is Status.NUMERICAL_FAILURE
        reversed_bounds = solve(solver, x0, clean.trajectory, parameters=p)
        assert reversed_bounds.status is Status.INFEASIBLE
    assert reversed_bounds.worst_constraint == "control[1] at k=0"
    after = solve(solver, x0)
    np.testing.assert_array_equal(after.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(after.gains, clean.gains)


def test_a_sweep_without_a_minimum_is_regularised_or_refused():
    """No cost on the control at all, so that the last one, which reaches nothing that costs, has no optimum."""
    idle = double_integrator(path_costs=(LeastSquares("state", lambda stage: stage.x, (1.0, 0.1)),))
    solution = solve(LinearQuadraticRegulator(idle), np.array([1.0, 0.0]))
    assert solution.is_usable
    nearly = double_integrator(path_costs=(*idle.path_costs, LeastSquares("effort", lambda stage: stage.u, (1e-9,))))
    assert solution.cost == pytest.approx(solve(LinearQuadraticRegulator(nearly), np.array([1.0, 0.0])).cost, rel=1e-3)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -1.0])
def test_bad_options_are_refused_by_name(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        LinearQuadraticRegulator(double_integrator(), tolerance=tolerance)


def test_a_law_that_runs_away_is_diverged():
    """ẋ = x³ + u, of which the sweep sees the tangent at a guess of zeros: none at all."""
    grows = runaway()
    guess = constant_guess(grows, np.zeros(1))
    solution = solve(LinearQuadraticRegulator(grows), np.array([1.5]), guess)
    assert solution.status is Status.DIVERGED
    assert np.isfinite(solution.trajectory.states).all()
