"""An excitation experiment as a picture: the signals, the limits that they use, and what they make seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mpc_controller.analysis.style import ACTUAL, LIMIT, WANTED, legend, tidy
from mpc_controller.identification.excitation.experiment import excitation_of
from mpc_controller.identification.excitation.information import Expected
from mpc_controller.identification.excitation.outlook import Outlook
from mpc_controller.robot import Robot

_WIDTH, _ROW, _COLUMNS = 11.0, 1.7, 2  # inches
_SAMPLES = 1000


def draw_outlook(outlook: Outlook, robot: Robot, path: Path) -> None:
    """Write the picture; the ending of its name says the format."""
    channels = excitation_of(robot).channels
    rows = math.ceil(len(channels) / _COLUMNS)
    figure = Figure(figsize=(_WIDTH, _ROW * rows + 4.0), layout="constrained")
    grid = figure.add_gridspec(rows + 2, _COLUMNS, height_ratios=[1.0] * rows + [1.2, 1.2])
    times = np.linspace(0.0, outlook.experiment.signal_s, _SAMPLES)
    for k, (channel, shape) in enumerate(zip(channels, outlook.experiment.shapes, strict=True)):
        axes = figure.add_subplot(grid[k // _COLUMNS, k % _COLUMNS])
        axes.plot(times, channel.centre + shape.motion(times)[0], color=ACTUAL, linewidth=1.2)
        for side in (-1, 1):
            axes.axhline(channel.centre + side * channel.amplitude, color=LIMIT, linewidth=0.8)
        tidy(axes, channel.name.replace("_", " "), "s", channel.unit, channel.shape)
    _draw_expected(figure.add_subplot(grid[rows:, 0]), outlook.expected, outlook.default, robot.default_task)
    _draw_use(figure.add_subplot(grid[rows:, 1]), outlook.use)
    figure.savefig(path, dpi=130)


def _draw_expected(axes: Axes, mine: Sequence[Expected], other: Sequence[Expected], default_task: str) -> None:
    """Half-widths relative to the nominal value, or as they are where that is 0, on one logarithmic axis."""
    places = np.arange(len(mine))[::-1]
    for some, color, name, size in ((other, WANTED, default_task, 24), (mine, ACTUAL, "this excitation", 40)):
        widths = [e.half_width / abs(e.nominal) if e.nominal else e.half_width for e in some]
        axes.scatter(widths, places, s=size, color=color, label=name, zorder=3)
    axes.set_xscale("log")
    tidy(axes, "95 % half-widths", "of the nominal value; where that is 0, in the unit")
    axes.set_yticks(places, [e.name if e.nominal else f"{e.name} [{e.unit}]" for e in mine])
    legend(axes)


def _draw_use(axes: Axes, use: dict[str, float]) -> None:
    places = np.arange(len(use))[::-1]
    axes.barh(places, [100 * share for share in use.values()], height=0.55, color=ACTUAL)
    axes.axvline(100.0, color=LIMIT, linewidth=1.0)
    tidy(axes, "limits used", "% of the room at rest")
    axes.set_yticks(places, list(use))
