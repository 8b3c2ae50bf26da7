"""What a controller did, added up over its epochs."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from mpc_controller.bus.messages import Plan
from mpc_controller.node.controller import ControlJob, Controller
from mpc_controller.node.statistics import Distribution, Percentiles
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.solver import Solver


@final
@dataclass(frozen=True)
class ControllerSummary:
    """What happened, for the table at the end. Tracking errors are the estimate's where it is finite, after the task's settling
    time. Solve and loop times leave out the first plan of an epoch, which iterates from nothing. events: how often what was
    told, by topic. rejected_frames: what came and could not be read, by reason. residual_faded: the share of the last
    epoch's plans that started where the residual is not wholly in force."""

    robot: str
    task: str
    solver: str
    duration_s: float
    plans: int
    failed_solves: int
    deadline_misses: int
    solve_time_us: Percentiles
    loop_time_us: Percentiles
    tracking_rmse: dict[str, float]
    tracking_max: dict[str, float]
    events: dict[str, int]
    rejected_frames: dict[str, int]
    epochs: int
    build_s: float
    from_cache: bool
    residual_faded: float = 0.0


@final
class Totals:
    """Counts plans while a controller runs."""

    def __init__(self, job: ControlJob, solver: Solver) -> None:
        self._job, self._solver = job, solver
        self._started_s = time.monotonic()
        self.plans = 0
        self._failed = self._missed = self._epochs = 0
        self._solve_us, self._loop_us = Distribution(), Distribution()
        self._squares: dict[str, float] = {}
        self._largest: dict[str, float] = {}
        self._settled = 0
        self._faded = 0.0
        self._events: Counter[str] = Counter()

    def add(self, plan: Plan) -> None:
        """Count a plan that was sent."""
        self.plans += 1
        self._failed += not Status(plan.status).is_usable
        self._missed += plan.deadline_missed
        if plan.sequence > 1:
            self._solve_us.add(plan.solve_time_ns * 1e-3)
            self._loop_us.add(plan.loop_time_ns * 1e-3)
        self._add_tracking(plan)

    def end(self, controller: Controller) -> None:
        """An epoch is over."""
        self._epochs += 1
        self._events.update(controller.events.counts)
        self._faded = controller.share_faded

    def summary(self, rejected_frames: Mapping[str, int]) -> ControllerSummary:
        """The whole run."""
        job = self._job
        n = max(self._settled, 1)
        return ControllerSummary(
            robot=job.robot.name,
            task=job.task.name,
            solver=job.solver,
            duration_s=time.monotonic() - self._started_s,
            plans=self.plans,
            failed_solves=self._failed,
            deadline_misses=self._missed,
            solve_time_us=self._solve_us.percentiles(),
            loop_time_us=self._loop_us.percentiles(),
            tracking_rmse={name: math.sqrt(s / n) for name, s in self._squares.items()},
            tracking_max=dict(self._largest),
            events=dict(self._events),
            rejected_frames=dict(rejected_frames),
            epochs=self._epochs,
            build_s=self._solver.build_s,
            from_cache=self._solver.from_cache,
            residual_faded=self._faded,
        )

    def _add_tracking(self, plan: Plan) -> None:
        start_ns = self._job.horizon.task_start_ns
        if start_ns is None or plan.start_ns - start_ns < self._job.task.settle_s * 1e9:
            return
        if not all(math.isfinite(error) for error in plan.tracking.values()):
            return
        self._settled += 1
        for name, error in plan.tracking.items():
            self._squares[name] = self._squares.get(name, 0.0) + error * error
            self._largest[name] = max(self._largest.get(name, 0.0), abs(error))
