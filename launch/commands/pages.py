"""`mpc bench pages`: the measured tables and pictures of docs/, from measurements that are kept beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

from launch.bench.convergence import HESSIANS, STEPS, convergence_rows, iterating_solvers
from launch.bench.launches import launch_rows
from launch.bench.pages import identification_tables
from launch.bench.pages.convergence_figures import draw_options, draw_solvers
from launch.bench.pages.markers import MarkerError, filled
from launch.bench.pages.measurements import PARTS, Measurement, Measurements
from launch.bench.pages.performance_tables import build_table, compiler_table, flop_table, phase_table, target_table
from launch.bench.pages.solver_tables import cost_table, launch_table, mode_table
from launch.bench.pages.time_figure import draw_times
from launch.bench.phases import phase_rows
from launch.bench.problems import PROBLEMS
from launch.bench.row import Mode
from launch.commands.bench import FULL_EFFORT, QUICK_EFFORT, SolversRequest, bench_solvers
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal

_PAGES = ("solvers.md", "performance.md", "identification.md")
_ROOT = Path(__file__).parents[2]


@final
@dataclass(frozen=True)
class PagesRequest:
    """The options of `mpc bench pages`: what to measure anew before the pages in `folder` are written. data: recordings."""

    folder: Path
    measure: tuple[str, ...]
    is_quick: bool
    crocoddyl: str | None
    data: Path | None = None


def write_pages(request: PagesRequest) -> ExitCode:
    """Measure what was asked for, then write tables and pictures from all that is kept."""
    pages = [request.folder / name for name in _PAGES]
    for page in pages:
        if not page.is_file():
            raise CommandError(f"no page {page}; FOLDER is where {' and '.join(_PAGES)} are", ExitCode.BAD_INPUT)
    measurements = Measurements(request.folder / "measured")
    terminal = Terminal()
    for part in PARTS if "all" in request.measure else request.measure:
        measurements.store(part, _measured(part, request, terminal))
        terminal.end_live()
        terminal.say(f"measured {part}")
    tables, pictures = measured_tables(measurements), request.folder / "pictures"
    for page in pages:
        try:
            page.write_text(filled(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
        except MarkerError as error:
            raise CommandError(f"{page}: {error}", ExitCode.BAD_INPUT) from None
        terminal.say(f"wrote {page}")
    pictures.mkdir(exist_ok=True)
    _draw(measurements, pictures)
    terminal.say(f"wrote {', '.join(str(path) for path in sorted(pictures.glob('*.png')))}")
    return ExitCode.OK


def measured_tables(measurements: Measurements) -> Mapping[str, Callable[[], str]]:
    """By the name that a page's marker has."""
    rows = measurements.rows
    modes = {f"mode-{mode.value}": partial(lambda mode: mode_table(rows("solvers"), mode, _optima()), mode) for mode in Mode}
    return {
        **modes,
        "costs": lambda: cost_table(rows("solvers")),
        "launches": lambda: launch_table(rows("launches")),
        "targets": lambda: target_table(rows("solvers")),
        "flops": lambda: flop_table(rows("flops")),
        "phases": lambda: phase_table(rows("phases"), rows("flops")),
        "compilers": lambda: compiler_table(rows("builds")),
        "builds": lambda: build_table(rows("solvers")),
        "identification-spread": lambda: identification_tables.spread_table(rows("identification")),
        "identification-errors": lambda: identification_tables.error_table(rows("identification")),
        "identification-coverage": lambda: identification_tables.coverage_table(rows("identification")),
        "identification-speed": lambda: identification_tables.speed_table(rows("identification")),
        "identification-rates": lambda: identification_tables.rate_table(rows("identification")),
        **{f"machine-{part}": partial(lambda part: f"Measured on {measurements.machine(part)}.", part) for part in PARTS},
    }


def _draw(measurements: Measurements, folder: Path) -> None:
    optima, convergence = _optima(), measurements.rows("convergence")
    draw_solvers(convergence, optima, folder / "convergence.png")
    draw_options(convergence, optima, folder / "options.png")
    draw_times(measurements.rows("solvers"), folder / "times.png")


def _optima() -> dict[str, float]:
    return {name: case().optimum for name, case in PROBLEMS.items()}


def _measured(part: str, request: PagesRequest, terminal: Terminal) -> Sequence[Measurement]:
    """The rows of a part, from this machine now."""
    quick = request.is_quick
    cases = [case() for case in PROBLEMS.values()]
    match part:
        case "convergence":
            return convergence_rows(cases, [*iterating_solvers(), *HESSIANS, *STEPS], terminal.show, is_quick=quick)
        case "phases":
            return phase_rows(cases, QUICK_EFFORT if quick else FULL_EFFORT, terminal.show)
        case "launches":
            return launch_rows(terminal.show, is_quick=quick)
        case "identification":
            return _identified(request)
    return _benched(part, request)


def _benched(part: str, request: PagesRequest) -> Sequence[Measurement]:
    """What `mpc bench solvers` writes as JSON, as it is or with one of its options."""
    with tempfile.TemporaryDirectory(prefix="mpc-pages-") as folder:
        path = Path(folder) / "rows.json"
        bench_solvers(
            SolversRequest(
                problems=(),
                solvers=("multiple-shooting",) if part == "builds" else (),
                is_quick=request.is_quick,
                crocoddyl=request.crocoddyl,
                compares_builds=part == "builds",
                counts_flops=part == "flops",
                json=str(path),
            )
        )
        rows: list[Measurement] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _identified(request: PagesRequest) -> Sequence[Measurement]:
    """What `mpc bench identification` writes, in a process whose linear algebra keeps to one core from its start on."""
    with tempfile.TemporaryDirectory(prefix="mpc-pages-") as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-P", "-m", "launch.cli", "bench", "identification", "--json", str(path)]
        command += ["--quick"] * request.is_quick + ([] if request.data is None else ["--data", str(request.data.resolve())])
        search = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
        if subprocess.run(command, env=os.environ | {"PYTHONPATH": search}).returncode != 0:
            raise CommandError("`mpc bench identification` failed; nothing was stored", ExitCode.RUN_FAILED)
        rows: list[Measurement] = json.loads(path.read_text(encoding="utf-8"))
    return rows
