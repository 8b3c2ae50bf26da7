"""How the loss went down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mpc_controller.analysis.style import ACTUAL, QUIET, SERIES, tidy
from mpc_controller.identification.report.page import figure
from mpc_controller.identification.report.panel import panel

_CAPTION: Final = (
    "Error over the horizon relative to physics alone, by epoch. Blue: the training of what was written. The others: each log "
    "left out in turn, as it says when to stop; the last training, with all logs, goes on for as long."
)


def training_figure(curves: Mapping[str, Sequence[float]]) -> str:
    return figure([panel(partial(_draw_losses, curves=curves), "Loss by epoch")], _CAPTION, columns=1)


def _draw_losses(axes: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    axes.axhline(1.0, color=QUIET, linewidth=0.8)
    others = 0
    for name, values in curves.items():
        is_training = name == "training"
        others += not is_training
        colour = ACTUAL if is_training else SERIES[1 + (others - 1) % (len(SERIES) - 1)]
        marker = "o" if len(values) < 3 else ""
        axes.plot(range(len(values)), values, color=colour, linewidth=1.8 if is_training else 0.9, marker=marker, markersize=3)
    tidy(axes, "Loss / physics alone", "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_ylim(bottom=0.0)
