"""`mpc bench identification`: what identification costs and is worth, beside mujoco.sysid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from launch.bench.identification.case import Case, cases
from launch.bench.identification.comparison import contenders, coverage_rows, fit_rows
from launch.bench.identification.speed import speed_rows
from launch.bench.identification.tables import CAPTION, coverage_table, fit_table, speed_table, spread_table
from launch.bench.pinned import chosen_core
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from mpc_controller.native.build import architecture
from mpc_controller.native.compiler import find_compiler

_SEEDS = 50


@final
@dataclass(frozen=True)
class IdentificationRequest:
    """The options of `mpc bench identification`; without `data` only what is simulated is measured."""

    data: Path | None
    is_quick: bool
    json: str | None


def bench_identification(request: IdentificationRequest) -> ExitCode:
    """Measure, print tables, and write the rows."""
    check_json_path(request.json)
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    compiler = find_compiler()
    terminal.say(f"{' '.join(compiler.command)} ({compiler.version}), -march={architecture()}; on core {chosen_core()}")
    fits = _compare(_cases(request), terminal)
    coverage = coverage_rows(1 if request.is_quick else _SEEDS, terminal.show)
    speed = speed_rows(terminal.show, is_quick=request.is_quick)
    terminal.end_live()
    for table, rows in (
        (spread_table, [row for row in fits if row["kind"] == "spread"]),
        (coverage_table, coverage),
        (speed_table, speed),
    ):
        terminal.say(f"\n{table(rows)}")
    write_json(request.json, [*fits, *coverage, *speed])
    return ExitCode.OK


def _cases(request: IdentificationRequest) -> list[Case]:
    try:
        return cases(request.data, is_quick=request.is_quick)
    except OSError as error:
        raise CommandError(f"--data {request.data}: {error}", ExitCode.BAD_INPUT) from None


def _compare(chosen: Sequence[Case], terminal: Terminal) -> list[dict[str, Any]]:
    """A table a case; what keeps a contender away is said once."""
    found: list[dict[str, Any]] = []
    complaints: dict[str, None] = {}
    for case in chosen:
        rows = [
            row
            for contender in contenders(case, terminal.show, lambda line: complaints.setdefault(line))
            for row in fit_rows(case, contender, terminal.show)
        ]
        terminal.end_live()
        terminal.say(f"\n{fit_table([row for row in rows if row['kind'] == 'fit'])}")
        found += rows
    terminal.say(f"\n{CAPTION}")
    for line in complaints:
        terminal.say(f"\n{line}")
    return found
