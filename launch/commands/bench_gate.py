"""`mpc bench gate`: what the safety gate costs."""

from __future__ import annotations

import sys

from launch.bench.gate import TARGET_US, gate_rows
from launch.bench.pinned import chosen_core
from launch.bench.text import columns
from launch.errors import ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json


def bench_gate(json: str | None, *, is_quick: bool) -> ExitCode:
    """Measure, print a table, and write the rows."""
    check_json_path(json)
    terminal = Terminal(sys.stderr if json == TO_STDOUT else sys.stdout)
    rows = gate_rows(is_quick=is_quick)
    cells: list[tuple[str, ...]] = [("", "median", "p99", "largest")]
    cells += [(row.part, *(f"{t:.1f} µs" for t in (row.median_us, row.p99_us, row.largest_us))) for row in rows]
    met = "met" if rows[-1].median_us < TARGET_US else "missed"
    terminal.say(f"the safety gate for the seven joints of the arm, {rows[-1].calls} calls on core {chosen_core()}")
    terminal.say("\n".join(columns(cells, {0})))
    terminal.say(f"target: below {TARGET_US:.0f} µs, {met}")
    write_json(json, [vars(row) for row in rows])
    return ExitCode.OK
