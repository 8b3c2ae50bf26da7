"""The controller's process: receive, estimate, plan, send."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Claim, Event, EventKind, Message, Mode, Observation, ParameterUpdate
from mpc_controller.control.estimators import ESTIMATES_DISTURBANCE, ESTIMATORS
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.receding_horizon import RecedingHorizon
from mpc_controller.control.residual_adaptation import LinearAdaptation
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.residual.fused import FusedTerm
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import ResidualError, residual_bytes
from mpc_controller.node.controller import ControlJob, Controller
from mpc_controller.node.controller_summary import ControllerSummary, Totals
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.meeting import meet_plant
from mpc_controller.node.plant_watch import PlantWatch
from mpc_controller.node.realtime import collect_young, real_time
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solver import Solver

_WAIT_S = 0.1  # how soon `stop()` is looked at when nothing comes
_COLLECT_EVERY = 256  # plans
FIRST_RESIDUAL = 0  # sequence of the update in which a controller tells the residual that it starts with


@final
@dataclass(frozen=True)
class ControllerOptions:
    """solver: its name, for the messages. rate_hz: plans per second (None: the robot's). estimator: its name in ESTIMATORS.
    plant_timeout_s: how long a plant may take to say its first word. realtime_priority: SCHED_FIFO (0: off).
    residual: what is learned of the model, to start with. adapts_residual: whether it, a linear one, learns on in the loop.
    takes_over: from a controller that leads the plant."""

    solver: str = ""
    rate_hz: float | None = None
    estimator: str = "ekf"
    plant_timeout_s: float = 5.0
    realtime_priority: int = 0
    residual: Residual | None = None
    adapts_residual: bool = False
    takes_over: bool = False


def control_job(
    robot: Robot, task: Task, solver: Solver, options: ControllerOptions, report: Callable[[str], None] = lambda line: None
) -> ControlJob:
    """The parts of a controller, built: compiles the model's predictor and reports that. The same for node and replay.

    With `options.residual` the task's problem has the term for it (`fused_task`). ResidualError when that cannot adapt and
    should.
    """
    predictor = Predictor(robot.dynamics, RungeKutta4(), report, residual=task.problem.residual)
    estimator = ESTIMATORS[options.estimator](robot, predictor, task.initial_state)
    horizon = RecedingHorizon(robot, task, solver, predictor)
    rate_hz = options.rate_hz or robot.control_rate_hz
    adaptation = None
    if options.adapts_residual:
        if options.residual is None or robot.residual_port is None:
            raise ResidualError("there is no residual to adapt; give a linear one")
        if options.estimator != ESTIMATES_DISTURBANCE:
            raise ResidualError(
                f"a residual adapts by the estimated disturbance, which the estimator '{options.estimator}' does not give; "
                f"'{ESTIMATES_DISTURBANCE}' does"
            )
        adaptation = LinearAdaptation(options.residual, robot.dynamics, robot.residual_port, report=report)
    solver_name = options.solver or task.solver
    claim = Claim.TAKE_OVER if options.takes_over else Claim.IF_FREE
    return ControlJob(robot, task, solver_name, estimator, horizon, rate_hz, options.residual, adaptation, claim)


def fused_task(robot: Robot, task: Task, residual: Residual | None) -> Task:
    """The task on the model with a residual; as it is without one. ValueError when the robot has no port for it."""
    if residual is None:
        return task
    if robot.residual_port is None:
        raise ValueError(f"'{robot.name}' does not say where a learned residual enters (Robot.residual_port)")
    return replace(task, problem=replace(task.problem, residual=FusedTerm(robot.residual_port, residual.shape)))


def run_controller(
    robot: Robot, task: Task, solver: Solver, link: Link, options: ControllerOptions, stop: Callable[[], bool]
) -> ControllerSummary:
    """Answer observations with plans until `stop()`.

    The link must give every observation, not the newest only. A plant that starts again is met with a new epoch, whose
    Controller starts from the nominal parameters. What operators said before (all parameters that they changed, and what they
    said while the plant was met) is then said again: it takes effect as any word of an operator does, in the order of the
    stream, so that the recording holds all that a replay needs. Raises NodeError when no plant speaks in time, when it is
    another robot or model, speaks another version of the protocol, runs at other rates, or when another controller leads it.
    """
    job = control_job(robot, task, solver, options)
    _warm_up(job)
    totals = Totals(job, solver)
    values = robot.dynamics.nominal.parameters.as_dict()
    # The recording holds the residual, too, so that a replay has it.
    words: Sequence[Message] = (
        () if options.residual is None else (ParameterUpdate(FIRST_RESIDUAL, {}, residual_bytes(options.residual)),)
    )
    introduction = Introduction(
        job.rate_hz, robot.plant_rate_hz, options.estimator, values, robot.control_delay_s, options.adapts_residual
    )

    def introduce(epoch: int) -> Event:
        return introduction.event(robot.name, epoch, solver.build_s)

    epoch = 0
    with real_time(options.realtime_priority) as problem:
        while not stop():
            watch = PlantWatch(job, max(time.time_ns(), epoch + 1))
            met = meet_plant(link, watch, introduce, robot.name, options.plant_timeout_s, stop)
            if not met.messages:
                break
            epoch = watch.epoch
            for word in (*words, *met.operators):
                link.send(word)
            controller = Controller(job, epoch)
            if problem:
                controller.events.tell(EventKind.INFO, 0, problem)
            _serve(controller, link, met.messages, watch, totals, stop)
            words = controller.operators_words
            totals.end(controller)
    return totals.summary(link.counts.reasons)


def _serve(
    controller: Controller,
    link: Link,
    messages: Sequence[Message],
    watch: PlantWatch,
    totals: Totals,
    stop: Callable[[], bool],
) -> None:
    """The loop of one epoch, until told to stop, or the plant starts again or was released from a stop."""
    rejected = link.counts.rejected
    while not (stop() or controller.is_over):
        received_ns = time.monotonic_ns()
        for message in messages:
            if isinstance(message, Observation):
                watch.follow(message)
            controller.accept(message)
        if controller.is_due:
            plan = controller.plan(received_ns)
            link.send(plan)
            totals.add(plan)
            if totals.plans % _COLLECT_EVERY == 0:
                collect_young()
        elif repeat := controller.take_repeat():
            link.send(repeat)
        if link.counts.rejected > rejected:
            rejected = link.counts.rejected
            text = f"{rejected} frames could not be read so far; the last: {link.counts.last_error}"
            controller.events.tell(EventKind.REJECTED, controller.time_ns, text, "unreadable frames")
        for event in controller.events.drain():
            link.send(event)
        messages = link.receive(_WAIT_S)


def _warm_up(job: ControlJob) -> None:
    """Three plans that nobody gets: what is slow the first time is slow here. The first epoch resets what they left."""
    robot = job.robot
    parameters = RuntimeParameters(robot, job.task.problem)
    measured = job.task.initial_state[robot.measured_indices]
    for k in range(3):
        time_ns = round(k * 1e9 / job.rate_hz)
        observation = Observation(robot.name, robot.model_hash, k, time_ns, measured, robot.neutral, Mode.NOMINAL, 1, 1, 0, -1)
        estimate = job.estimator.update(observation, parameters.model)
        job.horizon.plan(estimate, observation, parameters, 1, round(1e9 / robot.plant_rate_hz))
