"""A summary as lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpc_controller.analysis.units import shown_quantity

_RULE = "─" * 66
_SHOWN_CHANGES = 8
_STANDING = ("HOLD", "E_STOP")  # modes in which no plan is followed


def format_table(summary: Mapping[str, Any]) -> str:
    """What `summarize` gave, aligned, with units."""
    lines = [
        f"{summary['robot']} · {summary['task']} · {summary['solver'] or 'no solver'} · {summary['duration_s']:.1f} s",
        _RULE,
        *_tracking(summary),
        *_timing(summary),
        *_mode_times(summary["mode_s"]),
        *_counts(summary),
        *_limits(summary),
        *_modes(summary["mode_changes"]),
        *_lost(summary),
        *(["", "  the recording was cut short; this is what came before the cut"] if summary["truncated"] else []),
        _RULE,
    ]
    return "\n".join(lines)


def _row(name: str, *columns: str) -> str:
    return (f"  {name:<24}" + "".join(f"{c:>13}" for c in columns)).rstrip()


def _tracking(summary: Mapping[str, Any]) -> list[str]:
    if not summary["tracking_rmse"]:
        return ["tracking: no plans after the task's settling time, so no errors"]
    lines = [_row("tracking error", "RMSE", "max", f"from {summary['tracking_from']}")]
    for name, rmse in summary["tracking_rmse"].items():
        quantity, unit, scale = shown_quantity(name)
        columns = [f"{value * scale:.3g} {unit}" for value in (rmse, summary["tracking_max"][name])]
        lines.append(_row(quantity, *columns))
    return lines


def _timing(summary: Mapping[str, Any]) -> list[str]:
    lines = ["", _row("timing", "p50", "p99", "max")]
    for name, key, unit in (
        ("solve time", "solve_time_us", "µs"),
        ("controller loop", "loop_time_us", "µs"),
        ("plan age", "plan_age_ms", "ms"),
    ):
        spread = summary[key]
        columns = ["–"] * 3 if spread is None else [_short(spread[k], unit) for k in ("p50", "p99", "max")]
        lines.append(_row(name, *columns))
    return lines


def _mode_times(mode_s: Mapping[str, float]) -> list[str]:
    """How long a fresh plan was followed, and how long not."""
    total = sum(mode_s.values())
    if not total > 0:
        return []
    shown = [("fresh plan followed", mode_s.get("NOMINAL", 0.0))]
    shown += [(f"  {mode}", seconds) for mode, seconds in mode_s.items() if mode != "NOMINAL" and seconds > 0]
    return ["", *(_row(name, f"{seconds:.2f} s", f"{100 * seconds / total:.2f} %") for name, seconds in shown)]


def _lost(summary: Mapping[str, Any]) -> list[str]:
    lost = summary["lost_observations"]
    if not lost:
        return []
    every = lost + summary["observations"]
    return ["", f"  {lost} of {every} observations did not come; what is told is of the others"]


def _short(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def _counts(summary: Mapping[str, Any]) -> list[str]:
    plans = summary["plans"]
    lines = ["", _row("plans", f"{plans}")]
    for name in ("deadline_misses", "failed_solves"):
        share = f"{100 * summary[name] / plans:.2f} %" if plans else ""
        lines.append(_row(name.replace("_", " "), f"{summary[name]}", share))
    lines.append(_row("safety interventions", f"{summary['safety_interventions']}"))
    limited = summary["limited_ticks"]
    explained = "  ticks at the slew limit, into or out of a hold" if limited else ""
    lines.append(_row("slowed commands", f"{limited}") + explained)
    if summary["build_s"] is not None:
        lines.append(_row("solver ready in", f"{summary['build_s']:.2f} s"))
    return lines


def _limits(summary: Mapping[str, Any]) -> list[str]:
    if not (summary["control_used"] or summary["constraint_excess"]):
        return []
    lines = ["", _row("limits")]
    lines += [_row(name.replace("_", " "), f"{100 * share:.0f} % used") for name, share in summary["control_used"].items()]
    for name, excess in summary["constraint_excess"].items():
        soft = " (soft)" if name in summary["soft_constraints"] else ""
        lines.append(_row(name.replace("_", " "), "kept" if excess == 0 else f"over by {excess:.3g}{soft}"))
    return lines


def _modes(changes: list[dict[str, Any]]) -> list[str]:
    if not changes:
        return []
    lines = ["", _row("mode changes", f"{len(changes)}")]
    for change in _weightiest(changes):
        reason = f"  ({change['reason']})" if change["reason"] else ""
        lines.append(f"  {change['time_s']:8.3f} s  {change['from']} → {change['to']}{reason}")
    if len(changes) > _SHOWN_CHANGES:
        lines.append(f"             … and {len(changes) - _SHOWN_CHANGES} more")
    return lines


def _weightiest(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many as are shown, in their order: where there are more, those into HOLD and E_STOP before others."""
    by_weight = sorted(range(len(changes)), key=lambda i: changes[i]["to"] not in _STANDING)
    return [changes[i] for i in sorted(by_weight[:_SHOWN_CHANGES])]
