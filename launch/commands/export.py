"""`mpc export`: identified parameters into model files, for simulators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from launch.errors import CommandError, ExitCode
from launch.output import check_free
from mpc_controller.control.command_delay import control_delay_of
from mpc_controller.identification.export.changes import ModelChanges
from mpc_controller.identification.export.inertial_changes import is_inertial, table_changes
from mpc_controller.identification.export.mjcf import export_mjcf
from mpc_controller.identification.export.urdf import export_urdf
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.robot import Robot
from robots import MACHINES, ROBOTS, load_robot


@final
@dataclass(frozen=True)
class ExportRequest:
    """The options of `mpc export`; source: the URDF that `urdf` starts from."""

    robot: str
    parameters: Path
    mjcf: Path | None
    urdf: Path | None
    source: Path | None
    force: bool


def export(request: ExportRequest) -> ExitCode:
    """Check all that is asked for, then write it."""
    if request.robot in MACHINES:
        message = (
            f"'{request.robot}' is identified from recordings only and has no MJCF; robots with one are {', '.join(ROBOTS)}"
        )
        raise CommandError(message, ExitCode.BAD_INPUT)
    robot = load_robot(request.robot)
    targets = _targets(request, robot)
    # All changes before the first file: what one of them refuses leaves no half of the answer.
    changes = [_changes(request.parameters, robot, source) for source, _ in targets]
    for (source, target), change in zip(targets, changes, strict=True):
        write = export_urdf if target == request.urdf else export_mjcf
        write(source, target, change, request.force)
        print(f"{robot.name}: {target}")
    mjcf = next((target for _, target in targets if target != request.urdf), None)
    if mjcf is not None:
        print(f"next:  mpc sim {robot.name} --mjcf {mjcf}")
    if delay_s := control_delay_of(load_parameters(request.parameters)):
        print(f"note:  commands act {1e3 * delay_s:.3g} ms late, which no model file says; [sim.truth] actuator_delay_s does")
    return ExitCode.OK


def _targets(request: ExportRequest, robot: Robot) -> list[tuple[Path, Path]]:
    """Source and destination of every file. Raises CommandError for what could not be written."""
    if request.urdf is None and request.source is not None:
        raise CommandError(f"--source {request.source} is what --urdf starts from; give --urdf, too", ExitCode.BAD_INPUT)
    if request.urdf is not None and request.source is None:
        message = f"--urdf {request.urdf}: '{robot.name}' comes as MJCF only; give its URDF as --source FILE.urdf"
        raise CommandError(message, ExitCode.BAD_INPUT)
    mjcf = request.mjcf or (None if request.urdf else Path(f"{robot.name}-identified.xml"))
    targets = [(robot.mjcf, mjcf)] if mjcf else []
    if request.urdf is not None and request.source is not None:
        targets.append((request.source, request.urdf))
    for _, path in targets:
        check_free(path, request.force)
    return targets


def _changes(parameters: Path, robot: Robot, source: Path) -> ModelChanges:
    """Of a table of inertias by the joints of the file; of parameters of the robot's model as the robot says."""
    table = load_parameters(parameters)
    if is_inertial(table):
        return table_changes(table, source)
    if robot.mjcf_changes is None:
        message = f"'{robot.name}' does not say where its parameters are in its MJCF; give its Robot `mjcf_changes`"
        raise CommandError(message, ExitCode.BAD_INPUT)
    return robot.mjcf_changes(load_parameters(parameters, robot.dynamics.nominal.parameters))
