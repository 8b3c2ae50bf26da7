"""Plans again and again: from where the robot will be when the plan reaches it, starting from the plan before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.bus.messages import Observation
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.control.tracker import Tracker
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory

# After this many failures in a row the plant holds, and the plan from before says little about where it is now.
_FAILURES_TO_FORGET = 3
_JOIN_STEP_S = 0.05  # between the points of a reference where a robot may join it


@final
@dataclass(frozen=True)
class ReferenceOverride:
    """This row (nr,) instead of the task's reference until `until_ns`."""

    row: Array
    until_ns: int


@final
@dataclass(frozen=True)
class PlannedMotion:
    """What was planned: `solution` from the state (nx,) expected at `start_ns`, for the reference rows (N+1, nr)."""

    start_ns: int
    state: Array
    reference: Array
    solution: Solution


@final
class RecedingHorizon:
    """From an estimate to a plan that starts when it will arrive.

    The state is predicted from the estimate to the start under the last usable plan (its feedback included) while the plant
    follows plans of this controller, and under the last command otherwise. The guess is the last usable plan shifted in time;
    a failed iterate is never a guess, and resets the solver. Without a plan that covers the start, the guess is the state held
    constant and the solver iterates up to `cold_solves` times before anything is published, without a deadline.

    The task's clock starts with the first plan, at 0 for a plant that nobody led before. A robot that another controller left
    in the middle of a task joins it where the reference is nearest.
    """

    def __init__(self, robot: Robot, task: Task, solver: Solver, predictor: Predictor, cold_solves: int = 50) -> None:
        problem = solver.problem
        self._task, self._solver, self._predictor = task, solver, predictor
        self._tracker = Tracker(robot)
        self._measured = robot.measured_indices
        self._neutral = robot.neutral
        self._tick_ns = round(1e9 / robot.plant_rate_hz)
        self._grid_ns: IntArray = np.rint(problem.times * 1e9).astype(np.int64)
        self._manifold = problem.dynamics.manifold
        self._cold_solves = cold_solves
        self._last: Solution | None = None  # the last usable one
        self._failures_in_a_row = 0
        self.task_start_ns: int | None = None

    def reset(self) -> None:
        """Forget plans, the solver's memory and the task's clock."""
        self._solver.reset()
        self._last = None
        self._failures_in_a_row = 0
        self.task_start_ns = None

    def plan(
        self,
        estimate: Estimate,
        observation: Observation,
        parameters: RuntimeParameters,
        epoch: int,
        latency_ns: int,
        override: ReferenceOverride | None = None,
        deadline_ns: int = NO_DEADLINE,
    ) -> PlannedMotion:
        """Plan from the estimate at the observation's time. epoch: of this controller; the plans of others are not known here.
        `deadline_ns` is on time.monotonic_ns()."""
        start_ns = observation.time_ns + latency_ns
        following = self._last if _follows(observation, epoch) else None
        state = self._predicted(estimate, following, observation.control, parameters.model, start_ns)
        if self.task_start_ns is None:
            self.task_start_ns = start_ns - (self._nearest_ns(state) if observation.plan_epoch > 0 else 0)
        reference = self._reference(start_ns, override)
        p = parameters.with_disturbance(estimate.disturbance)
        if self._last is None or start_ns >= self._last.trajectory.times[-1]:
            solution = self._solve_cold(state, p, reference, start_ns)
        else:
            guess = self._last.trajectory.shifted(start_ns)
            solution = _checked(self._solver.solve(state, p, reference, guess, deadline_ns))
        self._remember(solution)
        return PlannedMotion(start_ns, state, reference, solution)

    def _nearest_ns(self, state: Array) -> int:
        """Time into the task at which its reference is nearest to the state, by the task's own errors."""
        seconds = np.arange(0.0, self._task.duration_s, _JOIN_STEP_S)
        rows = self._task.reference(seconds)
        distances = [sum(e * e for e in self._task.errors(state, row).values()) for row in rows]
        return round(float(seconds[int(np.argmin(distances))]) * 1e9)

    def _solve_cold(self, state: Array, p: Array, reference: Array, start_ns: int) -> Solution:
        """From the state held constant, iterate until the solver says converged."""
        self._solver.reset()
        guess = Trajectory.constant(self._manifold, self._grid_ns + start_ns, state, self._neutral)
        solution = _checked(self._solver.solve(state, p, reference, guess))
        for _ in range(self._cold_solves - 1):
            if solution.status is not Status.ITERATION_LIMIT:
                break
            solution = _checked(self._solver.solve(state, p, reference, solution.trajectory))
        return solution

    def _remember(self, solution: Solution) -> None:
        if solution.is_usable:
            self._last, self._failures_in_a_row = solution, 0
            return
        self._solver.reset()
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _FAILURES_TO_FORGET:
            self._last = None

    def _predicted(
        self, estimate: Estimate, following: Solution | None, last_command: Array, model: Array, start_ns: int
    ) -> Array:
        """The state at the plan's start, tick by tick under the commands that the plant will apply until then."""
        p = model.copy()
        p[len(p) - len(estimate.disturbance) :] = estimate.disturbance
        state, now_ns = estimate.state, estimate.time_ns
        while now_ns < start_ns:
            step_ns = min(self._tick_ns, start_ns - now_ns)
            control = last_command
            if following is not None:
                measured = state[self._measured]
                control = self._tracker.command(following.trajectory, following.gains, now_ns, measured)
            state = self._predictor.step(state, control, p, step_ns * 1e-9)
            now_ns += step_ns
        return state

    def _reference(self, start_ns: int, override: ReferenceOverride | None) -> Array:
        """(N+1, nr) at the grid's times."""
        assert self.task_start_ns is not None
        times_ns = self._grid_ns + start_ns
        seconds = np.asarray((times_ns - self.task_start_ns) * 1e-9, dtype=np.float64)
        rows = np.array(self._task.reference(seconds), dtype=np.float64)
        if override is not None:
            rows[times_ns < override.until_ns] = override.row
        return rows


def _follows(observation: Observation, epoch: int) -> bool:
    """Whether the command that was applied came from a plan of this epoch."""
    return observation.mode.follows_plans and observation.plan_epoch == epoch and observation.plan_sequence > 0


def _checked(solution: Solution) -> Solution:
    """A solution that calls itself usable and is not finite has failed."""
    arrays = (solution.trajectory.states, solution.trajectory.controls, solution.gains)
    if solution.is_usable and not all(np.isfinite(a).all() for a in arrays):
        return replace(solution, status=Status.NUMERICAL_FAILURE)
    return solution
