"""Errors over the horizon, with physics alone and with the residual."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from mpc_controller.analysis.style import ACTUAL, DASHED, QUIET, WANTED, tidy
from mpc_controller.arrays import Array
from mpc_controller.identification.report.page import escape, figure
from mpc_controller.identification.report.panel import empty, panel, titled
from mpc_controller.learning.validation import Row

_DRAWN: Final = 12  # signals; those that the residual changes most
_STYLES: Final = {"learned": DASHED, "held out": "solid"}
_TOLD: Final = {"learned": "learned from", "held out": "held out"}
_CURVES: Final = (
    "How far a prediction from a measured start is off on average, so many seconds later. Thin lines are single logs where "
    "there are several. Blue should lie below grey, and as far below where the log was held out (solid) as where it was "
    "learned from (dashed): if only the dashed line is low, it learned its logs and not the machine."
)
_BARS: Final = (
    "The same cumulated over the horizon and relative to physics alone, a point a log: full ones judge, empty ones were "
    "learned from. Left of the line the residual helps."
)


def horizon_figure(rows: Sequence[Row]) -> str:
    """A panel a signal."""
    names = rows[0].signals
    change = np.abs(np.log(np.maximum(np.mean([row.ratios for row in rows], axis=0), 1e-9)))
    drawn = sorted(np.argsort(-change, kind="stable")[:_DRAWN].tolist())
    panels = [
        panel(
            partial(_draw_curves, rows=rows, k=k),
            f"Error of {names[k]} over the horizon, with physics alone and with the residual",
        )
        for k in drawn
    ]
    return _key({row.role for row in rows}) + figure(panels, _CURVES)


def ratio_figure(rows: Sequence[Row]) -> str:
    """A line a signal, a point a log."""
    height = 0.75 + 0.27 * len(rows[0].signals)
    drawn = panel(
        partial(_draw_ratios, rows=rows),
        "Error with the residual relative to physics alone, by signal and log",
        (5.2, height),
        left=1.6,
    )
    return figure([drawn], _BARS, columns=1)


def _draw_curves(axes: Axes, rows: Sequence[Row], k: int) -> None:
    """Physics grey, with the residual blue; a thin line a log where there are several, a heavy one for their mean."""
    drawn = False
    for role, style in _STYLES.items():
        curves = [row.curve for row in rows if row.role == role and row.curve is not None]
        for colour, lines in (
            (WANTED, [(c.ahead, c.physics[:, k]) for c in curves]),
            (ACTUAL, [(c.ahead, c.fused[:, k]) for c in curves]),
        ):
            if len(lines) > 1:
                for ahead, error in lines:
                    axes.plot(ahead, error, color=colour, linestyle=style, linewidth=0.6, alpha=0.5)
            if lines:
                axes.plot(*_mean_line(lines), color=colour, linestyle=style, linewidth=1.8)
                drawn = True
    judged = [row.ratios[k] for row in rows if row.role == "held out"]
    tidy(axes, titled(rows[0].signals[k], rows[0].units[k]), "ahead [s]", note=f"held out: × {np.mean(judged):.3g}")
    if not drawn:
        empty(axes, "nothing known")
        return
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)


def _mean_line(lines: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The mean over logs, on the coarsest time base, as far as the shortest reaches."""
    end = min(float(ahead[-1]) for ahead, _ in lines)
    base = min((ahead for ahead, _ in lines), key=len)
    base = base[base <= end * (1 + 1e-9)]
    return base, np.mean([np.interp(base, ahead, error) for ahead, error in lines], axis=0)


def _draw_ratios(axes: Axes, rows: Sequence[Row]) -> None:
    names = rows[0].signals
    largest = 1.0
    for row in rows:
        ratios = np.minimum(row.ratios, 3.0)
        largest = max(largest, float(ratios.max()))
        is_judge = row.role == "held out"
        axes.plot(
            ratios,
            range(len(names)),
            "o",
            color=ACTUAL if is_judge else WANTED,
            markerfacecolor=ACTUAL if is_judge else "none",
            markersize=5.5 if is_judge else 4.5,
            alpha=0.85,
            linestyle="none",
        )
    axes.axvline(1.0, color=QUIET, linewidth=1.0)
    tidy(axes, "Error with residual / physics alone")
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.06 * largest)


def _key(roles: set[str]) -> str:
    """The lines of the panels, once for all of them."""
    start = '<svg class="inline" viewBox="0 0 34 8" aria-hidden="true"><line x1="2" x2="32" y1="4" y2="4" stroke-width="2.4"'
    entries = [
        f'<span>{start} stroke="{colour}"{dash}/></svg>{escape(f"{model}, {_TOLD[role]}")}</span>'
        for role, dash in (("learned", ' stroke-dasharray="5 3"'), ("held out", ""))
        if role in roles
        for colour, model in ((WANTED, "physics alone"), (ACTUAL, "with residual"))
    ]
    return f'<div class="key">{"".join(entries)}</div>'
