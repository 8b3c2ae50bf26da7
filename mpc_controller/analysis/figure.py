"""A run as one picture: where it went, how far off, what the actuators did, how long solving took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine

from mpc_controller.analysis.path_panel import FlownPath, draw_depth, draw_path, draw_state, path_of, shown_states
from mpc_controller.analysis.run import Run
from mpc_controller.analysis.style import QUIET, TEXT
from mpc_controller.analysis.time_panels import (
    control_groups,
    draw_controls,
    draw_error,
    draw_solve_times,
    mode_patches,
    over_time,
)
from mpc_controller.analysis.tracking import Tracking, track
from mpc_controller.robot import Robot, Task

FORMATS: Final = (".png", ".pdf", ".svg")

# A panel's share of the column's height, and what draws it.
Panel = tuple[float, Callable[[Axes], None]]


def draw(run: Run, robot: Robot, task: Task, path: Path) -> None:
    """Write the picture, in that of FORMATS in which the path ends.

    ValueError where the run is of another robot or task; OSError where it can't be written.
    """
    tracking = track(run, robot, task)
    flown = path_of(tracking, robot, task)
    figure = Figure(figsize=(13.0, 8.4), dpi=120, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.06), facecolor="white")
    FigureCanvasAgg(figure)
    title = f"{robot.name}  ·  {task.name}  ·  {run.solver or 'no solver'}  ·  {run.duration_s:.1f} s"
    figure.suptitle(title, x=0.012, ha="left", fontsize=14, color=TEXT, fontweight="bold")
    if patches := mode_patches(run):
        figure.legend(handles=patches, loc="upper right", ncols=len(patches), fontsize=8, frameon=False, labelcolor=QUIET)

    errors: list[Panel] = [
        (1.0, over_time(run, partial(draw_error, tracking=tracking, name=name, settle_s=task.settle_s)))
        for name in tracking.errors
    ]
    controls: list[Panel] = [
        (1.0, over_time(run, partial(draw_controls, run=run, robot=robot, group=group))) for group in control_groups(robot)
    ]
    solve_times: Panel = (1.0, partial(draw_solve_times, run=run))
    if flown is not None and flown.depth is None and flown.is_long:
        halves = figure.add_gridspec(2, 1, height_ratios=(1.0, 3.0))
        draw_path(figure.add_subfigure(halves[0]).add_subplot(), path=flown, times=tracking.times, task=task)
        _columns(figure.add_subfigure(halves[1]), errors, [*controls, solve_times])
    else:
        _columns(figure, [*_motion(flown, run, tracking, robot, task), solve_times], [*errors, *controls])
    figure.savefig(path)


def _motion(flown: FlownPath | None, run: Run, tracking: Tracking, robot: Robot, task: Task) -> list[Panel]:
    """Panels of where the robot went: its path, or its states over time."""
    if flown is None:
        return [
            (1.0, over_time(run, partial(draw_state, tracking=tracking, robot=robot, task=task, index=i)))
            for i in shown_states(robot, task)
        ]
    panels: list[Panel] = [(3.0, partial(draw_path, path=flown, times=tracking.times, task=task))]
    if flown.depth is not None:
        panels.append((1.0, over_time(run, partial(draw_depth, path=flown, times=tracking.times))))
    return panels


def _columns(body: FigureBase, left: Sequence[Panel], right: Sequence[Panel]) -> None:
    """Two columns of panels; the last one over time in each names its axis."""
    halves = body.add_gridspec(1, 2)
    for column, panels in enumerate((left, right)):
        part = body.add_subfigure(halves[column])
        rows = part.add_gridspec(len(panels), 1, height_ratios=[share for share, _ in panels])
        every = [part.add_subplot(rows[i]) for i in range(len(panels))]
        for axes, (_, fill) in zip(every, panels, strict=True):
            fill(axes)
        over_times = [axes for axes in every if not axes.get_xlabel() and axes.axison]
        if over_times:
            over_times[-1].set_xlabel("time [s]", fontsize=9, color=QUIET)
