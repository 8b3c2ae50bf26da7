"""The contract of solvers, kept by every one in the registry: on every robot, and whatever it is given."""

from __future__ import annotations

from functools import cache

import casadi as ca
import numpy as np
import pytest

from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory
from robots import ROBOTS, load_robot
from tests.solvers.optimality import Found, OptimalityCheck, integrator_step, radau_step
from tests.solvers.spin import TORQUE_LIMIT, at_rest, spin, spinning

every_solver = pytest.mark.parametrize("name", SOLVERS)

# One sweep along the guess: exact for linear models alone, and where a constraint on states presses it knows nothing of it.
ONE_SWEEP = ("lqr",)


@cache
def _task(robot_name: str):
    robot = load_robot(robot_name)
    return robot.tasks[robot.default_task]()


@cache
def _check(robot_name: str, *, collocated: bool) -> OptimalityCheck:
    problem = _task(robot_name).problem
    return OptimalityCheck(problem, radau_step(problem) if collocated else integrator_step(problem))


def _start(robot_name: str):
    """What the first plan of a robot's default task sees; a little off its start, so that no symmetry hides a direction."""
    task, robot = _task(robot_name), load_robot(robot_name)
    manifold = task.problem.dynamics.manifold
    start = np.asarray(task.initial_state, dtype=float)
    x0 = manifold.normalized(manifold.retract(start, 0.01 * np.random.default_rng(4).normal(size=manifold.ndx)))
    times = np.rint(task.problem.times * 1e9).astype(np.int64)
    guess = Trajectory.constant(manifold, times, x0, robot.neutral)
    return x0, task.problem.parameters.values, task.reference(task.problem.times), guess


def _found(robot_name: str, name: str, solver: Solver, solution: Solution, p, reference) -> Found:
    check = _check(robot_name, collocated=name == "collocation")
    return check(solution, solver.multipliers_of, p, reference)  # type: ignore[attr-defined]


def _expect_reported(solution: Solution, found: Found) -> None:
    """Cost, and what soft and hard rows miss, are those of the plan that came back; the worst row is named."""
    assert solution.cost == pytest.approx(found.cost, rel=1e-12)
    hard = {row.name: row.excess for row in found.rows if row.prices is None}
    slack = max((row.excess for row in found.rows if row.prices is not None), default=0.0)
    assert solution.violation == solution.residuals.inequality == pytest.approx(max(hard.values()), abs=1e-13)
    assert solution.slack == pytest.approx(slack, abs=1e-13)
    assert bool(solution.worst_constraint) == (solution.violation > 0)
    if solution.worst_constraint:
        assert hard[solution.worst_constraint] == pytest.approx(solution.violation, abs=1e-13)


@every_solver
@pytest.mark.parametrize("robot_name", ROBOTS)
def test_the_first_plan_of_every_robot_is_an_optimum_and_is_reported_as_what_it_is(robot_name, name):
    problem = _task(robot_name).problem
    x0, p, reference, guess = _start(robot_name)
    solver = SOLVERS[name](problem)
    solution = solver.solve(x0, p, reference, guess)

    d, N, plan = problem.dynamics, problem.N, solution.trajectory
    arrays = (plan.states, plan.controls, solution.gains)
    assert [a.shape for a in arrays] == [(N + 1, d.nx), (N, d.nu), (N, d.nu, d.manifold.ndx)]
    assert all(np.isfinite(a).all() for a in (*arrays, solution.multipliers))
    np.testing.assert_array_equal(plan.times, guess.times)
    np.testing.assert_allclose(plan.states[0], x0, rtol=0, atol=1e-15)
    assert (solver.problem, solver.build_s >= 0, solution.solve_time_ns > 0) == (problem, True, True)

    found = _found(robot_name, name, solver, solution, p, reference)
    _expect_named_multipliers(solver, solution)
    _expect_reported(solution, found)
    # Where an interval is a collocation's, its equations at the inner nodes count too, and are not in the plan.
    gap = found.dynamics if name != "collocation" else min(found.dynamics, solution.residuals.dynamics)
    assert solution.residuals.dynamics == pytest.approx(gap, abs=2e-8)
    assert solution.residuals.stationarity == pytest.approx(found.stationarity, rel=1e-3, abs=1e-9 * found.scale)
    # Reported side by side: what both sides of a row press against each other is not seen in their difference.
    complementarity = max(row.complementarity for row in found.rows)
    assert solution.residuals.complementarity == pytest.approx(complementarity, abs=2e-8)
    if name in ONE_SWEEP:
        assert solution.is_usable
        assert solution.iterations == 1
        return
    assert solution.status is Status.CONVERGED
    assert found.stationarity <= 1e-6 * found.scale
    assert max(found.dynamics, solution.violation, complementarity) <= 1e-6


def _expect_named_multipliers(solver: Solver, solution: Solution) -> None:
    """Every row has its name and its place; at k = 0, where the state is given, rows on states alone have a multiplier of 0."""
    problem = solver.problem
    named = [solver.multipliers_of(solution, k) for k in range(problem.N + 1)]  # type: ignore[attr-defined]
    np.testing.assert_array_equal([value for stage in named for value in stage.values()], solution.multipliers)
    path = [f"{c.name}[{i}]" for c in problem.path_constraints for i in range(len(c.lower))]
    assert sorted(named[0]) == sorted(named[-2]) == sorted(path)
    x, u, p, r = (ca.SX.sym("s", n) for n in (problem.dynamics.nx, problem.dynamics.nu, len(problem.parameters), problem.nr))
    stage = problem.stage(x, u, p, r)
    on_states = [c for c in problem.path_constraints if not ca.depends_on(c.expression(stage), u)]
    at_end = [f"{c.name}[{i}]" for c in (*on_states, *problem.terminal_constraints) for i in range(len(c.lower))]
    assert sorted(named[-1]) == sorted(at_end)
    assert not any(named[0][f"{c.name}[{i}]"] for c in on_states for i in range(len(c.lower)))


@every_solver
@pytest.mark.parametrize("robot_name", ROBOTS)
def test_the_next_plan_is_reported_as_what_it_is_too(robot_name, name):
    """After 10 ms, pushed a little, from the first plan shifted in time: a real-time iteration where there are some."""
    problem, manifold = _task(robot_name).problem, _task(robot_name).problem.dynamics.manifold
    x0, p, reference, guess = _start(robot_name)
    solver = SOLVERS[name](problem)
    first = solver.solve(x0, p, reference, guess).trajectory
    moved = manifold.retract(first.at(10_000_000)[0], 0.002 * np.random.default_rng(1).normal(size=manifold.ndx))
    reference = _task(robot_name).reference(problem.times + 0.01)
    solution = solver.solve(moved, p, reference, first.shifted(10_000_000))
    assert solution.is_usable
    np.testing.assert_allclose(solution.trajectory.states[0], moved, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(solution.trajectory.times, guess.times + 10_000_000)
    found = _found(robot_name, name, solver, solution, p, reference)
    _expect_reported(solution, found)
    assert np.isfinite(solution.gains).all()
    if name == "collocation":
        assert solution.residuals.dynamics > 0.1 * found.dynamics
    else:
        assert solution.residuals.dynamics == pytest.approx(found.dynamics, rel=1e-6, abs=1e-12)


def _guess() -> Trajectory:
    """Of another state than x0, with controls of its own."""
    problem = spin()
    times = np.rint(problem.times * 1e9).astype(np.int64)
    return Trajectory.constant(problem.dynamics.manifold, times, spinning(seed=3), np.array([0.1, -0.2, 0.3]))


def _solve(solver: Solver, deadline_ns: int = NO_DEADLINE, **changes) -> Solution:
    problem = spin()
    given = {"x0": spinning(), "parameters": problem.parameters.values, "reference": at_rest(problem), "guess": _guess()}
    given |= changes
    return solver.solve(given["x0"], given["parameters"], given["reference"], given["guess"], deadline_ns)


def _expect_failed(solution: Solution, status: Status, guess: Trajectory) -> None:
    """The guess came back, and nothing that a robot would follow."""
    assert solution.status is status
    assert not solution.is_usable
    np.testing.assert_array_equal(solution.trajectory.states, guess.states)
    np.testing.assert_array_equal(solution.trajectory.controls, guess.controls)
    assert not solution.gains.any()
    assert not solution.multipliers.any()


@every_solver
@pytest.mark.parametrize("warm", [False, True])
def test_a_deadline_of_zero_gives_the_guess_back_with_x0_in_front_finite_and_marked(name, warm):
    solver, guess = SOLVERS[name](spin()), _guess()
    if warm:
        assert _solve(solver).is_usable
    solution = _solve(solver, 0)
    assert (solution.status, solution.iterations, solution.qp_iterations) == (Status.DEADLINE, 0, 0)
    assert not solution.is_usable
    np.testing.assert_allclose(solution.trajectory.states[0], spinning(), rtol=0, atol=1e-15)
    np.testing.assert_allclose(solution.trajectory.states[1:], guess.states[1:], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(solution.trajectory.controls, guess.controls)
    assert not solution.gains.any()


def _spoiled(what: str, value: float) -> dict[str, object]:
    """The arguments of a solve with one number replaced."""
    problem, guess = spin(), _guess()
    x0, p, reference = spinning(), problem.parameters.values, at_rest(problem)
    states, controls = guess.states.copy(), guess.controls.copy()
    {"x0": x0[1:], "weight": p[problem.parameters.index("weight.torque[0]") :], "model": p, "reference": reference[3],
     "guess.states": states[7], "guess.controls": controls[-1]}[what][0] = value  # fmt: skip
    spoiled = Trajectory(guess.manifold, guess.times, states, controls)
    return {"x0": x0, "parameters": p, "reference": reference, "guess": spoiled}


@every_solver
@pytest.mark.parametrize("warm", [False, True])
def test_what_is_not_a_finite_number_is_a_failure_that_gives_the_guess_back(name, warm):
    solver = SOLVERS[name](spin())
    for value in (np.nan, np.inf, -np.inf):
        for what in ("x0", "weight", "model", "reference", "guess.states", "guess.controls"):
            if warm:
                assert _solve(solver).is_usable
            given = _spoiled(what, value)
            _expect_failed(_solve(solver, **given), Status.NUMERICAL_FAILURE, given["guess"])


@every_solver
def test_infinite_bounds_are_none(name):
    problem, p = spin(), spin().parameters.values
    for i in range(3):
        p[problem.parameters.index(f"lower.control[{i}]")] = -np.inf
        p[problem.parameters.index(f"upper.control[{i}]")] = np.inf
    solution = _solve(SOLVERS[name](problem), parameters=p)
    assert solution.is_usable
    assert np.abs(solution.trajectory.controls).max() > 2 * TORQUE_LIMIT
    assert not solution.multipliers.any()


@every_solver
def test_arrays_of_a_wrong_shape_or_kind_are_a_failure_and_never_an_exception(name):
    solver, guess = SOLVERS[name](spin()), _guess()
    shorter = Trajectory(guess.manifold, guess.times[:-1], guess.states[:-1], guess.controls[:-1])
    for changes in (
        {"x0": np.zeros(3)},
        {"x0": spinning()[None]},
        {"x0": spinning().tolist()},
        {"x0": None},
        {"x0": np.array(["north"] * 7)},
        {"parameters": np.zeros(0)},
        {"reference": np.zeros((3, 1))},
        {"reference": None},
        {"guess": shorter},
    ):
        solution = _solve(solver, **changes)
        assert solution.status is Status.NUMERICAL_FAILURE
        assert not solution.gains.any()


def _failures() -> tuple[dict[str, object], ...]:
    """Instances that no solver can solve, each in its own way."""
    problem = spin()
    reversed_bounds, heavy = problem.parameters.values, problem.parameters.values
    reversed_bounds[problem.parameters.index("lower.control[1]")] = 7.0
    heavy[problem.parameters.index("weight.rate[1]")] = np.inf
    away = np.r_[spinning()[:4], np.full(3, 1e160)]
    return (
        _spoiled("guess.states", np.nan),
        {"parameters": reversed_bounds},
        {"deadline_ns": 0},
        {"x0": away},
        {"x0": np.zeros(7)},  # a quaternion of length 0
        {"reference": np.zeros((2, 2))},
        {"parameters": heavy},
        _spoiled("x0", np.nan),
    )


@every_solver
def test_after_a_failure_of_any_kind_the_plan_is_that_of_a_new_solver_to_the_last_bit(name):
    clean, solver = _solve(SOLVERS[name](spin())), SOLVERS[name](spin())
    for failure in _failures():
        other = _solve(solver, x0=spinning(seed=5))  # what is kept of this must go
        assert _solve(solver, x0=spinning(seed=5), guess=other.trajectory).is_usable
        assert not _solve(solver, **failure).is_usable
        _expect_same(_solve(solver), clean)
        solver.reset()


@every_solver
def test_after_fifty_failures_in_a_row_the_plan_is_that_of_a_new_solver_to_the_last_bit(name):
    clean, solver, kinds = _solve(SOLVERS[name](spin())), SOLVERS[name](spin()), _failures()
    for i in range(50):
        assert not _solve(solver, **kinds[(3 * i) % len(kinds)]).is_usable
    _expect_same(_solve(solver), clean)


def _expect_same(solution: Solution, clean: Solution) -> None:
    assert clean.is_usable
    assert (solution.status, solution.iterations, solution.cost) == (clean.status, clean.iterations, clean.cost)
    np.testing.assert_array_equal(solution.trajectory.states, clean.trajectory.states)
    np.testing.assert_array_equal(solution.trajectory.controls, clean.trajectory.controls)
    np.testing.assert_array_equal(solution.gains, clean.gains)
    np.testing.assert_array_equal(solution.multipliers, clean.multipliers)


@every_solver
def test_a_reset_solver_plans_as_a_new_one(name):
    clean = _solve(SOLVERS[name](spin()))
    solver = SOLVERS[name](spin())
    other = _solve(solver, x0=spinning(seed=5))
    assert _solve(solver, x0=spinning(seed=5), guess=other.trajectory).is_usable
    solver.reset()
    _expect_same(_solve(solver), clean)


@every_solver
def test_what_a_solver_gave_stays_as_it_was(name):
    """No later call writes into an earlier solution, and none into its arguments."""
    solver, guess, x0 = SOLVERS[name](spin()), _guess(), spinning()
    first = _solve(solver, guess=guess, x0=x0)
    kept = [a.copy() for a in (first.trajectory.states, first.trajectory.controls, first.gains, first.multipliers)]
    _solve(solver, x0=spinning(seed=5), guess=first.trajectory)
    for array, before in zip(
        (first.trajectory.states, first.trajectory.controls, first.gains, first.multipliers), kept, strict=True
    ):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(guess.states, _guess().states)
    np.testing.assert_array_equal(x0, spinning())
