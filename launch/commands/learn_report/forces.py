"""What would have explained held-out logs, and what the residual gave: over time, and one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from launch.commands.learn_report.tables import explained_by
from launch.commands.learn_report.words import share
from mpc_controller.analysis.style import ACTUAL, OBSTACLE, QUIET, SERIES, tidy
from mpc_controller.arrays import Array
from mpc_controller.identification.report.lines import shown_line
from mpc_controller.identification.report.page import escape, figure, paragraph
from mpc_controller.identification.report.panel import panel, titled
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.trace import Trace

_POINTS: Final = 700  # of a line
_DOTS: Final = 800  # in one scatter
_STRETCH: Final = 0.15  # of the log, the part that is drawn at the right
_READING: Final = (
    "Measured: the force that explains, block of samples by block, what physics left over; noise of the sensors is in it, too. "
    "Predicted: what the residual gives for the same features, where the guard lets it. Explained is the share of the measured "
    "squares that the prediction takes away, glitches left aside; below 0 "
    "nothing would have been better."
)
_OVER_TIME: Final = (
    "{log}: pale and broad, measured; thin, predicted. Left: the whole log. Right: {begin:.1f} to {end:.1f} s, where most was "
    "left over, with one standard deviation of the noise in grey. Spikes beyond the panels are cut."
)
_SCATTER: Final = (
    "Predicted over measured, a dot a block. On the diagonal all is explained, on the horizontal line nothing; a slope between "
    "the two tells of a residual that is too careful, or of labels that are mostly noise. Percentages: explained."
)


def force_figures(learned: LearnedResidual) -> str:
    """Over time for the held-out log with most left over, and all of them as dots."""
    traces = [trace for trace in learned.traces if len(trace.times) > 1]
    if not traces:
        return paragraph("No held-out log is long enough.")
    names, units = learned.residual.output_names, _units(learned)
    detailed = max(traces, key=lambda trace: float(_sizes(trace, traces).sum()))
    stretch = _stretch(detailed, traces)
    panels = []
    for i, name in enumerate(names):
        draw = partial(_draw_over_time, trace=detailed, i=i, title=titled(name, units[i]))
        panels.append(panel(draw, f"Measured and predicted {name} of {detailed.log}"))
        panels.append(panel(partial(draw, stretch=stretch), f"Measured and predicted {name} of {detailed.log}, a part"))
    dots = [
        panel(
            partial(_draw_scatter, traces=traces, i=i, title=titled(name, units[i])),
            f"Predicted over measured {name} of all held-out logs",
            (3.4, 2.7),
        )
        for i, name in enumerate(names)
    ]
    over_time = figure(panels, _OVER_TIME.format(log=detailed.log, begin=stretch[0], end=stretch[1]), detailed.log)
    return paragraph(_READING) + over_time + _key(traces) + figure(dots, _SCATTER, columns=3)


def _units(learned: LearnedResidual) -> Sequence[str]:
    return learned.port.output_units if learned.port else [""] * len(learned.residual.output_names)


def _sizes(trace: Trace, traces: Sequence[Trace]) -> Array:
    """(n,): squares of what was left over, each output by its median over all logs; glitches count as little as others."""
    scale = np.median(np.concatenate([np.abs(t.wanted) for t in traces]), axis=0)
    return np.asarray(np.minimum(np.abs(trace.wanted) / np.maximum(scale, 1e-300), 3.0).sum(axis=1) ** 2)


def _stretch(trace: Trace, traces: Sequence[Trace]) -> tuple[float, float]:
    """Begin and end [s] of the part in which most was left over."""
    times, sizes = trace.times, _sizes(trace, traces)
    length = _STRETCH * (times[-1] - times[0])
    total = np.concatenate([[0.0], np.cumsum(sizes)])
    ends = np.searchsorted(times, times + length)
    fits = times + length <= times[-1]
    begin = int(np.argmax(np.where(fits, total[ends] - total[:-1], -1)))
    return float(times[begin]), float(times[begin] + length)


def _draw_over_time(axes: Axes, trace: Trace, i: int, title: str, stretch: tuple[float, float] | None = None) -> None:
    begin, end = stretch or (trace.times[0], trace.times[-1])
    chosen = (trace.times >= begin) & (trace.times <= end)
    times, wanted, given = trace.times[chosen], trace.wanted[chosen, i], trace.given[chosen, i]
    axes.axhline(0.0, color=QUIET, linewidth=0.6)
    if stretch:
        axes.fill_between(times, wanted - trace.std[i], wanted + trace.std[i], color=OBSTACLE, alpha=0.6, linewidth=0)
    axes.plot(*shown_line(times, wanted, _POINTS), color=SERIES[0], alpha=0.35, linewidth=3.0 if stretch else 2.2)
    axes.plot(*shown_line(times, given, _POINTS), color=SERIES[0], linewidth=1.1)
    explained = f"explained: {share(float(trace.explained[i]))}"
    tidy(axes, f"{begin:.1f} to {end:.1f} s" if stretch else title, "time [s]", note="" if stretch else explained)
    axes.set_xlim(begin, end)
    axes.set_ylim(*_limits(trace.wanted[:, i], trace.given[:, i]))


def _draw_scatter(axes: Axes, traces: Sequence[Trace], i: int, title: str) -> None:
    low, high = _limits(*(trace.wanted[:, i] for trace in traces))
    axes.plot((low, high), (low, high), color=QUIET, linewidth=0.9)
    axes.axhline(0.0, color=QUIET, linewidth=0.6)
    for number, trace in enumerate(traces):
        every = -(-len(trace.times) * len(traces) // _DOTS)
        at = slice(None, None, every)
        colour = SERIES[number] if 1 < len(traces) <= len(SERIES) else ACTUAL
        axes.plot(trace.wanted[at, i], trace.given[at, i], ".", color=colour, markersize=4, alpha=0.4, markeredgewidth=0)
    explained = explained_by(traces)
    tidy(axes, title, "measured", note="" if explained is None else share(float(explained[i])))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def _limits(*values: Array) -> tuple[float, float]:
    """Of an axis that shows 0 and all but the rarest of the values."""
    parts = [np.quantile(part, [0.01, 0.99]) for part in values]
    low, high = min(0.0, *(float(part[0]) for part in parts)), max(0.0, *(float(part[1]) for part in parts))
    margin = 0.2 * max(high - low, 1e-12)
    return low - margin, high + margin


def _key(traces: Sequence[Trace]) -> str:
    """Which log has which colour."""
    if not 1 < len(traces) <= len(SERIES):
        return ""
    dot = '<svg class="inline" viewBox="0 0 34 8" aria-hidden="true"><circle cx="28" cy="4" r="4" fill="{colour}"/></svg>'
    entries = [f"<span>{dot.format(colour=SERIES[number])}{escape(trace.log)}</span>" for number, trace in enumerate(traces)]
    return f'<h3>All held-out logs</h3><div class="key">{"".join(entries)}</div>'
