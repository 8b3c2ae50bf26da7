"""The interior-point kernel against a trusted QP solver and closed forms, on problems that one SQP step solves."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp


def _guess(problem, x0):
    times = (problem.times * 1e9).astype(np.int64)
    return Trajectory.constant(problem.dynamics.manifold, times, x0, np.zeros(problem.dynamics.nu))


@pytest.mark.parametrize(("nx", "nu", "rows", "N", "soft"), [(1, 1, 1, 1, False), (4, 2, 3, 10, False), (9, 3, 5, 20, False),
                                                             (4, 2, 3, 10, True), (6, 4, 12, 15, True)])  # fmt: skip
def test_random_constrained_problems_have_the_optimum_of_a_trusted_qp_solver(nx, nu, rows, N, soft):
    problem = linear_problem(nx, nu, rows, N, soft=soft)
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    rng = np.random.default_rng(nx + 10 * N)
    for _ in range(60):
        instance = random_instance(rng, nx, nu, rows, N, soft=soft)
        solver.reset()
        solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((N + 1, 0)), _guess(problem, instance.x0))
        states, controls, cost = solve_with_piqp(instance)
        assert solution.status is Status.CONVERGED
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-6)
        # A cost this near its optimum leaves a control of weight 0.01 free by √(2 · 1e-6 / 0.01) = 1e-2; seen: up to 2e-3.
        scale = 1 + np.abs(controls).max() + np.abs(states).max()
        np.testing.assert_allclose(solution.trajectory.controls, controls, atol=2e-3 * scale)
        np.testing.assert_allclose(solution.trajectory.states, states, atol=2e-3 * scale)


def _unconstrained(nx, nu, N):
    problem = linear_problem(nx, nu, 1, N, soft=False)
    rng = np.random.default_rng(5)
    instance = random_instance(rng, nx, nu, 1, N, soft=False)
    free = {"low": np.full(1, -np.inf), "high": np.full(1, np.inf), "umax": np.inf, "q": np.zeros(nx), "c": np.zeros(nx)}
    return problem, type(instance)(**{**instance.__dict__, **free})


def test_an_unconstrained_linear_quadratic_problem_needs_one_iteration_and_one_sweep():
    problem, instance = _unconstrained(4, 2, 10)
    solver = MultipleShooting(problem, real_time_iteration=False)
    solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((11, 0)), _guess(problem, instance.x0))
    assert solution.status is Status.CONVERGED
    assert (solution.iterations, solution.qp_iterations) == (1, 1)


def test_gains_far_from_the_end_are_the_lqr_gain():
    problem, instance = _unconstrained(4, 2, 60)
    solver = MultipleShooting(problem, real_time_iteration=False)
    solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((61, 0)), _guess(problem, instance.x0))
    A, B = instance.A, instance.B
    P = scipy.linalg.solve_discrete_are(A, B, np.diag(instance.Q), np.diag(instance.R))
    lqr_gain = np.linalg.solve(np.diag(instance.R) + B.T @ P @ B, B.T @ P @ A)
    np.testing.assert_allclose(solution.gains[0], -lqr_gain, rtol=1e-8, atol=1e-10)


def test_multipliers_of_an_active_bound_press_against_the_cost():
    """min ½ u² + ½ w x² over one step from x₀ = 5 with u ≥ −1: at the bound, ∇cost + multiplier = 0."""
    problem = linear_problem(1, 1, 1, 1, soft=False)
    base = random_instance(np.random.default_rng(0), 1, 1, 1, 1, soft=False)
    numbers = {"A": np.eye(1), "B": np.eye(1), "c": np.zeros(1), "Q": np.array([10.0]), "R": np.ones(1), "q": np.zeros(1)}
    numbers |= {"x0": np.array([5.0]), "umax": 1.0, "low": np.full(1, -np.inf), "high": np.full(1, np.inf)}
    instance = type(base)(**{**base.__dict__, **numbers})
    solver = MultipleShooting(problem, real_time_iteration=False)
    solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((2, 0)), _guess(problem, instance.x0))
    gradient = 1.0 * -1.0 + 10.0 * (5.0 - 1.0)  # d/du of ½u² + ½·10·(5 + u)² at u = −1
    assert solution.trajectory.controls[0, 0] == pytest.approx(-1.0, abs=1e-6)
    assert solver.multipliers_of(solution, 0)["control[0]"] == pytest.approx(-gradient, rel=1e-5)


@pytest.mark.parametrize("real_time_iteration", [True, False])
def test_an_infeasible_hard_constraint_is_reported_by_name(real_time_iteration):
    """Row 1 wants what the bounded controls cannot give; a feasible neighbour was solved before."""
    problem = linear_problem(4, 2, 3, 10, soft=False)
    instance = random_instance(np.random.default_rng(1), 4, 2, 3, 10, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=real_time_iteration)
    reference, guess = np.zeros((11, 0)), _guess(problem, instance.x0)
    assert solver.solve(instance.x0, instance.parameters(problem), reference, guess).is_usable
    low, high = instance.low.copy(), instance.high.copy()
    low[1], high[1] = 1e4, np.inf
    impossible = type(instance)(**{**instance.__dict__, "low": low, "high": high})
    solution = solver.solve(instance.x0, impossible.parameters(problem), reference, guess)
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint.startswith("rows[1] at k=")
    assert solution.violation > 1e3
