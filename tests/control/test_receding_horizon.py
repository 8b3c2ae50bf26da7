"""Delay compensation, warm starts, references and what happens after a failure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Mode
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.receding_horizon import PlannedMotion, RecedingHorizon, ReferenceOverride
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.robot import Task
from mpc_controller.solvers.solution import Solution, Status
from tests.control.machines import DT, MS, N, SledSolver, observation, sled, task, transition

ROBOT = sled()
LATENCY = 6 * MS
EPOCH = 4


class Bench:
    """A horizon with a scripted solver, called every 10 ms."""

    def __init__(self, job: Task | None = None) -> None:
        self.task = job or task()
        self.solver = SledSolver(self.task.problem)
        self.parameters = RuntimeParameters(ROBOT, self.task.problem)
        predictor = Predictor(ROBOT.dynamics, RungeKutta4())
        self.horizon = RecedingHorizon(ROBOT, self.task, self.solver, predictor, cold_solves=4)

    def plan(
        self,
        k: int,
        state: Array,
        disturbance: float = 0.0,
        override: ReferenceOverride | None = None,
        control: Array | None = None,
        **changes: Any,
    ):
        fields = {"mode": Mode.NOMINAL, "plan_epoch": EPOCH, "plan_sequence": 1} | changes
        seen = observation(ROBOT, 5 * k, state[:1], control, **fields)
        estimate = Estimate(seen.time_ns, state, np.array([disturbance]))
        return self.horizon.plan(estimate, seen, self.parameters, EPOCH, LATENCY, override)


def test_without_a_plan_the_state_is_predicted_under_the_last_command():
    motion = Bench().plan(0, np.array([0.2, 1.0]), 0.5, control=np.array([4.0]), mode=Mode.HOLD)
    A, B, E = transition(2.0, 0.006)
    np.testing.assert_allclose(motion.state, A @ [0.2, 1.0] + B @ [4.0] + E[:, 0] * 0.5, atol=1e-13)
    assert motion.start_ns == LATENCY


def test_with_a_plan_the_state_is_predicted_under_its_law_tick_by_tick():
    bench = Bench()
    first = bench.plan(0, np.array([0.2, 0.0])).solution
    motion = bench.plan(1, np.array([0.3, -0.1]), control=np.array([99.0]))
    x, (A, B, _) = np.array([0.3, -0.1]), transition(2.0, 0.002)
    for tick in range(3):
        wanted, u = first.trajectory.at((10 + 2 * tick) * MS)
        x = A @ x + B @ np.clip(u + first.gains[0] @ [x[0] - wanted[0], 0.0], -20, 20)
    np.testing.assert_allclose(motion.state, x, atol=1e-13)


@pytest.mark.parametrize(
    "changes",
    [{"mode": Mode.HOLD}, {"mode": Mode.E_STOP}, {"plan_epoch": EPOCH + 1}, {"plan_epoch": 0}, {"plan_sequence": 0}],
    ids=lambda changes: repr(changes),
)
def test_only_a_plant_that_follows_our_plans_is_predicted_by_them(changes: dict[str, Any]):
    bench = Bench()
    bench.plan(0, np.array([0.2, 0.0]))
    motion = bench.plan(1, np.array([0.3, 0.0]), control=np.array([4.0]), **changes)
    A, B, _ = transition(2.0, 0.006)
    np.testing.assert_allclose(motion.state, A @ [0.3, 0.0] + B @ [4.0], atol=1e-13)


def test_the_guess_is_the_last_plan_shifted_in_time():
    bench = Bench()
    first = bench.plan(0, np.array([0.2, 0.0])).solution.trajectory
    bench.plan(1, np.array([0.2, 0.0]))
    guess = bench.solver.guesses[-1]
    assert guess.times[0] == 10 * MS + LATENCY
    np.testing.assert_array_equal(guess.states, first.shifted(10 * MS + LATENCY).states)


def test_a_cold_start_iterates_from_the_state_held_constant_until_converged():
    bench = Bench()
    bench.solver.script = [Status.ITERATION_LIMIT, Status.ITERATION_LIMIT, Status.CONVERGED]
    assert bench.plan(0, np.array([0.2, 0.0])).solution.status is Status.CONVERGED
    assert len(bench.solver.guesses) == 3
    np.testing.assert_array_equal(bench.solver.guesses[0].states, np.tile([0.2, 0.0], (N + 1, 1)))
    bench.plan(1, np.array([0.2, 0.0]))
    assert len(bench.solver.guesses) == 4


def test_a_cold_start_ends_at_its_limit():
    bench = Bench()
    bench.solver.script = [Status.ITERATION_LIMIT] * 99
    assert bench.plan(0, np.array([0.2, 0.0])).solution.status is Status.ITERATION_LIMIT
    assert len(bench.solver.guesses) == 4


@pytest.mark.parametrize("failure", [Status.DEADLINE, Status.INFEASIBLE, Status.DIVERGED, Status.NUMERICAL_FAILURE])
def test_a_failed_iterate_is_never_a_guess_and_resets_the_solver(failure: Status):
    bench = Bench()
    good = bench.plan(0, np.array([0.2, 0.0])).solution.trajectory
    resets = bench.solver.resets
    bench.solver.script = [failure]
    failed = bench.plan(1, np.array([5.0, 0.0])).solution
    assert failed.status is failure
    assert bench.solver.resets == resets + 1
    bench.plan(2, np.array([0.2, 0.0]))
    guess = bench.solver.guesses[-1]
    np.testing.assert_array_equal(guess.states, good.shifted(20 * MS + LATENCY).states)


def test_once_the_last_good_plan_is_over_the_guess_is_constant():
    bench = Bench()
    bench.plan(0, np.array([0.2, 0.0]))
    late = round(N * DT * 100) + 1
    bench.plan(late, np.array([0.7, 0.0]), mode=Mode.HOLD)
    np.testing.assert_array_equal(bench.solver.guesses[-1].states, np.tile([0.7, 0.0], (N + 1, 1)))


def test_after_three_failures_in_a_row_it_starts_from_nothing():
    bench = Bench()
    bench.plan(0, np.array([0.2, 0.0]))
    bench.solver.script = [Status.DIVERGED] * 3
    for k in (1, 2, 3):
        bench.plan(k, np.array([0.2, 0.0]))
    bench.plan(4, np.array([0.7, 0.0]), mode=Mode.HOLD)
    np.testing.assert_array_equal(bench.solver.guesses[-1].states, np.tile([0.7, 0.0], (N + 1, 1)))


def test_a_plan_that_is_not_finite_has_failed_whatever_it_says(monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    solve = bench.solver.solve

    def broken(*arguments: Any) -> Solution:
        solution = solve(*arguments)
        return replace(solution, gains=solution.gains * np.nan)

    monkeypatch.setattr(bench.solver, "solve", broken)
    motion: PlannedMotion = bench.plan(0, np.array([0.2, 0.0]))
    assert motion.solution.status is Status.NUMERICAL_FAILURE


def test_reference_rows_are_at_the_grid_of_the_plan_on_the_clock_of_the_task():
    bench = Bench(task(reference=lambda t: t[:, None]))
    np.testing.assert_allclose(bench.plan(3, np.zeros(2)).reference[:, 0], np.arange(N + 1) * DT, atol=1e-12)
    np.testing.assert_allclose(bench.plan(5, np.zeros(2)).reference[:, 0], 0.02 + np.arange(N + 1) * DT, atol=1e-12)


def test_an_override_holds_until_its_time():
    bench = Bench(task(reference=lambda t: t[:, None]))
    override = ReferenceOverride(np.array([7.0]), until_ns=LATENCY + 101 * MS)
    rows = bench.plan(0, np.zeros(2), override=override).reference[:, 0]
    np.testing.assert_allclose(rows, [7.0, 7.0, 7.0, *(np.arange(3, N + 1) * DT)], atol=1e-12)


def test_reset_starts_the_clock_of_the_task_again():
    bench = Bench()
    bench.plan(3, np.zeros(2))
    bench.horizon.reset()
    assert bench.horizon.task_start_ns is None
    bench.plan(9, np.zeros(2), mode=Mode.HOLD)
    assert bench.horizon.task_start_ns == 90 * MS + LATENCY


def test_the_disturbance_reaches_the_plan():
    """A push of d is held off by −m d at rest."""
    bench = Bench()
    motion = bench.plan(0, np.zeros(2), 1.5, mode=Mode.HOLD)
    assert motion.solution.trajectory.controls[8, 0] == pytest.approx(-3.0, abs=0.15)


@pytest.mark.parametrize(("leader", "joined_s"), [(0, 0.0), (EPOCH - 1, 1.5)])
def test_a_task_begins_at_its_start_or_where_another_controller_left_the_robot(leader, joined_s):
    """The reference moves 0.2 m/s; the sled stands at 0.3 m, where the reference is after 1.5 s."""
    bench = Bench(task(lambda t: 0.2 * t[:, None]))
    motion = bench.plan(0, np.array([0.3, 0.0]), mode=Mode.HOLD, plan_epoch=leader, plan_sequence=0)
    np.testing.assert_allclose(motion.reference[0], [0.2 * joined_s], atol=1e-12)
    later = bench.plan(10, np.array([0.3, 0.0]), plan_epoch=EPOCH)
    np.testing.assert_allclose(later.reference[0], [0.2 * (joined_s + 0.1)], atol=1e-12)
