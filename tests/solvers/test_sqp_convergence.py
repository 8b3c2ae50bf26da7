"""Multiple shooting to convergence on the reference problems, with Gauss-Newton and with exact Hessians."""

from __future__ import annotations

import numpy as np
import pytest

from launch.bench.problems import PROBLEMS
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status


def test_exact_hessians_converge_quadratically_where_gauss_newton_crawls():
    """The reference quadrotor: large residuals remain, which Gauss-Newton leaves out of its Hessian."""
    case = PROBLEMS["quadrotor"]()
    state, reference = case.initial_state, np.zeros((case.problem.N + 1, case.problem.nr))
    iterations = {}
    for hessian in ("gauss-newton", "exact"):
        options = {"hessian": hessian, "max_iterations": 300, "tolerance": 1e-8}
        solver = MultipleShooting(case.problem, real_time_iteration=False, **options)
        solution = solver.solve(state, case.problem.parameters.values, reference, case.cold_guess(state))
        assert solution.status is Status.CONVERGED
        assert solution.cost == pytest.approx(case.optimum, rel=1e-8)
        iterations[hessian] = solution.iterations
    assert iterations["exact"] < iterations["gauss-newton"] / 5


def test_real_time_iterations_with_exact_hessians_arrive_sooner():
    case = PROBLEMS["quadrotor"]()
    state, reference = case.initial_state, np.zeros((case.problem.N + 1, case.problem.nr))
    p, nearby = case.problem.parameters.values, state + 0.02 * np.r_[1.0, 1.0, 1.0, np.zeros(10)]
    to_go = {}
    for hessian in ("gauss-newton", "exact"):
        solver = MultipleShooting(case.problem, hessian=hessian)
        solution = solver.solve(state, p, reference, case.cold_guess(state))
        for _ in range(4):
            solution = solver.solve(nearby, p, reference, solution.trajectory)
            assert solution.status is Status.ITERATION_LIMIT
        to_go[hessian] = solution.residuals.stationarity
    assert to_go["exact"] < 1e-3 * to_go["gauss-newton"]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_reference_problems_have_their_best_known_cost_from_a_cold_start(name):
    case = PROBLEMS[name]()
    solver = MultipleShooting(case.problem, real_time_iteration=False)
    state = case.initial_state
    reference = np.zeros((case.problem.N + 1, case.problem.nr))
    solution = solver.solve(state, case.problem.parameters.values, reference, case.cold_guess(state))
    assert solution.status is Status.CONVERGED
    assert solution.cost == pytest.approx(case.optimum, rel=1e-6)
