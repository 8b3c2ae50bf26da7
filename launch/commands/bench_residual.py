"""`mpc bench residual`: what learned residuals cost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from launch.bench.pinned import chosen_core
from launch.bench.residual import (
    TARGET_5X128_US,
    TARGET_LOAD_MS,
    TARGET_RATIO,
    TARGET_US,
    loop_rows,
    network_rows,
)
from launch.bench.text import columns
from launch.errors import ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from mpc_controller.native.build import architecture
from mpc_controller.native.compiler import find_compiler


def bench_residual(json: str | None, *, is_quick: bool) -> ExitCode:
    """Measure, print tables, and write the rows."""
    check_json_path(json)
    terminal = Terminal(sys.stderr if json == TO_STDOUT else sys.stdout)
    compiler = find_compiler()
    terminal.say(f"{' '.join(compiler.command)} ({compiler.version}), -march={architecture()}; on core {chosen_core()}")
    rows = [*network_rows(terminal.show, is_quick=is_quick), *loop_rows(terminal.show, is_quick=is_quick)]
    terminal.end_live()
    terminal.say("\n" + residual_table(rows))
    write_json(json, rows)
    return ExitCode.OK


def residual_table(rows: Sequence[dict[str, Any]]) -> str:
    """Networks, loading, and the loop."""
    networks = [row for row in rows if row["kind"] == "network"]
    head = ("network", "median", "p99", "NumPy", "target", "", "of the peak", "load")
    cells: list[tuple[str, ...]] = [head]
    for row in networks:
        wanted = TARGET_US[row["network"]]
        cells.append(
            (
                row["network"],
                *(f"{row[key]:.0f} µs" for key in ("median_us", "p99_us", "numpy_us")),
                f"{wanted:.0f} µs",
                "met" if row["median_us"] <= wanted else "missed",
                f"{row['share_of_peak']:.0%}",
                f"{row['load_ms']:.2f} ms",
            )
        )
    first = networks[0]
    lines = [
        f"values and Jacobians of {first['stages']} stages, 16 inputs, 12 outputs, in single precision; "
        f"the core's peak is {first['peak_gflops']:.0f} GFLOP/s",
        *columns(cells, {0, 5}),
    ]
    lines += [
        f"  {row['network']} loads in {row['load_ms']:.1f} ms, target {TARGET_LOAD_MS:.0f} ms"
        for row in rows
        if row["kind"] == "load"
    ]
    loop = [("residual", "median", "p99", "ratio", "target", "")]
    for row in (row for row in rows if row["kind"] == "loop"):
        target, is_met = "", ""
        if row["network"] == "2x64":
            target, is_met = f"ratio {TARGET_RATIO:g}", "met" if row["ratio"] <= TARGET_RATIO else "missed"
        elif row["network"] == "5x128":
            target, is_met = f"{TARGET_5X128_US:.0f} µs", "met" if row["p99_us"] <= TARGET_5X128_US else "missed"
        loop.append(
            (row["network"], f"{row['median_us']:.0f} µs", f"{row['p99_us']:.0f} µs", f"{row['ratio']:.2f}", target, is_met)
        )
    lines += ["", "quadrotor, figure eight, real-time iterations of multiple-shooting", *columns(loop, {0, 4, 5})]
    return "\n".join(lines)
