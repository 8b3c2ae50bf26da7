"""`mpc learn`: what the physics leaves over, as a residual that `mpc control` loads, with a table and a report."""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from launch.commands.learn_ranges import feature_ranges
from launch.commands.learn_report import format_learned_residual, write_learning_report
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.log_reading import LogOptions, LogReader
from launch.output import TO_STDOUT, check_free, check_json_path, write_json
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.extra import require
from mpc_controller.learning.imported import learn_imported
from mpc_controller.learning.learn import LearnedResidual, learn
from mpc_controller.learning.options import LearningError, LearnOptions
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.residual.residual_file import described, save_residual
from robots import ROBOTS, load_robot, load_structure, machine_parts


@final
@dataclass(frozen=True)
class LearnRequest:
    """The options of `mpc learn`; None stands for the machine's own value. ranges: as `learn_ranges.feature_ranges`."""

    robot: str
    logs: tuple[str, ...]
    validation: tuple[str, ...]
    hold_out: float
    options: LearnOptions
    network: Path | None
    parameters: Path | None
    reading: LogOptions
    output: Path | None
    report: Path | None
    force: bool
    json: str | None
    ranges: tuple[str, ...] = ()


def learn_machine(request: LearnRequest) -> ExitCode:
    """Read, learn, judge, show, and write what was found; a residual that does not help is written, too, and marked."""
    check_json_path(request.json)
    output = request.output or Path(f"{request.robot}-residual.npz")
    page = request.report or output.with_suffix(".html")
    check_free(output, request.force)
    check_free(page, request.force)
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    begun = time.monotonic()
    learned = learned_of(request, terminal)
    seconds = time.monotonic() - begun
    residual = learned.residual
    terminal.say(f"{'stopped' if learned.interrupted else 'learned'} in {seconds:.1f} s: {described(residual)}")
    terminal.say(format_learned_residual(learned))
    write_learning_report(learned, page, request.force)
    save_residual(output, residual, request.force)
    terminal.say(f"residual:   {output}")
    terminal.say(f"report:     {page}")
    if request.robot in ROBOTS and (residual.accepted or not learned.rows):
        given = "" if request.parameters is None else f" --parameters {request.parameters}"
        forced = "" if residual.accepted else " --force-residual"
        terminal.say(f"next:       mpc control {request.robot}{given} --residual {output}{forced}")
    write_json(
        request.json,
        {
            "accepted": residual.accepted,
            "reason": learned.reason,
            "seconds": seconds,
            "interrupted": learned.interrupted,
            "rows": [row.as_json() for row in learned.rows],
            "notes": list(learned.notes),
            "residual": output,
            "report": page,
        },
    )
    return ExitCode.OK


def check_training() -> None:
    """Before logs are read, or flown. Raises CommandError where the packages that training needs are missing."""
    try:
        require()
    except LearningError as error:
        raise CommandError(f"{error}, or in a checkout `make install-learn`", ExitCode.ENVIRONMENT) from None


def learned_of(request: LearnRequest, terminal: Terminal) -> LearnedResidual:
    """The result for a request; nothing is written. Raises LearningError, IdentificationError, ParameterError."""
    structure = _structure(request)
    _check_logs(request, structure)
    if request.network is None:
        check_training()
    ranges = feature_ranges(request.ranges, structure.residual_port) if request.ranges and structure.residual_port else None
    reader = LogReader(request.robot, structure, request.reading, terminal)
    logs, validation = reader.read(request.logs), reader.read(request.validation)
    model_hash = load_robot(request.robot).model_hash if request.robot in ROBOTS else None
    if request.network is not None:
        learned = learn_imported(
            structure,
            request.network,
            logs,
            validation,
            terminal.show,
            hold_out=request.hold_out,
            model_hash=model_hash,
            ranges=ranges,
        )
    else:
        learned = learn(
            structure,
            logs,
            request.options,
            validation,
            terminal.show,
            hold_out=request.hold_out,
            model_hash=model_hash,
        )
    terminal.end_live()
    return learned


def _check_logs(request: LearnRequest, structure: ModelStructure) -> None:
    """Refuse what says too little, or twice, where the residual holds."""
    if request.ranges and request.network is None:
        raise LearningError("--range says where a network of --import holds; what is learned from logs holds where they are")
    if request.ranges and request.logs:
        raise LearningError(
            "--range and logs both say where the network holds; give one of them, and logs that judge with --validate"
        )
    if not request.logs and request.network is None:
        raise LearningError(f"no log of '{request.robot}' to learn from; give at least one, or a network with --import")
    if not request.logs and not request.ranges:
        features = ", ".join(structure.residual_port.feature_names) if structure.residual_port else ""
        raise LearningError(
            f"neither a log of '{request.robot}' nor --range says where the network holds, in terms of {features}"
        )


def _structure(request: LearnRequest) -> ModelStructure:
    """The machine's structure with the identified parameters."""
    if parts := machine_parts(request.robot):
        raise LearningError(f"'{request.robot}' is identified in parts ({', '.join(parts)}), which have no port for a residual")
    structure = load_structure(request.robot)
    if structure.residual_port is None:
        raise LearningError(f"'{request.robot}' does not say where a learned residual enters")
    if request.parameters is None:
        return structure
    dynamics = copy.copy(structure.dynamics)
    dynamics.parameters = load_parameters(request.parameters, dynamics.parameters)
    return replace(structure, dynamics=dynamics)
