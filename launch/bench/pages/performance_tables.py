"""The tables of docs/performance.md."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from launch.bench.pages.markdown import digits, table
from launch.bench.pages.measurements import Measurement
from launch.bench.problems import PROBLEMS
from launch.bench.published import published_build_s
from launch.bench.row import Mode
from mpc_controller.solvers import SOLVERS


def target_table(rows: Sequence[Measurement]) -> str:
    """Ratios of median/99th percentile to the target's reference; bold where the target is met."""
    compared = [row for row in rows if row.get("reference")]
    lines = []
    for mode, solver in itertools.product((mode.value for mode in Mode), SOLVERS):
        chosen = [row for row in compared if (row["mode"], row["solver"]) == (mode, solver)]
        if not chosen:
            continue
        cells = {row["problem"]: _ratio(row) for row in chosen}
        target = f"{chosen[0]['target']:.2g} of {chosen[0]['reference']}"
        lines.append((mode, f"`{solver}`", *(cells.get(name, "–") for name in PROBLEMS), target))
    return table(("mode", "solver", *PROBLEMS, "target"), lines, left=2)


def _ratio(row: Measurement) -> str:
    p99 = row["ratio_p99"]
    text = digits(row["ratio_median"]) + ("" if p99 is None else f"/{digits(p99)}")
    if row["failures"]:
        return f"{text}, {row['failures']} failed"
    is_met = row["ratio_median"] <= row["target"] and (p99 is None or p99 <= row["target"])
    return f"**{text}**" if is_met else text


def flop_table(rows: Sequence[Measurement]) -> str:
    """Operations of one real-time iteration, and the rate that its mean time makes of them."""
    lines = [
        (
            row["problem"],
            *(f"{row[name]:,}".replace(",", " ") for name in ("linearization", "evaluation", "factorization", "substitution")),
            f"{row['sweeps']:.1f}",
            f"{row['total']:,.0f}".replace(",", " "),
            f"{row['mean_us']:.0f} µs",
            f"{row['gflops']:.1f}",
            f"{row['gflops'] / row['peak_gflops']:.1%}".replace("%", " %"),
        )
        for row in rows
    ]
    header = ("problem", "linearise", "evaluate", "factorise", "substitute", "sweeps", "total", "mean", "Gflop/s", "of peak")
    peak = f"The core's peak is {rows[0]['peak_gflops']:.0f} Gflop/s in double precision."
    return f"{table(header, lines)}\n\n{peak}"


def phase_table(rows: Sequence[Measurement], flops: Sequence[Measurement]) -> str:
    """The two phases as calls of their own, and what they make of the counted operations."""
    counts = {row["problem"]: row for row in flops}
    lines = []
    for row in rows:
        count = counts[row["problem"]]
        programme = count["factorization"] + 2 * count["substitution"]
        lines.append(
            (
                row["problem"],
                f"{row['preparation_us']:.1f} µs",
                f"{count['linearization'] / row['preparation_us'] * 1e-3:.1f}",
                f"{row['feedback_us']:.1f}/{row['feedback_p99_us']:.1f} µs",
                f"{row['sweeps']:.1f}",
                f"{programme / 1e3:.0f} k",
            )
        )
    header = ("problem", "preparation", "Gflop/s", "feedback", "sweeps", "operations a sweep")
    return f"{table(header, lines)}\n\nA call that has next to nothing to do takes {rows[0]['empty_call_us']:.1f} µs."


def compiler_table(rows: Sequence[Measurement]) -> str:
    """Median/99th percentile of the loops with every compiler and architecture, and the ratio of medians to the first."""
    chosen = list(dict.fromkeys((row["name"], row["architecture"]) for row in rows))
    lines = []
    for name, target in chosen:
        cells = {row["problem"]: _build_cell(row) for row in rows if (row["name"], row["architecture"]) == (name, target)}
        lines.append((name, f"`{target}`", *(cells.get(problem, "–") for problem in PROBLEMS)))
    return table(("compiler", "-march", *PROBLEMS), lines, left=2)


def _build_cell(row: Measurement) -> str:
    return f"{digits(row['median_us'])}/{digits(row['p99_us'])} µs, {row['ratio_to_first']:.2f}"


def build_table(rows: Sequence[Measurement]) -> str:
    """First build and start from the cache [s], in the mode that each was measured in first; and what acados took."""
    own = [row for row in rows if not row["peer"] and row["build_s"] is not None]
    lines = []
    for solver in SOLVERS:
        cells: dict[str, str] = {}
        for row in own:
            if row["solver"] == solver:
                cells.setdefault(row["problem"], f"{digits(row['build_s'])}; {row['cached_s'] or math.nan:.2f}")
        lines.append((f"`{solver}`", *(cells.get(name, "–") for name in PROBLEMS)))
    recorded = [published_build_s("acados", name) for name in PROBLEMS]
    return table(("solver", *PROBLEMS), [*lines, ("*acados*, recorded", *map(digits, recorded))])
