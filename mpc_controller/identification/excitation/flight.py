"""A task flown by its controller on the model itself, in lock-step: what an experiment will be, before anything moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Mode, Observation
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.pace import Pace
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.receding_horizon import RecedingHorizon
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.control.tracker import Tracker
from mpc_controller.identification.log import Log, whole
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution

_EPOCH = 1


@final
@dataclass(frozen=True)
class Flight:
    """A row for every tick of the plant: times (n,) [s] since the task's start, states (n, nx), controls (n, nu) held from then
    on. failed: plans that were not usable; is_finite: whether the model stayed within numbers."""

    times: Array
    states: Array
    controls: Array
    failed: int
    is_finite: bool

    def since(self, start_s: float) -> Flight:
        """The part from a time on."""
        part = self.times >= start_s - 1e-9
        return Flight(self.times[part], self.states[part], self.controls[part], self.failed, self.is_finite)

    def log(self, robot: Robot) -> Log:
        """What exact sensors would log of it."""
        return whole("flight on the model", self.times, self.states[:, robot.measured_indices], self.controls)


@final
class ModelFlight:
    """Flies tasks that share one problem, from the state known exactly. The constructor compiles what is not in the cache."""

    def __init__(self, robot: Robot, task: Task, report: Callable[[str], None] = lambda line: None) -> None:
        self._robot = replace(robot, control_delay_s=0.0)
        self._solver = SOLVERS[task.solver](task.problem, report=report, **task.solver_options)
        self._predictor = Predictor(robot.dynamics, RungeKutta4(), report=report)
        self._tracker = Tracker(robot)
        self._parameters = RuntimeParameters(robot, task.problem)

    def fly(self, task: Task, duration_s: float) -> Flight:
        robot, tick_ns = self._robot, round(1e9 / self._robot.plant_rate_hz)
        horizon = RecedingHorizon(robot, task, self._solver, self._predictor)
        horizon.reset()
        pace = Pace(round(1e9 / robot.control_rate_hz), tick_ns)
        most = robot.control_slew * tick_ns * 1e-9
        x, u, failed = task.initial_state.copy(), robot.neutral.copy(), 0
        plan: Solution | None = None
        states, controls = [], []
        for k in range(round(duration_s * 1e9 / tick_ns)):
            now_ns = k * tick_ns
            if pace.is_due(now_ns):
                pace.planned(now_ns)
                solution = self._plan(horizon, k, now_ns, x, u, plan is not None)
                plan = solution if solution.is_usable else plan
                failed += not solution.is_usable
            if plan is not None:
                asked = self._tracker.command(plan.trajectory, plan.gains, now_ns, x[robot.measured_indices])
                u = np.clip(asked, u - most, u + most)
            states.append(x)
            controls.append(u)
            x = self._predictor.step(x, u, self._parameters.model, tick_ns * 1e-9)
            if not np.isfinite(x).all():
                break
        times = np.asarray(np.arange(len(states)) * (tick_ns * 1e-9), dtype=np.float64)
        return Flight(times, np.array(states), np.array(controls), failed, bool(np.isfinite(x).all()))

    def _plan(self, horizon: RecedingHorizon, k: int, now_ns: int, x: Array, u: Array, led: bool) -> Solution:
        robot = self._robot
        observation = Observation(
            robot.name, "", k + 1, now_ns, x[robot.measured_indices], u, Mode.NOMINAL, int(led), int(led), 0, -1, lock_step=True
        )
        estimate = Estimate(now_ns, x, np.zeros(len(robot.dynamics.channels)))
        return horizon.plan(estimate, observation, self._parameters, _EPOCH, 0).solution
