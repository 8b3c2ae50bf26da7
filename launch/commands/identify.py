"""`mpc identify`: parameters from logs, as a table, a file that `mpc control` loads, and a report."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from mpc_controller.identification.fit import Identification
from mpc_controller.identification.identify import IdentifyOptions, identify
from mpc_controller.identification.log import Log, split
from mpc_controller.identification.log_files.condition import Keep, parse_conditions
from mpc_controller.identification.log_files.mapping import LogMapping, read_mapping
from mpc_controller.identification.log_files.read import read_logs
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import OutputErrorOptions
from mpc_controller.identification.report.report import write_report
from mpc_controller.identification.report.terminal import format_identification
from mpc_controller.model.parameter_file import load_parameters, save_parameters
from robots import ROBOTS, load_structure, log_mapping


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


def identify_machine(request: IdentifyRequest) -> ExitCode:
    """Read, fit, show, and write what was found."""
    check_json_path(request.json)
    output = request.output or Path(f"{request.robot}-identified.toml")
    page = request.report or output.with_suffix(".html")
    _check_free(output, page, request.force)
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    structure = _structure(request)
    logs, validation = _logs(request, structure, terminal)
    options = IdentifyOptions(
        method=request.method, output_error=OutputErrorOptions(window_s=request.window_s, threads=request.threads)
    )
    begun = time.monotonic()
    result = identify(structure, logs, validation, options, terminal.show)
    terminal.end_live()
    terminal.say(f"fitted in {time.monotonic() - begun:.1f} s")
    terminal.say(format_identification(result))
    write_report(result, (*logs, *validation), page, request.force)
    save_parameters(result.fit.parameters, output, request.force)
    terminal.say(f"parameters: {output}")
    terminal.say(f"report:     {page}")
    if request.robot in ROBOTS:
        terminal.say(f"next:       mpc control {request.robot} --parameters {output}")
    write_json(request.json, summary_of(result, output, page))
    return ExitCode.OK


def summary_of(result: Identification, output: Path, page: Path) -> dict[str, object]:
    """The numbers of an identification, for JSON."""
    fit = result.fit
    return {
        "method": fit.method,
        "seconds": fit.seconds,
        "converged": fit.converged,
        "iterations": fit.iterations,
        "estimates": [
            {
                "name": e.name,
                "unit": e.unit,
                "nominal": e.nominal,
                "value": e.value,
                "half_width": e.half_width,
                "identifiable": e.standing.value,
            }
            for e in fit.estimated
        ],
        "control_delay_s": fit.control_delay_s,
        "predictions": [
            {
                "log": after.log,
                "role": after.role,
                "signals": [
                    {
                        "name": signal.name,
                        "unit": signal.unit,
                        "nominal_at_horizon": float(before.error[-1, k]),
                        "fitted_at_horizon": float(after.error[-1, k]),
                        "nominal_cumulated": float(before.error[:, k].sum()),
                        "fitted_cumulated": float(after.error[:, k].sum()),
                        "open_loop_rms": float(after.open_loop_rms[k]),
                    }
                    for k, signal in enumerate(fit.structure.signals)
                ],
            }
            for before, after in zip(result.nominal_predictions, result.predictions, strict=True)
        ],
        "notes": [*fit.notes, *result.notes],
        "parameters": output,
        "report": page,
    }


def _structure(request: IdentifyRequest) -> ModelStructure:
    """The machine's structure, with another first guess and further fixed parameters where they are given."""
    structure = load_structure(request.robot)
    unknown = [name for name in request.fixed if name not in structure.dynamics.parameters]
    if unknown:
        names = ", ".join(structure.dynamics.parameters.names)
        raise CommandError(f"--fix {unknown[0]}: '{request.robot}' has no such parameter; it has {names}", ExitCode.BAD_INPUT)
    if request.nominal is not None:
        dynamics = copy.copy(structure.dynamics)
        dynamics.parameters = load_parameters(request.nominal, dynamics.parameters)
        structure = replace(structure, dynamics=dynamics)
    return replace(structure, fixed=(*structure.fixed, *request.fixed))


def _logs(request: IdentifyRequest, structure: ModelStructure, terminal: Terminal) -> tuple[list[Log], list[Log]]:
    """What to fit to and what to validate with."""
    mapping = _mapping(request, structure)
    keep = Keep(parse_conditions(request.keep))
    logs, validation = (
        [log for name in names for log in _read(name, structure, mapping, keep, terminal)]
        for names in (request.logs, request.validation)
    )
    if request.hold_out:
        halves = [split(log, 1 - request.hold_out) for log in logs]
        logs, validation = [first for first, _ in halves], [*validation, *(second for _, second in halves)]
    return logs, validation


def _read(name: str, structure: ModelStructure, mapping: LogMapping | None, keep: Keep, terminal: Terminal) -> Sequence[Log]:
    logs = read_logs(Path(name), structure, mapping, keep)
    for log in logs:
        terminal.say(f"{log.name}: {log.samples} samples, {log.duration_s:.1f} s in {len(log.pieces)} pieces")
        for note in log.notes:
            terminal.say(f"  {note}")
    return logs


def _mapping(request: IdentifyRequest, structure: ModelStructure) -> LogMapping | None:
    path = request.mapping or log_mapping(request.robot)
    return None if path is None else read_mapping(path, structure)


def _check_free(output: Path, page: Path, force: bool) -> None:
    """Refuse before the work what could not be written after it. Raises CommandError."""
    for path in (output, page):
        if path.exists() and not force:
            raise CommandError(
                f"{path} exists; give another --output or --report, or --force to replace it", ExitCode.BAD_INPUT
            )
        if not path.parent.is_dir():
            raise CommandError(f"{path}: no folder {path.parent}; create it first", ExitCode.BAD_INPUT)
