"""The interior-point kernel against a trusted QP solver and closed forms, on problems that one SQP step solves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.linalg

from mpc_controller.problem.constraint import state_bounds
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp


def _guess(problem, x0):
    times = (problem.times * 1e9).astype(np.int64)
    return Trajectory.constant(problem.dynamics.manifold, times, x0, np.zeros(problem.dynamics.nu))


@pytest.mark.parametrize(
    ("nx", "nu", "rows", "N", "soft", "instances"),
    [
        (1, 1, 1, 1, False, 300),
        (4, 2, 3, 10, False, 300),
        (9, 3, 5, 20, False, 150),
        (4, 2, 3, 10, True, 200),
        (6, 4, 12, 15, True, 50),
    ],
)
def test_random_constrained_problems_have_the_optimum_of_a_trusted_qp_solver(nx, nu, rows, N, soft, instances):
    problem = linear_problem(nx, nu, rows, N, soft=soft)
    solver = MultipleShooting(problem, real_time_iteration=False)
    rng = np.random.default_rng(nx + 10 * N)
    for _ in range(instances):
        instance = random_instance(rng, nx, nu, rows, N, soft=soft)
        solver.reset()
        solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((N + 1, 0)), _guess(problem, instance.x0))
        states, controls, cost = solve_with_piqp(instance)
        assert solution.status is Status.CONVERGED
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-6)
        # Weights down to 0.01 leave some controls nearly free: 2e-4 of the scale was seen over 1200 instances.
        scale = 1 + np.abs(controls).max() + np.abs(states).max()
        np.testing.assert_allclose(solution.trajectory.controls, controls, atol=5e-4 * scale)
        np.testing.assert_allclose(solution.trajectory.states, states, atol=5e-4 * scale)


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


def _changed(instance, **changes):
    return type(instance)(**{**instance.__dict__, **changes})


@pytest.mark.parametrize("width", [0.0, 1e-7, 1e-5, 1e-3])
def test_equalities_and_narrow_rows_are_kept(width):
    """u₀ + u₁ = 0.1 (± half the width) is always feasible and holds at the optimum."""
    problem = linear_problem(4, 2, 1, 10, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=False)
    rng = np.random.default_rng(11)
    for _ in range(30):
        instance = random_instance(rng, 4, 2, 1, 10, soft=False)
        row = {
            "C": np.zeros((1, 4)),
            "D": np.ones((1, 2)),
            "low": np.array([0.1 - width / 2]),
            "high": np.array([0.1 + width / 2]),
        }
        instance = _changed(instance, **row)
        solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((11, 0)), _guess(problem, instance.x0))
        assert solution.status is Status.CONVERGED
        np.testing.assert_allclose(solution.trajectory.controls.sum(axis=1), 0.1, atol=width / 2 + 2e-6)


def test_solves_from_any_neighbour_are_those_from_scratch():
    """A warm start from another instance must not jam: a solved programme is the same whatever was solved before."""
    problem = linear_problem(4, 2, 3, 10, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=False)
    rng = np.random.default_rng(21)
    for _ in range(150):
        instance = random_instance(rng, 4, 2, 3, 10, soft=False)
        solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((11, 0)), _guess(problem, instance.x0))
        assert solution.status is Status.CONVERGED
        _, _, cost = solve_with_piqp(instance)
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-6)


def test_multipliers_and_controls_fulfil_the_optimality_conditions():
    """Stationarity, signs and complementarity, put together here from the numbers of the instance alone."""
    nx, nu, rows, N = 4, 2, 3, 10
    problem = linear_problem(nx, nu, rows, N, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    rng = np.random.default_rng(5)
    active = 0
    for _ in range(20):
        a = random_instance(rng, nx, nu, rows, N, soft=False)
        solution = solver.solve(a.x0, a.parameters(problem), np.zeros((N + 1, 0)), _guess(problem, a.x0))
        x, u = solution.trajectory.states, solution.trajectory.controls
        adjoint = a.Q * x[N]
        for k in range(N - 1, -1, -1):
            named = solver.multipliers_of(solution, k)
            on_controls = np.array([named[f"control[{i}]"] for i in range(nu)])
            on_rows = np.array([named[f"rows[{i}]"] for i in range(rows)])
            gradient = a.R * u[k] + on_controls + a.D.T @ on_rows + a.B.T @ adjoint
            np.testing.assert_allclose(gradient, 0.0, atol=1e-5 * (1 + np.abs(on_rows).max() + np.abs(adjoint).max()))
            values = np.concatenate([u[k], a.C @ x[k] + a.D @ u[k]])
            low, high = np.r_[np.full(nu, -a.umax), a.low], np.r_[np.full(nu, a.umax), a.high]
            for value, bottom, top, multiplier in zip(values, low, high, np.r_[on_controls, on_rows], strict=True):
                assert bottom - 1e-6 <= value <= top + 1e-6
                if multiplier > 1e-3:
                    assert value == pytest.approx(top, abs=1e-4)
                if multiplier < -1e-3:
                    assert value == pytest.approx(bottom, abs=1e-4)
                active += abs(multiplier) > 1e-3
            adjoint = a.Q * x[k] + a.q + a.C.T @ on_rows + a.A.T @ adjoint
    assert active > 20


def test_gains_are_those_of_the_riccati_recursion_with_saturated_controls_taken_out():
    """Where a control presses its bound it does not answer to the state; the others are the LQR of what is left."""
    nx, nu, N = 4, 2, 10
    problem = linear_problem(nx, nu, 1, N, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    rng = np.random.default_rng(8)
    saturated = 0
    for _ in range(10):
        a = _changed(random_instance(rng, nx, nu, 1, N, soft=False), low=np.full(1, -np.inf), high=np.full(1, np.inf))
        solution = solver.solve(a.x0, a.parameters(problem), np.zeros((N + 1, 0)), _guess(problem, a.x0))
        P = np.diag(a.Q)
        for k in range(N - 1, -1, -1):
            multipliers = solver.multipliers_of(solution, k)
            free = [i for i in range(nu) if abs(multipliers[f"control[{i}]"]) < 1e-6]
            saturated += nu - len(free)
            if any(1e-6 < abs(multipliers[f"control[{i}]"]) < 1e-2 for i in range(nu)):
                break  # neither in nor out: the barrier decides
            K = np.zeros((nu, nx))
            if free:
                B, R = a.B[:, free], np.diag(a.R[free])
                K[free] = -np.linalg.solve(R + B.T @ P @ B, B.T @ P @ a.A)
            np.testing.assert_allclose(solution.gains[k], K, atol=1e-3 * (1 + np.abs(K).max()))
            closed = a.A + a.B @ K
            P = np.diag(a.Q) + K.T @ np.diag(a.R) @ K + closed.T @ P @ closed
    assert saturated > 10


def test_a_soft_violation_is_reported_and_costs_its_price():
    """One step, u ≥ 1 softly against ½ u²: min ½ u² + l1 (1 − u) + ½ l2 (1 − u)² has u = (l1 + l2) / (1 + l2) below 1."""
    problem = linear_problem(1, 1, 1, 1, soft=True)
    base = random_instance(np.random.default_rng(0), 1, 1, 1, 1, soft=True)
    numbers = {"A": np.eye(1), "B": np.zeros((1, 1)), "c": np.zeros(1), "Q": np.zeros(1), "R": np.ones(1), "q": np.zeros(1)}
    numbers |= {
        "x0": np.zeros(1),
        "umax": 10.0,
        "C": np.zeros((1, 1)),
        "D": np.eye(1),
        "low": np.ones(1),
        "high": np.full(1, np.inf),
    }
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    for l1, l2 in [(0.2, 1.0), (0.0, 3.0), (2.0, 0.0), (0.0, 0.0)]:
        instance = _changed(base, **numbers, soft=(l1, l2))
        solution = solver.solve(instance.x0, instance.parameters(problem), np.zeros((2, 0)), _guess(problem, instance.x0))
        wanted = min(1.0, (l1 + l2) / (1 + l2))
        assert solution.status is Status.CONVERGED
        assert solution.trajectory.controls[0, 0] == pytest.approx(wanted, abs=1e-5)
        if l1 + l2 > 0:
            assert solution.slack == pytest.approx(1 - wanted, abs=1e-5)
            assert solution.cost == pytest.approx(wanted**2 / 2 + l1 * (1 - wanted) + l2 * (1 - wanted) ** 2 / 2, abs=1e-5)


def test_a_start_outside_a_bound_on_states_is_not_infeasible():
    """x₀ is given: bounds on states alone hold from k = 1 on."""
    problem = linear_problem(1, 1, 1, 5, soft=False)
    base = random_instance(np.random.default_rng(0), 1, 1, 1, 5, soft=False)
    numbers = {"A": np.eye(1), "B": np.eye(1), "c": np.zeros(1), "q": np.zeros(1), "umax": 3.0, "x0": np.array([4.0])}
    numbers |= {"C": np.zeros((1, 1)), "D": np.zeros((1, 1)), "low": np.full(1, -np.inf), "high": np.full(1, np.inf)}
    bounded = dataclasses.replace(
        problem,
        name="bounded state",
        path_constraints=(*problem.path_constraints, state_bounds((0,), (-2.0,), (2.0,), "state")),
    )
    instance = _changed(base, **numbers)
    p = bounded.parameters.values
    p[: len(problem.parameters)] = instance.parameters(problem)
    solution = MultipleShooting(bounded, real_time_iteration=False).solve(
        instance.x0, p, np.zeros((6, 0)), _guess(bounded, instance.x0)
    )
    assert solution.status is Status.CONVERGED
    assert np.abs(solution.trajectory.states[1:]).max() <= 2.0 + 1e-6
