"""What the pictures of docs/ share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from mpc_controller.analysis.style import QUIET, SERIES, TEXT

# The same colour for a solver in every picture.
SOLVER_COLOURS: Final = dict(
    zip(("multiple-shooting", "ilqr", "collocation", "single-shooting", "lqr", "ddp"), SERIES, strict=False)
)
PEER: Final = "#b6bbc3"


def blank_figure(title: str, size: tuple[float, float]) -> Figure:
    """White, with a title at the left."""
    figure = Figure(figsize=size, dpi=120, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06), facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.012, ha="left", fontsize=14, color=TEXT, fontweight="bold")
    return figure


def names_above(figure: Figure, axes: Axes) -> None:
    """The names of the lines in one panel, at the top right of the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(labels), fontsize=9, frameon=False, labelcolor=QUIET)


def save(figure: Figure, path: Path) -> None:
    """Write it, the same bytes for the same numbers."""
    figure.savefig(path, metadata={"Software": None})
