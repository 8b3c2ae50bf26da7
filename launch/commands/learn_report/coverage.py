"""Where the guard lets the correction through: over time, and feature by feature."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from launch.commands.learn_report.words import share
from mpc_controller.analysis.style import ACTUAL, LIMIT, tidy
from mpc_controller.identification.report.choice import left_out
from mpc_controller.identification.report.lines import thinned
from mpc_controller.identification.report.page import figure
from mpc_controller.identification.report.panel import panel
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.rollout import OUTSIDE
from mpc_controller.learning.trace import Trace

_DRAWN: Final = 6
_POINTS: Final = 600
_LEAST: Final = 0.004  # of the time axis
_CAPTION: Final = (
    "The share of the correction that the guard lets through along held-out logs: 1 where the features are as those that were "
    "learned from, 0 far beyond. Orange: less than half of it is left, which counts as outside."
)


def coverage_figure(learned: LearnedResidual) -> str:
    """A panel for each of the held-out logs that are farthest out."""
    traces = sorted((t for t in learned.traces if len(t.gate)), key=lambda trace: float(trace.gate.mean()))
    panels = [
        panel(partial(_draw_gate, trace=trace, features=learned.residual.feature_names), f"Gate along {trace.log}", (5.2, 1.6))
        for trace in traces[:_DRAWN]
    ]
    rest = [trace.log for trace in traces[_DRAWN:]]
    return figure(panels, _CAPTION) + left_out("Logs not drawn, as they are covered better", rest)


def _draw_gate(axes: Axes, trace: Trace, features: tuple[str, ...]) -> None:
    times, gate = thinned(trace.gate_times, trace.gate, _POINTS)
    for begin, end in _outside(trace):
        axes.axvspan(begin, end, color=LIMIT, alpha=0.35, linewidth=0)
    axes.fill_between(times, 0.0, gate, color=ACTUAL, alpha=0.15, linewidth=0)
    axes.plot(times, gate, color=ACTUAL, linewidth=1.0)
    farthest = int(np.argmax(trace.beyond))
    reason = f", mostly {features[farthest].replace('_', ' ')}" if trace.outside > 0 and trace.beyond[farthest] > 0 else ""
    name = trace.log if len(trace.log) <= 34 else f"{trace.log[:33]}…"
    tidy(axes, name, "time [s]", note=f"outside: {share(trace.outside)}{reason}")
    axes.set_yticks([0.0, 0.5, 1.0])
    axes.set_ylim(0.0, 1.05)
    if len(times) > 1:
        axes.set_xlim(times[0], times[-1])


def _outside(trace: Trace) -> list[tuple[float, float]]:
    """Begins and ends [s] of where it is, each wide enough to be seen."""
    times = trace.gate_times
    is_out = np.concatenate([[False], trace.gate < OUTSIDE, [False]])
    begins, ends = (np.flatnonzero(is_out[1:] & ~is_out[:-1]), np.flatnonzero(is_out[:-1] & ~is_out[1:]) - 1)
    least = _LEAST * (times[-1] - times[0])
    middles, halves = (times[begins] + times[ends]) / 2, np.maximum(times[ends] - times[begins], least) / 2
    return list(zip((middles - halves).tolist(), (middles + halves).tolist(), strict=True))
