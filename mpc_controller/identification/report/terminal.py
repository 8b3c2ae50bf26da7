"""An identification as lines for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from mpc_controller.identification.fit import Estimated, Identification
from mpc_controller.identification.report.cross_validation import ERROR_HEAD, ESTIMATE_HEAD, error_rows, estimate_rows
from mpc_controller.identification.report.digits import shown, shown_change, shown_estimate
from mpc_controller.identification.report.horizon_error import ErrorChange, LogErrors, log_errors, mean_errors
from mpc_controller.identification.report.words import all_notes, outcome

WIDTH: Final = 110
_LONGEST_NAME: Final = 30
_LONGEST_UNIT: Final = 12
_MOST_ROWS: Final = 24  # of errors a log; with more, the means over the logs of a role are shown
_RULE: Final = "─" * WIDTH


def format_identification(identification: Identification) -> str:
    """Estimates with intervals, what the model then predicts, and what to know about it; at most WIDTH columns."""
    fit = identification.fit
    lines = [
        _cut(f"{fit.structure.name} · {fit.method} · {outcome(fit)}", WIDTH),
        _RULE,
        *_estimates(identification),
        *_errors(identification),
        *_cross_validation(identification),
        *note_lines(all_notes(identification)),
        _RULE,
    ]
    return "\n".join(lines)


def _estimates(identification: Identification) -> list[str]:
    fit = identification.fit
    model = [e for e in fit.estimated if e.name in fit.structure.dynamics.parameters]
    others = [e for e in fit.estimated if e.name not in fit.structure.dynamics.parameters]
    head = ("parameter", "unit", "nominal", "estimate", "95 % interval", "change", "identifiable")
    rows: list[tuple[str, ...]] = [head, *(_row(e) for e in (*model, *others))]
    lines = aligned(rows, left=(0, 1, 6))
    if model and others:
        lines.insert(1 + len(model), "")
    held = len(fit.structure.dynamics.parameters) - len(model)
    return [*lines, *([f"  {held} other parameter{' is' if held == 1 else 's are'} held at nominal values"] if held else [])]


def _row(entry: Estimated) -> tuple[str, ...]:
    numbers = shown_estimate(entry)
    name, unit = _cut(entry.name, _LONGEST_NAME), _cut(entry.unit, _LONGEST_UNIT)
    return name, unit, numbers.nominal, numbers.estimate, numbers.interval, numbers.change, entry.standing.value


def _errors(identification: Identification) -> list[str]:
    logs: Sequence[LogErrors] = log_errors(identification)
    if sum(len(errors.changes) for errors in logs) > _MOST_ROWS:
        means = (mean_errors(identification, role) for role in ("fitted", "validation"))
        logs = [errors for errors in means if errors is not None]
    if not logs:
        return ["", "no log was predicted"]
    pair, open_loop = ("nominal", "→", "fitted"), any(errors.has_open_loop for errors in logs)
    last = ("", *pair) if open_loop else ()
    rows: list[tuple[str, ...]] = [("prediction error", "", *pair, "at the end", "", *pair, "cumulated", *last)]
    titles = {}
    for errors in logs:
        titles[len(rows)] = f"  {_cut(errors.title, 60)} ({errors.role}): {errors.horizon}"
        rows += [_error_row(change, open_loop) for change in errors.changes]
    lines = aligned(rows, left=(0, 1))
    lines = [line.replace("  →  ", " → ") for line in lines]
    for offset, (row, title) in enumerate(titles.items()):
        lines.insert(row + offset, title)
    explained = "  at the right: RMS over whole pieces simulated from their first states"
    return ["", *lines, *([explained] if open_loop else [])]


def _error_row(c: ErrorChange, open_loop: bool) -> tuple[str, ...]:
    return (
        f"  {_cut(c.signal.name.replace('_', ' '), _LONGEST_NAME)}",
        _cut(c.signal.unit, _LONGEST_UNIT),
        *(shown(c.nominal_end), "→", shown(c.fitted_end), shown_change(c.nominal_end, c.fitted_end)),
        "",
        *(shown(c.nominal_cumulated), "→", shown(c.fitted_cumulated), shown_change(c.nominal_cumulated, c.fitted_cumulated)),
        *(("", shown(c.nominal_open_loop), "→", shown(c.fitted_open_loop)) if open_loop else ()),
    )


def _cross_validation(identification: Identification) -> list[str]:
    errors, estimates = error_rows(identification), estimate_rows(identification)
    if not errors:
        return []
    errors = [(_cut(name, _LONGEST_NAME), _cut(signal, _LONGEST_NAME), *rest) for name, signal, *rest in errors]
    return ["", *aligned([ERROR_HEAD, *errors], left=(0, 1, 2)), "", *aligned([ESTIMATE_HEAD, *estimates], left=(0, 1))]


def note_lines(notes: Sequence[str]) -> list[str]:
    wrapped: list[str] = []
    for note in notes:
        wrapped += textwrap.wrap(note, WIDTH, initial_indent="  * ", subsequent_indent="    ")
    return ["", "notes", *wrapped] if wrapped else []


def aligned(rows: Sequence[tuple[str, ...]], left: tuple[int, ...]) -> list[str]:
    """Columns as wide as their longest entry, two spaces apart; numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(_padded(text, widths[i], i in left) for i, text in enumerate(row)).rstrip() for row in rows]


def _padded(text: str, width: int, is_left: bool) -> str:
    return text.ljust(width) if is_left else text.rjust(width)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
