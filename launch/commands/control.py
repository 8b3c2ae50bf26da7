"""`mpc control`: the controller node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from launch.announcing_link import AnnouncingLink
from launch.bus_address import bus_of, check_role
from launch.errors import ExitCode
from launch.output import check_json_path, speaker, write_json
from launch.readiness import settled, telling
from launch.scheduling import check_core, take_place
from launch.selection import check_rates, excited_task, residual_for, robot_with, solver_of
from launch.signals import StopSignals
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.messages import Event, Observation, ParameterUpdate, Reference
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.model.residual.residual_file import described
from mpc_controller.node.controller_node import ControllerOptions, control_job, fused_task, run_controller
from mpc_controller.node.notify import Notifier

# Not its own plans, which the plant repeats, and no simulator's truth.
_HEARD = (Observation, Reference, ParameterUpdate, Event)


@final
@dataclass(frozen=True)
class ControlRequest:
    """The options of `mpc control`; None stands for the robot's or the task's own value."""

    robot: str
    task: str | None
    solver: str | None
    rate_hz: float | None
    plant_rate_hz: float | None
    endpoint: str | None
    parameters: Path | None
    estimator: str
    wait_s: float
    priority: int
    duration_s: float | None
    json: str | None
    excitation: Path | None = None
    residual: Path | None = None
    force_residual: bool = False
    adapt_residual: bool = False
    cpu: int | None = None
    take_over: bool = False


def control(request: ControlRequest) -> ExitCode:
    """Build the solver, then answer the plant's observations until told to stop, or for the duration."""
    check_json_path(request.json)
    check_core(request.cpu)
    say = speaker(request.json)
    robot = robot_with(request.robot, request.parameters, request.plant_rate_hz)
    check_rates(robot, request.rate_hz)
    residual = residual_for(robot, request.residual, request.force_residual)
    task = fused_task(robot, excited_task(robot, request.task, request.excitation), residual)
    address, endpoints = bus_of(robot.name, request.endpoint)
    check_role(endpoints, Kind.PLAN)
    with StopSignals(interrupt=True) as stop:
        solver = solver_of(task, request.solver, say)
        say(
            f"solver of {robot.name}/{task.name} {'from the cache' if solver.from_cache else 'built'} in {solver.build_s:.2f} s"
        )
        if residual is not None:
            say(f"residual {request.residual}: {described(residual)}")
        options = ControllerOptions(
            solver=request.solver or task.solver,
            rate_hz=request.rate_hz,
            estimator=request.estimator,
            plant_timeout_s=request.wait_s,
            realtime_priority=request.priority,
            residual=residual,
            adapts_residual=request.adapt_residual,
            takes_over=request.take_over,
        )
        control_job(robot, task, solver, options, say)  # compiles what is left to compile, for run_controller to find
        lacks = take_place(request.priority, request.cpu)
        io_priority = request.priority and request.priority - 1
        with PeerLink(endpoints, newest_only=(), kinds=_HEARD, io_priority=io_priority) as link, Notifier.of() as notifier:
            stop.polite()
            settled(f"waiting for the plant of {robot.name} on {address}", lacks, say, notifier)
            with AnnouncingLink(link, telling(say, notifier)) as announced:
                until = notifier.watched(stop.within(request.duration_s))
                summary = run_controller(robot, task, solver, announced, options, until)
    write_json(request.json, summary)
    return ExitCode.OK
