"""Logs as the commands about models read them: mapped, thinned by conditions, and told of in a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from launch.live_line import Terminal
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.condition import Keep, parse_conditions
from mpc_controller.identification.log_files.mapping import read_mapping
from mpc_controller.identification.log_files.read import read_logs
from mpc_controller.identification.model_structure import ModelStructure
from robots import ROBOTS, load_robot, log_mapping


@final
@dataclass(frozen=True)
class LogOptions:
    """mapping: columns of the signals (None: the machine's own). keep: conditions on samples (none: what the robot's model
    needs). margin_s: left out beside what these leave out."""

    mapping: Path | None = None
    keep: tuple[str, ...] = ()
    margin_s: float = 0.0


@final
class LogReader:
    """Reads logs of one machine; says on the terminal what it found. Raises IdentificationError."""

    def __init__(self, robot: str, structure: ModelStructure, options: LogOptions, terminal: Terminal) -> None:
        self._structure, self._terminal = structure, terminal
        path = options.mapping or log_mapping(robot)
        self._mapping = None if path is None else read_mapping(path, structure)
        excitation = load_robot(robot).excitation if robot in ROBOTS else None
        usable = excitation().usable if excitation else ""
        if usable and not options.keep:
            terminal.say(f"using samples with {usable} only, which the model needs; --keep replaces this")
        self._keep = Keep(parse_conditions(options.keep or ((usable,) if usable else ())), options.margin_s)

    def read(self, names: Sequence[str]) -> list[Log]:
        """All logs of these files."""
        return [log for name in names for log in self._file(name)]

    def _file(self, name: str) -> Sequence[Log]:
        logs = read_logs(Path(name), self._structure, self._mapping, self._keep)
        for log in logs:
            pieces = "one piece" if len(log.pieces) == 1 else f"{len(log.pieces)} pieces"
            self._terminal.say(f"{log.name}: {log.samples} samples, {log.duration_s:.1f} s in {pieces}")
            for note in log.notes:
                self._terminal.say(f"  {note}")
        return logs
