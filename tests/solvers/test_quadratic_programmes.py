"""The interior-point kernel against a trusted QP solver and closed forms, on problems that one SQP step solves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mpc_controller.problem.constraint import state_bounds
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp
from tests.solvers.problems import solve


@pytest.mark.parametrize(
    ("nx", "nu", "rows", "N", "soft", "instances"),
    [
        (1, 1, 1, 1, False, 250),
        (4, 2, 3, 10, False, 300),
        (9, 3, 5, 20, False, 150),
        (4, 2, 3, 10, True, 250),
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
        solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
        states, controls, cost = solve_with_piqp(instance)
        assert solution.status is Status.CONVERGED
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-6)
        # Weights down to 0.01 leave some controls nearly free. In the worst of these 1,000 instances plans differ by 6e-4 of
        # the scale, with a cost that is 5e-6 below piqp's when ours is solved to 1e-9.
        scale = 1 + np.abs(controls).max() + np.abs(states).max()
        np.testing.assert_allclose(solution.trajectory.controls, controls, atol=1e-3 * scale)
        np.testing.assert_allclose(solution.trajectory.states, states, atol=1e-3 * scale)


def test_solves_from_any_neighbour_are_those_from_scratch():
    """A warm start from another instance must not jam: a solved programme is the same whatever was solved before."""
    problem = linear_problem(4, 2, 3, 10, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=False)
    rng = np.random.default_rng(21)
    for _ in range(150):
        instance = random_instance(rng, 4, 2, 3, 10, soft=False)
        solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
        assert solution.status is Status.CONVERGED
        _, _, cost = solve_with_piqp(instance)
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-6)


def test_gains_are_those_of_the_riccati_recursion_with_saturated_controls_taken_out():
    """Where a control presses its bound it does not answer to the state; the others are the LQR of what is left."""
    nx, nu, N = 4, 2, 10
    problem = linear_problem(nx, nu, 1, N, soft=False)
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    rng = np.random.default_rng(8)
    saturated = 0
    for _ in range(10):
        a = random_instance(rng, nx, nu, 1, N, soft=False)
        a = dataclasses.replace(a, low=np.full(1, -np.inf), high=np.full(1, np.inf))
        solution = solve(solver, a.x0, parameters=a.parameters(problem))
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
    instance = dataclasses.replace(base, **numbers)
    p = bounded.parameters.values
    p[: len(problem.parameters)] = instance.parameters(problem)
    solution = solve(MultipleShooting(bounded, real_time_iteration=False), instance.x0, parameters=p)
    assert solution.status is Status.CONVERGED
    assert np.abs(solution.trajectory.states[1:]).max() <= 2.0 + 1e-6
