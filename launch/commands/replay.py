"""`mpc replay`: does the controller still plan what it planned?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from launch.errors import CommandError, ExitCode
from launch.output import check_json_path, speaker, write_json
from launch.selection import check_rates, excited_task, robot_with, solver_of, with_parameters
from mpc_controller.bus.messages import Event, ParameterUpdate, Plan
from mpc_controller.bus.recording import read_recording
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import residual_from_bytes
from mpc_controller.node.controller_node import FIRST_RESIDUAL, ControllerOptions, fused_task
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.replay import replay_recording


@final
@dataclass(frozen=True)
class ReplayRequest:
    """The options of `mpc replay`; None stands for what the recorded controller ran with."""

    recording: Path
    plant_rate_hz: float | None
    parameters: Path | None
    estimator: str | None
    json: str | None
    excitation: Path | None = None


def replay(request: ReplayRequest) -> ExitCode:
    """Feed the recorded observations to the controller and compare the plans; RUN_FAILED when one differs."""
    check_json_path(request.json)
    say = speaker(request.json)
    recorded, told, residual = _first_plan(request.recording)
    robot = robot_with(recorded.robot, request.parameters, request.plant_rate_hz or (told and told.plant_rate_hz))
    if told and request.parameters is None:
        robot = with_parameters(robot, told.parameters, told.control_delay_s)
    rate_hz = told and told.rate_hz
    check_rates(robot, rate_hz)
    task = fused_task(robot, excited_task(robot, recorded.task, request.excitation), residual)
    solver = solver_of(task, recorded.solver, say)
    estimator = request.estimator or (told.estimator if told else "ekf")
    options = ControllerOptions(
        recorded.solver, rate_hz, estimator, residual=residual, adapts_residual=told is not None and told.adapts_residual
    )
    report = replay_recording(request.recording, robot, task, solver, options)
    say(f"{report.identical} of {report.plans} plans are identical to the last bit")
    if report.cut_by_deadline:
        say(f"{report.cut_by_deadline} plans were cut by their deadline and are not compared")
    for line in report.incomplete:
        say(f"incomplete: {line}")
    for d in report.differences:
        say(f"plan {d.sequence} of epoch {d.epoch}: {d.field} differs by {d.largest:.3g}")
    write_json(request.json, asdict(report) | {"is_identical": report.is_identical})
    return ExitCode.OK if report.is_identical else ExitCode.RUN_FAILED


def _first_plan(recording: Path) -> tuple[Plan, Introduction | None, Residual | None]:
    """It names robot, task and solver; before it the controller told its options, and the residual that it started with.

    Raises CommandError when there is no plan.
    """
    told, residual = None, None
    for _, message in read_recording(recording).messages(Plan, Event, ParameterUpdate):
        if isinstance(message, Plan):
            return message, told, residual
        if isinstance(message, ParameterUpdate) and message.residual and message.sequence == FIRST_RESIDUAL:
            residual = residual_from_bytes(message.residual, str(recording))
        if isinstance(message, Event):
            told = Introduction.of(message) or told
    raise CommandError(f"{recording}: no plan is recorded; there is nothing to compare with", ExitCode.BAD_INPUT)
