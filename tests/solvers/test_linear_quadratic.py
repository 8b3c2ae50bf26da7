"""Linear-quadratic problems with rows and bounds: a trusted QP solver and closed forms, for what iterates in different ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from mpc_controller.solvers.differential_dynamic_programming import DDP, ILQR
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from tests.solvers.linear_quadratic import (
    endless_gain,
    linear_problem,
    one_step,
    pressed_rows,
    random_instance,
    solve_with_piqp,
    unconstrained,
)  # fmt: skip
from tests.solvers.problems import solve


@dataclass(frozen=True)
class Method:
    """A solver to convergence, how far from exact it ends, and how many of 60 random problems it may leave unfinished."""

    make: Any
    value: float  # of a row, by an interior point or by multipliers
    side: float  # of a row that presses
    gradient: float
    unfinished: int = 0


METHODS = {
    "multiple-shooting": Method(partial(MultipleShooting, real_time_iteration=False), 1e-6, 1e-4, 1e-5),
    "ilqr": Method(partial(ILQR, real_time_iteration=False), 1e-7, 1e-5, 1e-6, unfinished=1),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
EXACT_IN_ONE = {
    "multiple-shooting": MultipleShooting,
    "ilqr": ILQR,
    "ddp": DDP,
    "ilqr of rollouts": partial(ILQR, rollout="single-shooting"),
    "ddp of rollouts": partial(DDP, rollout="single-shooting"),
}


@pytest.mark.parametrize("make", EXACT_IN_ONE.values(), ids=EXACT_IN_ONE)
def test_an_unconstrained_problem_takes_one_iteration_and_one_sweep_and_has_the_gain_of_the_endless_horizon(make):
    problem = linear_problem(4, 2, 1, 60, soft=False)
    instance = unconstrained(random_instance(np.random.default_rng(5), 4, 2, 1, 60, soft=False))
    instance = replace(instance, q=np.zeros(4), c=np.zeros(4))
    solution = solve(make(problem, real_time_iteration=False), instance.x0, parameters=instance.parameters(problem))
    assert solution.status is Status.CONVERGED
    assert (solution.iterations, solution.qp_iterations) == (1, 1)
    np.testing.assert_allclose(solution.gains[0], endless_gain(instance), rtol=1e-8, atol=1e-10)


@every_method
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("nx", "nu", "rows", "N"), [(1, 1, 1, 1), (4, 2, 3, 10), (2, 1, 1, 15), (9, 3, 5, 20)])
def test_random_problems_have_the_optimum_of_a_trusted_qp_solver(method, nx, nu, rows, N, soft):
    problem = linear_problem(nx, nu, rows, N, soft=soft)
    solver = method.make(problem)
    rng = np.random.default_rng(nx + 10 * N)
    unfinished = 0
    for _ in range(60):
        instance = random_instance(rng, nx, nu, rows, N, soft=soft)
        solver.reset()
        solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
        _, _, cost = solve_with_piqp(instance)
        if solution.status is Status.ITERATION_LIMIT:  # what an augmented Lagrangian, now and then, comes to: it says so
            unfinished += 1
            continue
        assert solution.status is Status.CONVERGED
        # A row is kept to 1e-6, which is worth its multiplier times as much; soft ones have prices up to 1e4.
        largest = 1 + np.abs(solution.multipliers).max()
        assert solution.cost == pytest.approx(cost, rel=1e-6, abs=1e-5 * largest)
        assert solution.residuals.inequality <= 1e-6
    assert unfinished <= method.unfinished


@every_method
def test_multipliers_and_controls_fulfil_the_optimality_conditions(method):
    problem = linear_problem(4, 2, 3, 10, soft=False)
    solver = method.make(problem, tolerance=1e-8)
    rng = np.random.default_rng(5)
    pressed = 0
    for _ in range(20):
        instance = random_instance(rng, 4, 2, 3, 10, soft=False)
        solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
        assert solution.status is Status.CONVERGED
        named = [solver.multipliers_of(solution, k) for k in range(10)]
        pressed += pressed_rows(instance, solution, named, gradient=method.gradient, value=method.value, side=method.side)
    assert pressed > 20


@every_method
def test_the_multiplier_of_a_bound_that_presses_is_the_slope_of_the_cost(method):
    """min ½ u² + ½ 10 x² over one step from x₀ = 5 with u ≥ −1: at the bound, ∇cost + multiplier = 0."""
    problem, instance = one_step(Q=np.array([10.0]), x0=np.array([5.0]), umax=1.0)
    solver = method.make(problem)
    solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
    slope = -1.0 + 10.0 * (5.0 - 1.0)  # d/du of ½u² + ½·10·(5 + u)² at u = −1
    assert solution.trajectory.controls[0, 0] == pytest.approx(-1.0, abs=1e-6)
    assert solver.multipliers_of(solution, 0)["control[0]"] == pytest.approx(-slope, rel=1e-5)


@every_method
@pytest.mark.parametrize(("l1", "l2"), [(0.2, 1.0), (0.0, 3.0), (2.0, 0.0), (0.0, 0.0)])
def test_a_soft_violation_is_reported_and_costs_its_price(method, l1, l2):
    """One step, u ≥ 1 softly against ½ u²: min ½ u² + l1 (1 − u) + ½ l2 (1 − u)² has u = (l1 + l2) / (1 + l2) below 1."""
    problem, instance = one_step(B=np.zeros((1, 1)), D=np.eye(1), low=np.ones(1), soft=(l1, l2))
    solution = solve(method.make(problem, tolerance=1e-8), np.zeros(1), parameters=instance.parameters(problem))
    wanted = min(1.0, (l1 + l2) / (1 + l2))
    assert solution.status is Status.CONVERGED
    assert solution.trajectory.controls[0, 0] == pytest.approx(wanted, abs=1e-5)
    if l1 + l2 > 0:
        assert solution.slack == pytest.approx(1 - wanted, abs=1e-5)
        assert solution.cost == pytest.approx(wanted**2 / 2 + l1 * (1 - wanted) + l2 * (1 - wanted) ** 2 / 2, abs=1e-5)


@every_method
@pytest.mark.parametrize("width", [0.0, 1e-7, 1e-5, 1e-3])
def test_equalities_and_narrow_rows_are_kept(method, width):
    """u₀ + u₁ = 0.1 (± half the width) is always feasible and holds at the optimum."""
    problem = linear_problem(4, 2, 1, 10, soft=False)
    solver = method.make(problem)
    rng = np.random.default_rng(11)
    row = {"C": np.zeros((1, 4)), "D": np.ones((1, 2)), "low": np.array([0.1 - width / 2]), "high": np.array([0.1 + width / 2])}
    for _ in range(30):
        instance = replace(random_instance(rng, 4, 2, 1, 10, soft=False), **row)
        solution = solve(solver, instance.x0, parameters=instance.parameters(problem))
        assert solution.status is Status.CONVERGED
        np.testing.assert_allclose(solution.trajectory.controls.sum(axis=1), 0.1, atol=width / 2 + 2e-6)


@pytest.mark.parametrize("real_time_iteration", [True, False])
@pytest.mark.parametrize("make", [MultipleShooting, ILQR], ids=["multiple-shooting", "ilqr"])
def test_a_hard_row_that_cannot_be_kept_is_named(make, real_time_iteration):
    """Row 1 wants what the bounded controls cannot give; a feasible neighbour was solved before."""
    problem = linear_problem(4, 2, 3, 10, soft=False)
    instance = random_instance(np.random.default_rng(1), 4, 2, 3, 10, soft=False)
    solver = make(problem, real_time_iteration=real_time_iteration)
    assert solve(solver, instance.x0, parameters=instance.parameters(problem)).is_usable
    if make is ILQR:
        solver.reset()  # one step of the multipliers does not yet say that they will grow without bound
    low, high = instance.low.copy(), instance.high.copy()
    low[1], high[1] = 1e4, np.inf
    solution = solve(solver, instance.x0, parameters=replace(instance, low=low, high=high).parameters(problem))
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint.startswith("rows[1] at k=")
    assert solution.violation > 1e3
    assert not solution.gains.any()
