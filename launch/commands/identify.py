"""`mpc identify`: parameters from logs, as a table, a file that `mpc control` loads, and a report."""

from __future__ import annotations

import contextlib
import copy
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from launch.commands.identify_inertial import identify_bodies, inertial_output
from launch.commands.identify_summary import format_parts, summary_of
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.log_reading import LogOptions, LogReader
from launch.output import TO_STDOUT, check_free, check_json_path, write_json
from mpc_controller.control.command_delay import PROVENANCE
from mpc_controller.identification.export.mjcf import export_robot
from mpc_controller.identification.fit import Identification
from mpc_controller.identification.identify import IdentifyOptions, identify
from mpc_controller.identification.inverse_dynamics.inertial_identification import rigid_bodies
from mpc_controller.identification.log import Log, split
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import OutputErrorOptions
from mpc_controller.identification.ray_workers import RayWorkers
from mpc_controller.identification.report.report import write_report
from mpc_controller.identification.report.terminal import format_identification
from mpc_controller.identification.sensitivity import DELAY
from mpc_controller.model.parameter_file import load_parameters, save_parameters
from robots import MACHINES, ROBOTS, load_robot, load_structure, machine_parts

INERTIAL = "inertial"  # beside the methods of mpc_controller.identification.identify


@final
@dataclass(frozen=True)
class IdentifyRequest:
    """The options of `mpc identify`; None stands for the machine's own value."""

    robot: str
    logs: tuple[str, ...]
    validation: tuple[str, ...]
    hold_out: float
    method: str
    mapping: Path | None
    keep: tuple[str, ...]
    fixed: tuple[str, ...]
    nominal: Path | None
    window_s: float | None
    threads: int | None
    output: Path | None
    report: Path | None
    force: bool
    json: str | None
    export: Path | None = None
    starts: int = 1
    bootstrap: int = 0
    cross_validate: bool = False
    ray: str | None = None
    margin_s: float = 0.0


def identify_machine(request: IdentifyRequest) -> ExitCode:
    """Read, fit, show, and write what was found; of a machine with parts, of one after the other."""
    check_json_path(request.json)
    if request.method == INERTIAL:
        return _identify_inertias(request)
    output = request.output or Path(f"{request.robot}-identified.toml")
    page = request.report or output.with_suffix(".html")
    parts = machine_parts(request.robot)
    places = [_Place.of(part, output, page) for part in parts or ("",)]
    for place in places:
        check_free(place.output, request.force)
        check_free(place.page, request.force)
    if request.export is not None:
        if request.robot in MACHINES:
            names = ", ".join(ROBOTS)
            raise CommandError(f"--export: '{request.robot}' has no MJCF; robots with one are {names}", ExitCode.BAD_INPUT)
        check_free(request.export, request.force)
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    results = {place.part: _identify(request, place, terminal) for place in places}
    if parts:
        terminal.say(format_parts(results))
    if request.robot in ROBOTS:
        terminal.say(f"next:       mpc control {request.robot} --parameters {output}")
    summaries = {place.part: summary_of(results[place.part], place.output, place.page) for place in places}
    write_json(request.json, summaries if parts else summaries[""])
    return ExitCode.OK


def _identify_inertias(request: IdentifyRequest) -> ExitCode:
    """The same for all bodies of a tree at once."""
    given = (
        *(("--fix", request.fixed), ("--window", request.window_s)),
        *(("--starts", request.starts > 1), ("--bootstrap", request.bootstrap)),
        *(("--cross-validate", request.cross_validate), ("--ray", request.ray)),
    )
    for option, value in given:
        if value:
            raise CommandError(f"{option} is not for --method {INERTIAL}; leave it out", ExitCode.BAD_INPUT)
    output = inertial_output(request.robot, request.output, request.export, request.report, request.force)
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    structure = _structure(request, "")
    rigid_bodies(structure)
    logs, validation = _logs(request, structure, "", terminal)
    write_json(request.json, identify_bodies(structure, logs, validation, output, terminal))
    return ExitCode.OK


@final
@dataclass(frozen=True)
class _Place:
    """Where what is found of a part goes; the part's name is '' where the machine has none."""

    part: str
    output: Path
    page: Path

    @staticmethod
    def of(part: str, output: Path, page: Path) -> _Place:
        if not part:
            return _Place(part, output, page)
        return _Place(part, *(path.with_name(f"{path.stem}-{part}{path.suffix}") for path in (output, page)))


def _identify(request: IdentifyRequest, place: _Place, terminal: Terminal) -> Identification:
    """One structure: fitted, shown, written."""
    structure = _structure(request, place.part)
    logs, validation = _logs(request, structure, place.part, terminal)
    options = IdentifyOptions(
        method=request.method,
        output_error=OutputErrorOptions(window_s=request.window_s, threads=request.threads),
        starts=request.starts,
        bootstrap=request.bootstrap,
        cross_validates=request.cross_validate,
    )
    begun = time.monotonic()
    with contextlib.closing(RayWorkers(request.ray)) if request.ray else contextlib.nullcontext() as workers:
        result = identify(structure, logs, validation, options, terminal.show, workers)
    terminal.end_live()
    terminal.say(f"fitted in {time.monotonic() - begun:.1f} s")
    terminal.say(format_identification(result))
    write_report(result, (*logs, *validation), place.page, request.force)
    save_parameters(result.fit.parameters, place.output, request.force)
    terminal.say(f"parameters: {place.output}")
    if request.export is not None:
        export_robot(load_robot(request.robot), result.fit.parameters, request.export, request.force)
        terminal.say(f"model:      {request.export}")
    terminal.say(f"report:     {place.page}")
    return result


def _structure(request: IdentifyRequest, part: str) -> ModelStructure:
    """The machine's structure, with another first guess and further fixed parameters where they are given."""
    structure = load_structure(request.robot, part)
    fixed = tuple(name for name in request.fixed if name != DELAY)
    unknown = [name for name in fixed if name not in structure.dynamics.parameters]
    if unknown:
        names = ", ".join((*structure.dynamics.parameters.names, DELAY))
        raise CommandError(f"--fix {unknown[0]}: '{request.robot}' has no such parameter; it has {names}", ExitCode.BAD_INPUT)
    if request.nominal is not None:
        dynamics = copy.copy(structure.dynamics)
        dynamics.parameters = load_parameters(request.nominal, dynamics.parameters)
        structure = replace(structure, dynamics=dynamics)
    if DELAY in request.fixed:
        given = float(structure.dynamics.parameters.provenance.get(PROVENANCE, 0.0))
        if given > 0:
            raise CommandError(
                f"--fix {DELAY}: {request.nominal} has one of {given:g} s; only none at all can be kept", ExitCode.BAD_INPUT
            )
        structure = replace(structure, delay_limit_s=0.0)
    return replace(structure, fixed=(*structure.fixed, *fixed))


def _logs(request: IdentifyRequest, structure: ModelStructure, part: str, terminal: Terminal) -> tuple[list[Log], list[Log]]:
    """What to fit to and what to validate with."""
    behind = f"#{part}" if part else ""
    reader = LogReader(request.robot, structure, LogOptions(request.mapping, request.keep, request.margin_s), terminal)
    logs, validation = (reader.read([name + behind for name in names]) for names in (request.logs, request.validation))
    if request.hold_out:
        halves = [split(log, 1 - request.hold_out) for log in logs]
        logs, validation = [first for first, _ in halves], [*validation, *(second for _, second in halves)]
    return logs, validation
