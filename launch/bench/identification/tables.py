"""The rows of `mpc bench identification` for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from launch.bench.text import columns, number

_Row = Mapping[str, Any]

CAPTION = """\
All contenders have the same data, windows, parameters, first guess and bounds, one core (processor time), and end when the
cost falls by less than 1e-5 of itself. mpc identify fits the state at the start of every window, weighs by the noise that
it finds, with Huber's loss; dry friction is tanh(v/v_s), steps are Runge-Kutta's; "all" has fits of half and twice the
window's length, for the intervals. mujoco.sysid starts windows at states from local polynomials (order 4, 51 samples),
divides residuals by the signal's size in the window; dry friction is MuJoCo's soft constraint, steps are implicitfast's of
1 ms, derivatives finite differences, the optimizer scipy's with x_scale = jac; its intervals take residuals for white. Held
out: open loop, all from the same start."""


def fit_table(rows: Sequence[_Row]) -> str:
    """Of one case: estimates with their stated 95 % half-widths, times, and the error of a simulation of what was held out."""
    first = rows[0]
    cells = [("contender", "window", *first["names"], "all", "fit", f"held out [{first['error_unit']}]", "")]
    for row in rows:
        estimates = (f"{v:.4g} ± {h:.2g}" for v, h in zip(row["values"], row["half_widths"], strict=True))
        errors = "/".join(number(error * row["error_scale"], "{:.3g}") for error in row["validation_rms"]) or "-"
        note = "" if row["converged"] else "not converged"
        times = (f"{row['seconds']:.2f} s", f"{row['fit_s']:.2f} s")
        cells.append((row["contender"], f"{row['window_s']:g} s", *estimates, *times, errors, note))
    return "\n".join([first["case"], *columns(cells, {0, len(cells[0]) - 1})])


def spread_table(rows: Sequence[_Row]) -> str:
    """Over all window lengths: middle ± half range, the median half-width, and how many intervals hold the middle."""
    cells = [("data", "parameter", "contender", "middle", "half range", "", "stated ±", "hold the middle")]
    cells += [
        (
            row["case"],
            f"{row['parameter']} [{row['unit']}]",
            row["contender"],
            f"{row['middle']:.4g}",
            f"{row['half_range']:.2g}",
            relative(row),
            f"{row['stated']:.2g}",
            f"{row['holding']} of {row['fits']}",
        )
        for row in rows
    ]
    return "\n".join(["Spread over the lengths of the windows", *columns(cells, {0, 1, 2})])


def relative(row: _Row) -> str:
    """Half range by the middle; nothing for what is about as large as its middle."""
    share = row["half_range"] / abs(row["middle"]) if row["middle"] else math.inf
    return f"{share:.1%}" if share < 1 else ""


def coverage_table(rows: Sequence[_Row]) -> str:
    cells = [("data", "parameter", "contender", "true value inside", "rms error", "stated ±")]
    cells += [
        (
            row["case"],
            f"{row['parameter']} [{row['unit']}]",
            row["contender"],
            f"{row['inside']} of {row['seeds']}",
            f"{row['rms_error']:.2g}",
            f"{row['stated']:.2g}",
        )
        for row in rows
    ]
    return "\n".join(["Coverage of intervals stated at 95 %", *columns(cells, {0, 1, 2})])


def speed_table(rows: Sequence[_Row]) -> str:
    """Times and their targets; then windows a second."""
    cells = [("", "data", "time", "target", "")]
    for row in rows:
        if row["kind"] == "speed":
            target = "" if row["target_s"] is None else f"≤ {row['target_s']:g} s"
            verdict = "" if row["met"] is None else "met" if row["met"] else "missed"
            cells.append((row["name"], row["data"], f"{row['seconds']:.3g} s", target, verdict))
    rates = [("", "windows", "samples", "windows/s", "operations", "Gflop/s", "of peak")]
    rates += [
        (
            row["name"],
            str(row["windows"]),
            str(row["samples"]),
            f"{row['windows_per_s']:.0f}",
            f"{row['operations_per_window']:.3g}",
            f"{row['gflops']:.1f}",
            f"{row['share']:.1%}",
        )
        for row in rows
        if row["kind"] == "rate"
    ]
    return "\n".join(["Times on one core", *columns(cells, {0, 1, 4}), "", *columns(rates, {0})])
