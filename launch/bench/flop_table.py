"""Where a real-time iteration stands against the physical limit of the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from launch.bench.flops import operations, peak_gflops
from launch.bench.measure import Bench, Effort
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Mode
from launch.bench.text import columns, number
from launch.live_line import Terminal
from mpc_controller.solvers.multiple_shooting import MultipleShooting

_HEADER = ("problem", "linearise", "evaluate", "factorise", "substitute", "sweeps", "total", "µs", "Gflop/s", "of peak")


def count_flops(cases: Sequence[ReferenceProblem], effort: Effort, terminal: Terminal) -> list[dict[str, Any]]:
    """Operations of one iteration of multiple shooting, the mean time of the whole call, and their quotient."""
    peak = peak_gflops(terminal.show)
    found: list[dict[str, Any]] = []
    for case in cases:
        count = operations(case.problem)
        solver = MultipleShooting(case.problem, report=terminal.show)
        record = Bench(case, effort, terminal.show).loop(solver, Mode.RTI)
        sweeps = float(np.mean([plan.qp_iterations for plan in record.plans]))
        micros = float(np.mean(record.micros))
        rate = count.total(sweeps) / micros * 1e-3
        found.append(
            {
                "problem": case.name,
                "linearization": count.linearization,
                "evaluation": count.evaluation,
                "factorization": count.factorization,
                "substitution": count.substitution,
                "sweeps": sweeps,
                "total": count.total(sweeps),
                "mean_us": micros,
                "gflops": rate,
                "peak_gflops": peak,
            }
        )
    terminal.end_live()
    terminal.say("\n" + "\n".join(columns([_HEADER, *(_cells(row) for row in found)], left={0})))
    terminal.say(f"peak of this core: {peak:.1f} Gflop/s in double precision")
    return found


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (number(row[name], "{:.0f}") for name in ("linearization", "evaluation", "factorization", "substitution"))
    share = row["gflops"] / row["peak_gflops"]
    return (
        row["problem"],
        *counts,
        number(row["sweeps"], "{:.1f}"),
        number(row["total"], "{:.0f}"),
        number(row["mean_us"], "{:.0f}"),
        number(row["gflops"], "{:.1f}"),
        number(share, "{:.1%}"),
    )
