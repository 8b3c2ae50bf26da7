"""What the report says in words and tables: what was fitted from what, the estimates, and the prediction errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mpc_controller.identification.fit import Estimated, Fit, Identification, Standing
from mpc_controller.identification.log import Log
from mpc_controller.identification.report import captions
from mpc_controller.identification.report.digits import UNKNOWN, short, shown, shown_change, shown_estimate
from mpc_controller.identification.report.horizon_error import ErrorChange, LogErrors, log_errors, mean_errors
from mpc_controller.identification.report.interval_bar import interval_bar
from mpc_controller.identification.report.page import Column, bullets, escape, facts, paragraph, table
from mpc_controller.identification.report.words import MEANINGS, all_notes, outcome, prediction_summary, standing_summary

_MOST_ERROR_ROWS: Final = 40  # with more, single logs are folded away


def summary(identification: Identification, logs: Sequence[Log], date: str) -> str:
    """The findings in two sentences, then how they came about and from which files."""
    fit = identification.fit
    roles = {p.log: p.role for p in identification.predictions}
    pairs = [
        ("Model", fit.structure.name),
        ("Method", fit.method),
        ("Outcome", outcome(fit)),
        ("Date", date),
        ("Predicts ahead", f"{short(fit.structure.horizon_s)} s"),
        ("Fitted from", _duration([log for log in logs if roles.get(log.name) != "validation"])),
        ("Validated on", _duration([log for log in logs if roles.get(log.name) == "validation"])),
    ]
    pairs += [("Before it", f"{earlier.method}: {outcome(earlier)}") for earlier in identification.earlier]
    warning = "The fit did not converge: its values and intervals are those of its last iteration."
    return "\n".join(
        [
            *([] if fit.converged else [paragraph(warning, "warning")]),
            paragraph(standing_summary(fit), "lead"),
            paragraph(prediction_summary(identification), "lead"),
            facts(pairs),
            _files(logs, roles) if logs else paragraph("No log was given."),
        ]
    )


def estimates(fit: Fit) -> str:
    """Every number that was looked for, with its interval on a line, and which were held."""
    known = {p.name: p for p in fit.structure.dynamics.parameters}
    rows = []
    for entry in sorted(fit.estimated, key=lambda e: e.name not in known):  # the model's own first
        parameter = known.get(entry.name)
        bounds = (parameter.lower, parameter.upper) if parameter else (-math.inf, math.inf)
        rows.append(_estimate_row(entry, parameter.description if parameter else "", bounds))
    columns = (
        Column("parameter"),
        *(Column(title, "number") for title in ("nominal", "estimate", "95 % interval", "change")),
        Column("on a line", "line"),
        Column("identifiable"),
    )
    estimated = {e.name for e in fit.estimated}
    held = [f"{p.name} = {short(p.value)} {p.unit}".rstrip() for p in known.values() if p.name not in estimated]
    return "\n".join(
        [
            table(columns, [("", rows)]),
            _key(),
            *([paragraph(f"Held at their nominal values: {', '.join(held)}.")] if held else []),
        ]
    )


def notes(identification: Identification, logs: Sequence[Log]) -> str:
    """What the fit and the identification say, then what was left out of each log."""
    sentences = all_notes(identification, logs)
    return bullets(sentences) if sentences else paragraph("Nothing to note.")


def errors(identification: Identification) -> str:
    """At the end of the horizon and cumulated over it, nominal → fitted, a block a log; of many, means first."""
    logs = log_errors(identification)
    if not logs:
        return ""
    if sum(len(log.changes) for log in logs) <= _MOST_ERROR_ROWS:
        return _error_table(logs) + paragraph(captions.ERRORS, "caption")
    means = [mean for role in ("fitted", "validation") if (mean := mean_errors(identification, role)) is not None]
    reading = paragraph(captions.ERRORS, "caption")
    return f"{_error_table(means)}{reading}<details><summary>Every log</summary>{_error_table(logs)}</details>"


def _error_table(logs: Sequence[LogErrors]) -> str:
    open_loop = any(log.has_open_loop for log in logs)
    kinds = ("at the end", "cumulated", *(["open loop, RMS"] if open_loop else []))
    titles = [title for kind in kinds for title in (f"nominal {kind}", "fitted", "change")]
    columns = (Column("prediction error"), *(Column(title, "number") for title in titles))
    return table(columns, [(_block_title(log), [_error_row(c, open_loop) for c in log.changes]) for log in logs])


def _files(logs: Sequence[Log], roles: Mapping[str, str]) -> str:
    rows = []
    for log in logs:
        step = f"{short(1e3 * log.period_s)} ms" if len(log.times) > 1 else UNKNOWN
        path = f"<small>{escape(str(log.path))}</small>" if log.path else "<small>from memory, no file</small>"
        digest = f"<code>{escape(log.digest)}</code>" if log.digest else UNKNOWN
        role = roles.get(log.name, "not predicted")
        used = f"{shown(log.duration_s)} s"
        rows.append((f"{escape(log.name)}{path}", escape(role), used, f"{log.samples}", step, digest))
    numbers = (Column(title, "number") for title in ("used", "samples", "step"))
    return table((Column("log"), Column("role"), *numbers, Column("SHA-256")), [("", rows)])


def _estimate_row(entry: Estimated, description: str, bounds: tuple[float, float]) -> tuple[str, ...]:
    numbers = shown_estimate(entry)
    about = f"<small>{escape(description)}</small>" if description else ""
    unit = f' <span class="unit">[{escape(entry.unit)}]</span>' if entry.unit else ""
    parts = _spread(entry)
    return (
        f"{escape(entry.name)}{unit}{about}",
        numbers.nominal,
        f"<b>{numbers.estimate}</b>",
        f"{numbers.interval}{parts}",
        escape(numbers.change),
        interval_bar(entry, *bounds),
        _chip(entry.standing),
    )


def _spread(entry: Estimated) -> str:
    """What the half-width is made of, relative to the estimate."""
    named = (("noise", entry.statistical), ("between windows", entry.between))
    known = [f"{name} ±{_share(width, entry)}" for name, width in named if math.isfinite(width)]
    return f"<small>{', '.join(known)}</small>" if known else ""


def _share(width: float, entry: Estimated) -> str:
    if math.isfinite(entry.value) and entry.value != 0:
        return f"{shown(100 * width / abs(entry.value), 2)} %"
    return f"{shown(width, 2)} {escape(entry.unit)}".rstrip()


def _key() -> str:
    signs = (
        ('<rect class="interval" x="3" y="8" width="28" height="10" rx="3"/><circle class="estimate" cx="17" cy="13" r="4"/>',
         "estimate in its 95 % interval"),
        ('<line class="nominal" x1="17" x2="17" y1="4" y2="22"/>', "nominal value"),
        ('<rect class="beyond" x="17" width="17" y="0" height="26"/><path class="bound" d="M13 2 H17 V24 H13"/>',
         "bound, where it is near"),
    )  # fmt: skip
    start = '<svg class="bar inline" viewBox="0 0 34 26" aria-hidden="true">'
    drawn = "".join(f"<span>{start}{sign}</svg>{escape(meaning)}</span>" for sign, meaning in signs)
    chips = "".join(f"<span>{_chip(standing)} {escape(meaning)}</span>" for standing, meaning in MEANINGS.items())
    return f'<div class="key">{drawn}</div><div class="key">{chips}</div>'


def _chip(standing: Standing) -> str:
    return f'<span class="chip {standing.name.lower()}">{standing.value}</span>'


def _block_title(log: LogErrors) -> str:
    return f"{escape(log.title)} <span>{escape(log.role)}; {escape(log.horizon)}</span>"


def _error_row(change: ErrorChange, open_loop: bool) -> tuple[str, ...]:
    unit = f' <span class="unit">[{escape(change.signal.unit)}]</span>' if change.signal.unit else ""
    return (
        f"{escape(change.signal.name.replace('_', ' '))}{unit}",
        *_compared(change.nominal_end, change.fitted_end),
        *_compared(change.nominal_cumulated, change.fitted_cumulated),
        *(_compared(change.nominal_open_loop, change.fitted_open_loop) if open_loop else ()),
    )


def _compared(before: float, after: float) -> tuple[str, str, str]:
    return shown(before), f"<b>{shown(after)}</b>", _coloured(before, after)


def _coloured(before: float, after: float) -> str:
    kind = "worse" if after > before else "better"
    change = shown_change(before, after)
    return f'<span class="{kind}">{escape(change)}</span>' if change else ""


def _duration(logs: Sequence[Log]) -> str:
    if not logs:
        return "nothing"
    seconds = float(np.sum([log.duration_s for log in logs]))
    return f"{len(logs)} log{'' if len(logs) == 1 else 's'}, {shown(seconds)} s"
