"""The rows of a problem for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from launch.bench.comparison import Comparison, compare, shortfalls
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Mode, Row
from launch.bench.text import columns, number
from launch.bench.yardstick import YARDSTICK

_HEADER = (
    *("solver", "mode", "median", "p99", "max", "iter", "sweeps", "cost", "violation", "failed", "build", "cached"),
    *("ratio", "target", ""),
)
_LEFT = {0, 1, 13, 14}


def problem_table(case: ReferenceProblem, rows: Sequence[Row], scale: float) -> str:
    """Our rows, then the peers'. Times in µs, builds in s; ratios are to the target's reference, median/p99."""
    d = case.problem.dynamics
    title = f"{case.name}: nx {d.nx}, nu {d.nu}, N {case.problem.N}, best known cost {case.optimum:.9g}"
    ordered = sorted(rows, key=lambda row: row.peer)
    cells = [_HEADER, *(_cells(case, row, compare(row, rows, scale)) for row in ordered)]
    scaled = f"  recorded times are scaled by {scale:.2f}: this machine now, by {YARDSTICK}"
    notes = [f"  {row.solver}, {row.mode.value}: {row.note}" for row in ordered if row.note]
    return "\n".join([title, *columns(cells, _LEFT), *notes, *_interruptions(rows), scaled])


def _interruptions(rows: Sequence[Row]) -> list[str]:
    interrupted, solves = sum(row.interrupted for row in rows), sum(row.solves for row in rows)
    if not interrupted:
        return []
    return [f"  {interrupted} of {solves} calls lost the core to others meanwhile: counted by their own time, caches disturbed"]


def _cells(case: ReferenceProblem, row: Row, comparison: Comparison | None) -> tuple[str, ...]:
    missed = [] if row.peer else shortfalls(row, comparison)
    ratio = target = ""
    if comparison is not None:
        ratio = number(comparison.ratio_median, "{:.3f}")
        if comparison.ratio_p99 is not None:
            ratio += "/" + number(comparison.ratio_p99, "{:.3f}")
        target = f"≤ {comparison.target:.2g} of {comparison.reference} ({comparison.source})"
    return (
        row.solver,
        row.mode.value,
        *(number(value, "{:.0f}") for value in (row.median_us, row.p99_us, row.max_us)),
        number(row.iterations, "{:.1f}"),
        number(row.sweeps, "{:.1f}"),
        _cost(case, row),
        number(row.violation, "{:.0e}"),
        f"{row.failures}/{row.solves}",
        number(row.build_s, "{:.2f}"),
        number(row.cached_s, "{:.2f}"),
        ratio,
        target,
        f"missed: {', '.join(missed)}" if missed else "met" if comparison is not None else "",
    )


def _cost(case: ReferenceProblem, row: Row) -> str:
    """Of a cold solve, relative to the best known one; of a loop, the episodes' mean."""
    if row.mode is Mode.COLD and math.isfinite(row.cost):
        return f"{row.cost / case.optimum - 1:+.0e}"
    return number(row.cost, "{:.6g}")
