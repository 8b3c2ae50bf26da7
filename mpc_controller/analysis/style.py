"""Colours and axes of the pictures. Colours after Okabe and Ito, "Color universal design", 2008: safe for the colour-blind."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

ACTUAL = "#0072b2"
WANTED = "#8a8f98"
LIMIT = "#d55e00"
OBSTACLE = "#d8dbe0"
TEXT, QUIET, GRID = "#2b2f36", "#6b7079", "#e6e8eb"
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f6bb3")
DASHED = (0, (4, 2))


def tidy(axes: Axes, title: str, x: str = "", y: str = "", note: str = "") -> None:
    """A title at the left, a note at the right, a light grid, no box."""
    axes.set_title(title, loc="left", fontsize=10, color=TEXT, fontweight="bold")
    axes.set_title(note, loc="right", fontsize=9, color=QUIET)
    axes.set_xlabel(x, fontsize=9, color=QUIET)
    axes.set_ylabel(y, fontsize=9, color=QUIET)
    axes.tick_params(which="both", labelsize=8, labelcolor=QUIET, length=0)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=3))
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def legend(axes: Axes) -> None:
    """The names of the lines, above the axes at the right."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            borderaxespad=0.0,
            ncols=len(labels),
            fontsize=8,
            frameon=False,
            labelcolor=QUIET,
            handlelength=1.6,
            columnspacing=1.2,
        )
