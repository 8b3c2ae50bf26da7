"""What happened over time: errors, controls with their limits, modes; and how long solving took."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, takewhile

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from mpc_controller.analysis.broken_line import broken_line, is_gap
from mpc_controller.analysis.run import Run
from mpc_controller.analysis.style import ACTUAL, GRID, LIMIT, QUIET, SERIES, legend, tidy
from mpc_controller.analysis.tracking import Tracking
from mpc_controller.analysis.units import shown_quantity
from mpc_controller.arrays import Array, IntArray
from mpc_controller.bus.messages import Mode
from mpc_controller.robot import Robot

_MODE_COLOURS = {Mode.STALE_PLAN: "#f0e442", Mode.HOLD: "#e69f00", Mode.E_STOP: "#d55e00"}

_SHADE = 0.3
_SHORTEST_S = 0.01  # of what is shown, so that a run of one observation has an axis too
_SMALLEST_SPAN = 1e-4  # cm or °: what is smaller is rounding, and is shown as a flat line


def over_time(run: Run, draw: Callable[[Axes], None]) -> Callable[[Axes], None]:
    """A panel over the whole run's time, with the times shaded in which the plant did not follow a fresh plan."""

    def panel(axes: Axes) -> None:
        draw(axes)
        _shade_modes(axes, run)
        begin, end = seconds(run, run.observations.times[[0, -1]])
        axes.set_xlim(begin, max(end, begin + _SHORTEST_S))
        axes.margins(y=0.1)

    return panel


def draw_error(axes: Axes, tracking: Tracking, name: str, settle_s: float) -> None:
    """One error over time; what counts is after the settling time, with its RMSE."""
    title, unit, scale = shown_quantity(name)
    values = scale * tracking.errors[name]
    counted = values[tracking.times >= settle_s]
    axes.axvspan(0.0, settle_s, color=GRID, alpha=0.6, linewidth=0)
    half_turn = scale * np.pi if name.endswith("_rad") else None
    axes.plot(*broken_line(tracking.times, values, half_turn), color=ACTUAL, linewidth=1.2)
    note = f"RMSE {np.sqrt(np.mean(counted**2)):.3g} {unit}, max {np.abs(counted).max():.3g} {unit}" if len(counted) else ""
    if not np.ptp(values) > _SMALLEST_SPAN:
        axes.set_ylim(-1.0, 1.0)
    tidy(axes, f"Error: {title}", y=f"[{unit}]" if unit else "", note=note)


def control_groups(robot: Robot) -> list[list[int]]:
    """Controls that share a unit and limits share a panel."""
    groups: dict[tuple[str, float, float], list[int]] = {}
    for i, unit in enumerate(robot.dynamics.control_units):
        groups.setdefault((unit, float(robot.control_lower[i]), float(robot.control_upper[i])), []).append(i)
    return list(groups.values())


def draw_controls(axes: Axes, run: Run, robot: Robot, group: list[int]) -> None:
    """Applied commands over time, with the limits that they share."""
    times = seconds(run, run.observations.times)
    names = [robot.dynamics.control_names[i].replace("_", " ") for i in group]
    title, labels = _title_and_labels(names)
    for colour, i, label in zip(np.resize(SERIES, len(group)), group, labels, strict=True):
        line = broken_line(times, run.observations.controls[:, i])
        axes.plot(*line, color=str(colour), linewidth=0.9, alpha=0.85, label=label)
    for limit in (robot.control_lower[group[0]], robot.control_upper[group[0]]):
        axes.axhline(limit, color=LIMIT, linewidth=1.1, linestyle=(0, (5, 3)))
    tidy(axes, title.capitalize(), y=f"[{robot.dynamics.control_units[group[0]]}]")
    legend(axes)


def _title_and_labels(names: list[str]) -> tuple[str, list[str | None]]:
    """What the names share, and what tells them apart: ["joint1 torque", "joint2 torque"] → "joint torque", ["1", "2"]."""
    if len(names) == 1:
        return names[0], [None]
    start = _common_start(names)
    end = _common_start([name[len(start) :][::-1] for name in names])[::-1]
    title = f"{start.strip()} {end.strip()}".strip()
    return title or "controls", [name.removeprefix(start).removesuffix(end) for name in names]


def _common_start(names: list[str]) -> str:
    return "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False)))


def _shade_modes(axes: Axes, run: Run) -> None:
    """Colour the times in which the plant did not follow a fresh plan, where that is known."""
    times, modes = seconds(run, run.observations.times), run.observations.modes
    holes = is_gap(times)
    edges = [0, *(np.flatnonzero((np.diff(modes) != 0) | holes) + 1), len(modes) - 1]
    for first, end in pairwise(edges):
        last = end - 1 if end > first and holes[end - 1] else end
        mode = Mode(modes[first])
        if mode in _MODE_COLOURS and last > first:
            axes.axvspan(times[first], times[last], color=_MODE_COLOURS[mode], alpha=_SHADE, linewidth=0)


def mode_patches(run: Run) -> list[Patch]:
    """Legend entries of the shaded modes that occurred."""
    return [
        Patch(color=colour, alpha=_SHADE, linewidth=0, label=mode.name)
        for mode, colour in _MODE_COLOURS.items()
        if (run.observations.modes == mode).any()
    ]


def draw_solve_times(axes: Axes, run: Run) -> None:
    """How often solving took how long; dashed at the median, the 99th percentile and the maximum."""
    values = run.plans.solve_times * 1e-3
    if not len(values):
        axes.set_axis_off()
        return
    p50, p99, largest = (float(v) for v in (*np.percentile(values, [50, 99]), values.max()))
    low, high = max(float(values.min()), 0.1), max(largest, 0.1)
    bins = np.geomspace(low / 1.05, high * 1.05, 60).tolist()
    axes.hist(np.maximum(values, low), bins, color=ACTUAL, alpha=0.85)
    for value in (p50, p99, largest):
        axes.axvline(value, color=QUIET, linewidth=1.0, linestyle=(0, (2, 2)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low / 1.2, high * 1.2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(bottom=0.7)
    note = f"p50 {p50:.0f}, p99 {p99:.0f}, max {largest:.0f} µs"
    tidy(axes, f"Solve time of {len(values)} plans", "[µs]", "plans", note)


def seconds(run: Run, times: IntArray) -> Array:
    """Plant times [ns] as seconds since the task's start."""
    return np.asarray((times - run.start_ns) * 1e-9)
