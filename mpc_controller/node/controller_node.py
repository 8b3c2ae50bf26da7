"""The controller's process: receive, estimate, plan, send."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Event, EventKind, Message, Mode, Observation, Plan
from mpc_controller.control.estimators import ESTIMATORS
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.receding_horizon import RecedingHorizon
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.node.controller import ControlJob, Controller, refusal
from mpc_controller.node.error import NodeError
from mpc_controller.node.realtime import collect_young, real_time
from mpc_controller.node.statistics import Distribution, Percentiles
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.solver import Solver

_WAIT_S = 0.1  # how soon `stop()` is looked at when nothing comes
_HELLO_S = 0.02
_SILENT_HELLO_S = 0.5  # while nothing was heard: hellos to a plant that is still starting pile up
_MUTE_S = 0.5  # a plant that did not repeat a hello by then repeats nothing
_COLLECT_EVERY = 256  # plans
_PARAMETER = "parameter."  # before the names of parameters in an introduction


@final
@dataclass(frozen=True)
class ControllerOptions:
    """solver: its name, for the messages. rate_hz: plans per second (None: the robot's). estimator: its name in ESTIMATORS.
    plant_timeout_s: how long a plant may take to say its first word. realtime_priority: SCHED_FIFO (0: off)."""

    solver: str = ""
    rate_hz: float | None = None
    estimator: str = "ekf"
    plant_timeout_s: float = 5.0
    realtime_priority: int = 0


@final
@dataclass(frozen=True)
class ControllerSummary:
    """What happened, for the table at the end. Tracking errors are the estimate's, after the task's settling time. Solve and
    loop times leave out the first plan of an epoch, which iterates from nothing. events: how often what was told, by topic."""

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
    epochs: int
    build_s: float
    from_cache: bool


def control_job(robot: Robot, task: Task, solver: Solver, options: ControllerOptions) -> ControlJob:
    """The parts of a controller, built: compiles the model's predictor. The same for the node and the replay."""
    predictor = Predictor(robot.dynamics, RungeKutta4())
    estimator = ESTIMATORS[options.estimator](robot, predictor, task.initial_state)
    horizon = RecedingHorizon(robot, task, solver, predictor)
    rate_hz = options.rate_hz or robot.control_rate_hz
    return ControlJob(robot, task, options.solver or task.solver, estimator, horizon, rate_hz)


def run_controller(
    robot: Robot, task: Task, solver: Solver, link: Link, options: ControllerOptions, stop: Callable[[], bool]
) -> ControllerSummary:
    """Answer observations with plans until `stop()`.

    The link must give every observation, not the newest only. A plant that starts again is met with a new epoch. Raises
    NodeError when no plant speaks in time, or one of another robot or model.
    """
    job = control_job(robot, task, solver, options)
    _warm_up(job)
    statistics = _Statistics(job, solver)
    epoch = 0
    with real_time(options.realtime_priority) as problem:
        while not stop():
            epoch = max(time.time_ns(), epoch + 1)
            hello = _introduction(job, options, solver, epoch)
            messages = _meet_plant(link, robot, hello, options.plant_timeout_s, stop)
            controller = Controller(job, epoch)
            if problem:
                controller.events.tell(EventKind.INFO, 0, problem)
            _serve(controller, link, messages, statistics, stop)
            statistics.end(controller)
    return statistics.summary()


def _serve(
    controller: Controller, link: Link, messages: Sequence[Message], statistics: _Statistics, stop: Callable[[], bool]
) -> None:
    """The loop of one epoch, until told to stop or the plant starts again."""
    while not (stop() or controller.plant_restarted):
        received_ns = time.monotonic_ns()
        for message in messages:
            controller.accept(message)
        if controller.is_due:
            plan = controller.plan(received_ns)
            link.send(plan)
            statistics.add(plan)
        elif repeat := controller.take_repeat():
            link.send(repeat)
        for event in controller.events.drain():
            link.send(event)
        messages = link.receive(_WAIT_S)


def _introduction(job: ControlJob, options: ControllerOptions, solver: Solver, epoch: int) -> Event:
    """What a controller says first: with which options and parameters it plans, so that a recording can be replayed."""
    details = {
        "epoch": str(epoch),
        "rate_hz": repr(job.rate_hz),
        "plant_rate_hz": repr(job.robot.plant_rate_hz),
        "estimator": options.estimator,
        "build_s": repr(solver.build_s),
    }
    details |= {_PARAMETER + p.name: repr(p.value) for p in job.robot.dynamics.nominal.parameters}
    return Event(EventKind.INFO, 0, "controller", f"controller of '{job.robot.name}' is ready", details=details)


@final
@dataclass(frozen=True)
class Introduction:
    """How a recorded controller was set up."""

    rate_hz: float
    plant_rate_hz: float
    estimator: str
    parameters: dict[str, float]

    @staticmethod
    def of(event: Event) -> Introduction | None:
        """What an event says of that; None when it is about something else."""
        told = event.details
        if not {"epoch", "rate_hz", "plant_rate_hz", "estimator"} <= told.keys():
            return None
        values = {name.removeprefix(_PARAMETER): float(v) for name, v in told.items() if name.startswith(_PARAMETER)}
        return Introduction(float(told["rate_hz"]), float(told["plant_rate_hz"]), told["estimator"], values)


def _meet_plant(link: Link, robot: Robot, hello: Event, timeout_s: float, stop: Callable[[], bool]) -> Sequence[Message]:
    """Wait until the plant speaks and hears; what it said, from its newest observation on.

    The plant repeats what it hears, so a hello that comes back shows that plans will arrive. One that repeats nothing is
    talked to all the same after a while.
    """
    start_s = time.monotonic()
    said: Sequence[Message] = ()
    is_heard = False
    next_hello_s = 0.0
    while not stop():
        waited_s = time.monotonic() - start_s
        if waited_s >= next_hello_s:
            next_hello_s = waited_s + (_HELLO_S if said else _SILENT_HELLO_S)
            link.send(hello)
        messages = link.receive(min(_HELLO_S, timeout_s))
        is_heard = is_heard or waited_s > _MUTE_S or any(isinstance(m, Event) and m.details == hello.details for m in messages)
        said = _from_newest_observation([*said, *messages])
        if said:
            _check_identity(said[0], robot)
            if is_heard:
                return said
        elif waited_s > timeout_s:
            raise NodeError(f"no plant of '{robot.name}' answered within {timeout_s:g} s; is one running at this endpoint?")
    return ()


def _from_newest_observation(messages: Sequence[Message]) -> Sequence[Message]:
    """The tail that starts at the newest observation: an epoch's first plan answers the first observation that it took in."""
    for i in range(len(messages) - 1, -1, -1):
        if isinstance(messages[i], Observation):
            return messages[i:]
    return ()


def _check_identity(message: Message, robot: Robot) -> None:
    assert isinstance(message, Observation)
    problem = refusal(message, robot)
    if problem and problem[0].startswith("other"):
        raise NodeError(problem[1])


def _warm_up(job: ControlJob) -> None:
    """Three plans that nobody gets: what is slow the first time is slow here. The first epoch resets what they left."""
    robot = job.robot
    parameters = RuntimeParameters(robot, job.task.problem)
    measured = job.task.initial_state[robot.measured_indices]
    for k in range(3):
        time_ns = round(k * 1e9 / job.rate_hz)
        observation = Observation(robot.name, robot.model_hash, k, time_ns, measured, robot.neutral, Mode.NOMINAL, 0, 0, 0, -1)
        estimate = job.estimator.update(observation, parameters.model)
        job.horizon.plan(estimate, observation, parameters, round(1e9 / robot.plant_rate_hz))


@final
class _Statistics:
    """Adds the plans of all epochs up."""

    def __init__(self, job: ControlJob, solver: Solver) -> None:
        self._job, self._solver = job, solver
        self._started_s = time.monotonic()
        self._plans = self._failed = self._missed = self._epochs = 0
        self._solve_us, self._loop_us = Distribution(), Distribution()
        self._squares: dict[str, float] = {}
        self._largest: dict[str, float] = {}
        self._settled = 0
        self._events: Counter[str] = Counter()

    def add(self, plan: Plan) -> None:
        """Count a plan that was sent."""
        self._plans += 1
        self._failed += plan.status not in (Status.CONVERGED, Status.ITERATION_LIMIT)
        self._missed += plan.deadline_missed
        if plan.sequence > 1:
            self._solve_us.add(plan.solve_time_ns * 1e-3)
            self._loop_us.add(plan.loop_time_ns * 1e-3)
        self._add_tracking(plan)
        if self._plans % _COLLECT_EVERY == 0:
            collect_young()

    def end(self, controller: Controller) -> None:
        """An epoch is over."""
        self._epochs += 1
        self._events.update(controller.events.counts)

    def summary(self) -> ControllerSummary:
        job = self._job
        n = max(self._settled, 1)
        return ControllerSummary(
            robot=job.robot.name,
            task=job.task.name,
            solver=job.solver,
            duration_s=time.monotonic() - self._started_s,
            plans=self._plans,
            failed_solves=self._failed,
            deadline_misses=self._missed,
            solve_time_us=self._solve_us.percentiles(),
            loop_time_us=self._loop_us.percentiles(),
            tracking_rmse={name: math.sqrt(s / n) for name, s in self._squares.items()},
            tracking_max=dict(self._largest),
            events=dict(self._events),
            epochs=self._epochs,
            build_s=self._solver.build_s,
            from_cache=self._solver.from_cache,
        )

    def _add_tracking(self, plan: Plan) -> None:
        start_ns = self._job.horizon.task_start_ns
        if start_ns is None or plan.start_ns - start_ns < self._job.task.settle_s * 1e9:
            return
        self._settled += 1
        for name, error in plan.tracking.items():
            self._squares[name] = self._squares.get(name, 0.0) + error * error
            self._largest[name] = max(self._largest.get(name, 0.0), abs(error))
