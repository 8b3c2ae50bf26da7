"""`mpc identify --method inertial`: the inertias of all bodies, as a table, a parameter file and a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.output import check_free
from mpc_controller.identification.export.inertial_changes import inertial_changes
from mpc_controller.identification.export.mjcf import export_mjcf
from mpc_controller.identification.fit import Estimated
from mpc_controller.identification.inverse_dynamics.inertial_identification import (
    InertialIdentification,
    identify_inertias,
    rigid_bodies,
)
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.report.inertial_estimates import base_estimates, body_estimates, joint_estimates
from mpc_controller.identification.report.inertial_report import write_inertial_report
from mpc_controller.identification.report.inertial_terminal import format_inertias
from mpc_controller.model.parameter_file import save_parameters
from robots import MACHINES, ROBOTS, load_robot


@final
@dataclass(frozen=True)
class InertialOutput:
    """The machine's own MJCF, and where the table of inertias, the MJCF with them and the report go."""

    source: Path
    parameters: Path
    mjcf: Path
    page: Path
    force: bool


def inertial_output(robot: str, output: Path | None, export: Path | None, report: Path | None, force: bool) -> InertialOutput:
    """Before anything is read. Raises CommandError for a machine without MJCF, and for what could not be written."""
    if robot in MACHINES:
        message = f"'{robot}' has no MJCF, which --method inertial starts from; robots with one are {', '.join(ROBOTS)}"
        raise CommandError(message, ExitCode.BAD_INPUT)
    parameters = output or Path(f"{robot}-inertial.toml")
    mjcf, page = export or parameters.with_suffix(".xml"), report or parameters.with_suffix(".html")
    result = InertialOutput(load_robot(robot).mjcf, parameters, mjcf, page, force)
    for path in (parameters, mjcf, page):
        check_free(path, force)
    return result


def identify_bodies(
    structure: ModelStructure, logs: Sequence[Log], validation: Sequence[Log], output: InertialOutput, terminal: Terminal
) -> dict[str, object]:
    """Fit, show and write; the numbers for JSON."""
    rigid_bodies(structure)
    result = identify_inertias(structure, logs, validation, output.source, progress=terminal.show)
    terminal.end_live()
    terminal.say(format_inertias(result))
    # What may be refused comes first: the files are of one fit.
    changes = inertial_changes(result.consistent, output.source)
    save_parameters(result.parameters, output.parameters, output.force)
    terminal.say(f"parameters: {output.parameters}")
    export_mjcf(output.source, output.mjcf, changes, output.force)
    terminal.say(f"model:      {output.mjcf}")
    write_inertial_report(result, (*logs, *validation), output.page, output.force)
    terminal.say(f"report:     {output.page}")
    terminal.say(f"next:       mpc sim {structure.name} --mjcf {output.mjcf}")
    return _summary(result, output)


def _summary(result: InertialIdentification, output: InertialOutput) -> dict[str, object]:
    fits = (result.least_squares, result.consistent)
    return {
        "method": result.consistent.method,
        "seconds": sum(fit.seconds for fit in fits),
        "bodies": {joint: _rows(estimates) for joint, estimates in body_estimates(result).items()},
        "joints": _rows(joint_estimates(result)),
        "base_parameters": _rows(base_estimates(result)),
        "relative_torque_error": result.errors,
        "notes": list(result.notes),
        "parameters": output.parameters,
        "mjcf": output.mjcf,
        "report": output.page,
    }


def _rows(estimates: Sequence[Estimated]) -> list[dict[str, object]]:
    return [
        {
            "name": e.name,
            "unit": e.unit,
            "nominal": e.nominal,
            "value": e.value,
            "half_width": e.half_width,
            "seen": e.standing.value,
        }
        for e in estimates
    ]
