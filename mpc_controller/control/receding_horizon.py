"""Plans again and again: from where the robot will be when the plan reaches it, starting from the plan before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.bus.messages import Observation
from mpc_controller.control.command_delay import CommandDelay, Sent, mean_command
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.control.tracker import Tracker
from mpc_controller.model.residual.residual import Residual
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
    """What was planned: `solution` from the state (nx,) expected at `start_ns`, where the reference rows (N+1, nr) start.

    Where commands act late, `solution` has them at the times when they are sent, with the states expected then.
    """

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

    Of a robot whose commands act Robot.control_delay_s later than they are sent, the state is predicted to the start and that
    delay, under the commands that are on their way, and planned from there: the plan's commands are sent as much earlier.
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
        self._delay = CommandDelay(robot.control_delay_s)
        self._last: Solution | None = None  # the last usable one, at the times when its commands act
        self._last_sent: Solution | None = None  # the same, at the times when they are sent
        self._failures_in_a_row = 0
        self.task_start_ns: int | None = None

    def load_residual(self, residual: Residual) -> None:
        """Plan and predict with it from now on. ValueError when the problem has no residual, or one of another shape."""
        self._solver.load_residual(residual)
        self._predictor.load_residual(residual)

    def residual_gate(self, motion: PlannedMotion, model: Array) -> tuple[float, Array] | None:
        """Gate of the residual where a motion starts, and its features (nz,) there; None without a residual."""
        push = self._predictor.push
        if push is None or not motion.solution.is_usable:
            return None
        return push.gate(motion.state, motion.solution.trajectory.controls[0], model)

    def reset(self) -> None:
        """Forget plans, the solver's memory and the task's clock."""
        self._solver.reset()
        self._delay.reset()
        self._last = self._last_sent = None
        self._failures_in_a_row = 0
        self.task_start_ns = None

    def acting(self, observation: Observation) -> Observation:
        """The observation with the command that acted, which is not the one that was sent where commands act late.

        To be asked for every observation, in their order, for the estimator."""
        return self._delay.observe(observation)

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
        acts_ns = start_ns + self._delay.delay_ns
        following = self._last_sent if _follows(observation, epoch) else None
        motion = self._predicted(estimate, following, observation.control, parameters.model, start_ns)
        state = motion[0][1]
        if self.task_start_ns is None:
            self.task_start_ns = start_ns - (self._nearest_ns(state) if observation.plan_epoch > 0 else 0)
        reference = self._reference(acts_ns, override)
        p = parameters.with_disturbance(estimate.disturbance)
        if self._last is None or acts_ns >= self._last.trajectory.times[-1]:
            solution = self._solve_cold(motion[-1][1], p, reference, acts_ns)
        else:
            guess = self._last.trajectory.shifted(acts_ns)
            solution = _checked(self._solver.solve(motion[-1][1], p, reference, guess, deadline_ns))
        sent = self._sent_at(solution, motion)
        self._remember(solution, sent)
        return PlannedMotion(start_ns, state, self._reference(start_ns, override) if self._delay.delay_ns else reference, sent)

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

    def _remember(self, solution: Solution, sent: Solution) -> None:
        if solution.is_usable:
            self._last, self._last_sent, self._failures_in_a_row = solution, sent, 0
            return
        self._solver.reset()
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _FAILURES_TO_FORGET:
            self._last = self._last_sent = None

    def _predicted(
        self, estimate: Estimate, following: Solution | None, last_command: Array, model: Array, start_ns: int
    ) -> list[tuple[int, Array]]:
        """Times and states from the plan's start until its first command acts: one, where commands act at once.

        Tick by tick under the commands that the plant sends until the start.
        """
        p = model.copy()
        p[len(p) - len(estimate.disturbance) :] = estimate.disturbance
        state, now_ns, delay_ns = estimate.state, estimate.time_ns, self._delay.delay_ns
        on_their_way: list[Sent] = self._delay.sent() or [(now_ns, last_command)]
        motion = [(now_ns, state)] if now_ns >= start_ns else []
        while now_ns < start_ns + delay_ns:
            is_sending = now_ns < start_ns
            step_ns = min(self._tick_ns, (start_ns if is_sending else start_ns + delay_ns) - now_ns)
            control = last_command
            if following is not None and is_sending:
                measured = state[self._measured]
                control = self._tracker.command(following.trajectory, following.gains, now_ns, measured)
            if delay_ns:
                if is_sending:
                    on_their_way.append((now_ns + step_ns, control))
                control = mean_command(on_their_way, now_ns - delay_ns, now_ns + step_ns - delay_ns)
            state = self._predictor.step(state, control, p, step_ns * 1e-9)
            now_ns += step_ns
            if now_ns >= start_ns:
                motion.append((now_ns, state))
        return motion

    def _sent_at(self, solution: Solution, motion: list[tuple[int, Array]]) -> Solution:
        """A solution from the end of `motion` on, at the times when its commands are sent, with the states expected then."""
        if not (self._delay.delay_ns and solution.is_usable):
            return solution
        planned = solution.trajectory
        times = np.concatenate([np.array([t for t, _ in motion[:-1]], dtype=np.int64), planned.times])
        states = np.vstack([*(x for _, x in motion[:-1]), planned.states])
        expected = Trajectory(self._manifold, times, states, np.zeros((len(times) - 1, 0)))
        sent_ns = planned.times - self._delay.delay_ns
        sent = Trajectory(self._manifold, sent_ns, np.array([expected.at(int(t))[0] for t in sent_ns]), planned.controls)
        return replace(solution, trajectory=sent)

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
