"""`mpc replay`: does the controller still plan what it planned?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from launch.comparable import Gap, comparable
from launch.errors import CommandError, ExitCode
from launch.output import check_json_path, speaker, write_json
from launch.selection import check_rates, excited_task, robot_with, solver_of, with_parameters
from mpc_controller.bus.messages import Event, Observation, ParameterUpdate, Plan, Reference
from mpc_controller.bus.recording import read_recording
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import residual_from_bytes
from mpc_controller.node.controller_node import FIRST_RESIDUAL, ControllerOptions, fused_task
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.replay import ReplayReport
from mpc_controller.node.replay import replay as replay_messages


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
    """Feed the recorded observations to the controller and compare the plans; RUN_FAILED when one differs, BAD_INPUT when
    none does and the recording lacks something after which no plan can be compared."""
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
    kinds = (Observation, Plan, ParameterUpdate, Reference, Event)
    messages, gaps = comparable([message for _, message in read_recording(request.recording).messages(*kinds)])
    if any(isinstance(message, Plan) for message in messages):
        report = replay_messages(messages, robot, task, solver, options)
    else:
        report = ReplayReport(0, 0, (), 0, ())
    # Of plans alone: what its controller said it had not is missing on purpose.
    report = dataclasses.replace(report, incomplete=tuple(f"epoch {gap.epoch}: {gap}" for gap in gaps))
    for line in _told(report, gaps):
        say(line)
    write_json(request.json, asdict(report) | {"is_identical": report.is_identical})
    if report.identical < report.plans:
        return ExitCode.RUN_FAILED
    return ExitCode.BAD_INPUT if gaps else ExitCode.OK


def _told(report: ReplayReport, gaps: Sequence[Gap]) -> list[str]:
    """The result as lines."""
    lines = [f"{report.identical} of {report.plans} plans are identical to the last bit"]
    if len(gaps) == 1:
        where = f"before the first gap ({gaps[0].time_s:.3f} s)"
        lines = [f"{report.identical} of {report.plans} plans {where} are identical to the last bit; "]
        lines[0] += f"what came after {gaps[0]} can not be compared"
    elif gaps:
        lines = [f"{report.identical} of {report.plans} plans before gaps are identical to the last bit"]
        lines += [
            f"epoch {gap.epoch}: {gap}; {gap.left_out} plans after the first gap ({gap.time_s:.3f} s) can not be compared"
            for gap in gaps
        ]
    if report.cut_by_deadline:
        lines.append(f"{report.cut_by_deadline} plans were cut by their deadline and are not compared")
    for d in report.differences:
        lines.append(f"plan {d.sequence} of epoch {d.epoch}: {d.field} differs by {d.largest:.3g}")
    return lines


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
