"""The same closed loops with other compilers, and with code that runs on more machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from launch.bench.builds import Toolchain, building_with, empty_cache, toolchains
from launch.bench.contender import Contender
from launch.bench.measure import Effort
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Mode, Row
from launch.bench.run import measure_problem
from launch.bench.text import columns, number
from launch.live_line import Terminal

_HEADER = ("problem", "solver", "mode", "compiler", "-march", "build", "median", "p99", "ratio", "sweeps", "failed")


def compare_builds(
    cases: Sequence[ReferenceProblem], contenders: Sequence[Contender], effort: Effort, terminal: Terminal
) -> list[dict[str, Any]]:
    """Rows of the closed loops, one a toolchain, with the median's ratio to that of the first toolchain."""
    found: list[dict[str, Any]] = []
    in_loops = [contender for contender in contenders if Mode.RTI in contender.modes]
    cells: list[tuple[str, ...]] = [_HEADER]
    with empty_cache():
        for case in cases:
            for contender in in_loops:
                first: Row | None = None
                for toolchain in toolchains():
                    with building_with(toolchain):
                        (row,) = measure_problem(case, [contender.only(Mode.RTI)], effort, terminal.show)
                    first = first or row
                    ratio = row.median_us / first.median_us
                    found.append({**asdict(row), **asdict(toolchain), "ratio_to_first": ratio})
                    cells.append(_cells(row, toolchain, ratio))
    terminal.end_live()
    terminal.say("\n" + "\n".join(columns(cells, left=range(5))))
    return found


def _cells(row: Row, toolchain: Toolchain, ratio: float) -> tuple[str, ...]:
    times = (number(value, "{:.0f}") for value in (row.median_us, row.p99_us))
    return (
        row.problem,
        row.solver,
        row.mode.value,
        toolchain.name,
        toolchain.architecture,
        number(row.build_s, "{:.2f}"),
        *times,
        number(ratio, "{:.2f}"),
        number(row.sweeps, "{:.1f}"),
        f"{row.failures}/{row.solves}",
    )
