"""Programmes that are solved from their neighbour's active set have the neighbour-free solution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from tests.solvers.linear_quadratic import linear_problem, random_instance, solve_with_piqp

SIZES = ((3, 1, 1, 10), (4, 2, 2, 15), (9, 3, 2, 8))


@pytest.mark.parametrize(("nx", "nu", "rows", "N"), SIZES)
@pytest.mark.parametrize("soft", [False, True])
def test_along_a_walk_of_the_state_every_solution_is_that_of_piqp(nx, nu, rows, N, soft):
    rng = np.random.default_rng(nx * 10 + soft)
    problem = linear_problem(nx, nu, rows, N, soft=soft)
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    guess = Trajectory.constant(problem.dynamics.manifold, np.arange(N + 1) * 10**9, np.zeros(nx), np.zeros(nu))
    single_sweeps = 0
    for _ in range(8):
        instance = random_instance(rng, nx, nu, rows, N, soft=soft)
        if not soft:  # room for the walk
            instance = replace(instance, low=instance.low - 1.0, high=instance.high + 1.0)
        solver.reset()
        for step in range(10):
            p = instance.parameters(problem)
            solution = solver.solve(instance.x0, p, np.zeros((N + 1, 0)), guess)
            assert solution.status is Status.CONVERGED, (step, solution.worst_constraint)
            states, controls, cost = solve_with_piqp(instance)
            assert solution.cost == pytest.approx(cost, rel=1e-7, abs=1e-7)
            # An interior-point method, ours or theirs, leaves a row that only just holds off by the root of its accuracy.
            np.testing.assert_allclose(solution.trajectory.controls, controls, atol=2e-4)
            np.testing.assert_allclose(solution.trajectory.states, states, atol=2e-4 * (1 + np.abs(states).max()))
            single_sweeps += step > 0 and solution.qp_iterations == solution.iterations
            instance = replace(instance, x0=instance.x0 + 0.01 * rng.normal(size=nx))
    assert single_sweeps > 20  # of 72: most neighbours share the active set


def test_a_far_neighbour_does_no_harm():
    """The state jumps between two ends of a box: every set that was right is wrong at the next step."""
    nx, nu, rows, N = 3, 1, 1, 10
    rng = np.random.default_rng(5)
    problem = linear_problem(nx, nu, rows, N, soft=True)
    solver = MultipleShooting(problem, real_time_iteration=False, tolerance=1e-8)
    guess = Trajectory.constant(problem.dynamics.manifold, np.arange(N + 1) * 10**9, np.zeros(nx), np.zeros(nu))
    instance = random_instance(rng, nx, nu, rows, N, soft=True)
    for step in range(20):
        far = replace(instance, x0=(-1.0) ** step * 5 * np.abs(instance.x0))
        solution = solver.solve(far.x0, far.parameters(problem), np.zeros((N + 1, 0)), guess)
        assert solution.status is Status.CONVERGED
        assert solution.cost == pytest.approx(solve_with_piqp(far)[2], rel=1e-7)
