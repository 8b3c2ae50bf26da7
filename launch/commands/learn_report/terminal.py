"""What `mpc learn` prints."""

from __future__ import annotations

from typing import Final

from launch.commands.learn_report.words import sentence, verdict
from mpc_controller.identification.report.terminal import aligned, note_lines
from mpc_controller.learning.learn import LearnedResidual

_HEAD: Final = ("log", "", "signal", "physics", "with residual", "ratio", "outside")


def format_learned_residual(learned: LearnedResidual) -> str:
    """Errors cumulated over the horizon, log by log and signal by signal; then what is said of them."""
    lines = _table(learned) if learned.rows else []
    return "\n".join([*lines, verdict(learned), *note_lines([sentence(note) for note in learned.notes])])


def _table(learned: LearnedResidual) -> list[str]:
    rows = [_HEAD]
    for row in learned.rows:
        for k, (signal, unit) in enumerate(zip(row.signals, row.units, strict=True)):
            first = (row.log, row.role) if k == 0 else ("", "")
            outside = f"{row.outside:.1%}" if k == 0 else ""
            numbers = (f"{row.physics[k]:.4g}", f"{row.fused[k]:.4g}", f"{row.ratios[k]:.3f}")
            rows.append((*first, f"{signal} [{unit or '-'}]", *numbers, outside))
    return [
        "error cumulated over the horizon; outside: samples beyond what was learned from",
        *aligned(rows, left=(0, 1, 2)),
        "",
    ]
