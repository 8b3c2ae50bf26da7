"""Where the robot went: its path where the state has positions, else its states over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from mpc_controller.analysis.broken_line import broken_line
from mpc_controller.analysis.style import ACTUAL, DASHED, OBSTACLE, QUIET, WANTED, legend, tidy
from mpc_controller.analysis.tracking import Tracking
from mpc_controller.arrays import Array
from mpc_controller.model.parameters import Parameters
from mpc_controller.robot import Robot, Task

_AXES = ("x", "y", "z")
_MOST_STATES = 4


@final
@dataclass(frozen=True)
class FlownPath:
    """Positions (k, 2 or 3) flown and wanted; where nothing was wanted of a coordinate, wanted is flown. `plane`: the two
    coordinates that tell most."""

    flown: Array
    wanted: Array
    plane: tuple[int, int] = (0, 1)

    @property
    def depth(self) -> int | None:
        """The third coordinate, if there is one."""
        return next((i for i in range(self.flown.shape[1]) if i not in self.plane), None)

    @property
    def is_long(self) -> bool:
        """Whether it is best shown in a strip across the page."""
        width, height = np.ptp(np.vstack([self.flown, self.wanted])[:, self.plane], axis=0)
        return bool(width > 4 * height)


def path_of(tracking: Tracking, robot: Robot, task: Task) -> FlownPath | None:
    """The path of the task's position, or of states named x, y, (z) or position_x, position_y, (position_z); else None."""
    if not len(tracking.times):
        return None
    if task.position is not None:
        flown = np.array([task.position(x) for x in tracking.states])
        wanted = tracking.wanted[:, : flown.shape[1]]
        return FlownPath(flown, wanted, _widest(wanted[tracking.times >= task.settle_s]))
    for prefix in ("", "position_"):
        names = [prefix + axis for axis in _AXES if prefix + axis in robot.dynamics.state_names]
        if len(names) >= 2:
            flown = np.column_stack([tracking.states[:, robot.dynamics.state_names.index(n)] for n in names])
            wanted = flown.copy()
            for i, name in enumerate(names):
                if name in task.problem.reference_names:
                    wanted[:, i] = tracking.wanted[:, task.problem.reference_names.index(name)]
            return FlownPath(flown, wanted, _widest(wanted[tracking.times >= task.settle_s]))
    return None


def _widest(positions: Array) -> tuple[int, int]:
    """The two coordinates that vary most; the first two where there is no telling."""
    if not len(positions):
        return (0, 1)
    spread = np.ptp(positions, axis=0)
    first, second = sorted(np.argsort(-spread, kind="stable")[:2].tolist())
    return (first, second)


def draw_path(axes: Axes, path: FlownPath, times: Array, task: Task) -> None:
    """The path in its plane, to scale; from above with what the task's parameters say is in the way."""
    i, j = path.plane
    if path.plane == (0, 1):
        for x, y, radius in _circles(task.problem.extra_parameters):
            axes.add_patch(Circle((x, y), radius, facecolor=OBSTACLE, edgecolor=WANTED, linewidth=1.0, zorder=1))
    (_, flown), (_, wanted) = broken_line(times, path.flown), broken_line(times, path.wanted)
    axes.plot(flown[:, i], flown[:, j], color=ACTUAL, linewidth=2.2, label="actual")
    axes.plot(wanted[:, i], wanted[:, j], color=QUIET, linewidth=1.0, linestyle=DASHED, label="wanted")
    axes.plot(path.flown[0, i], path.flown[0, j], "o", markersize=5, color=ACTUAL, markerfacecolor="white", label="start")
    axes.set_aspect("equal", adjustable="datalim")
    title = "Path from above" if path.plane == (0, 1) else f"Path in {_AXES[i]} and {_AXES[j]}"
    tidy(axes, title, f"{_AXES[i]} [m]", f"{_AXES[j]} [m]")
    legend(axes)


def draw_depth(axes: Axes, path: FlownPath, times: Array) -> None:
    """The third coordinate over time."""
    assert path.depth is not None
    axes.plot(*broken_line(times, path.wanted[:, path.depth]), color=WANTED, linewidth=1.4, linestyle=DASHED)
    axes.plot(*broken_line(times, path.flown[:, path.depth]), color=ACTUAL, linewidth=1.4)
    name = _AXES[path.depth]
    tidy(axes, "Height" if name == "z" else f"Position {name}", y=f"{name} [m]")


def shown_states(robot: Robot, task: Task) -> Sequence[int]:
    """The states to show over time: those that the reference names, else the first ones; four at most."""
    named = [i for i, name in enumerate(robot.dynamics.state_names) if name in task.problem.reference_names]
    return (named or list(range(robot.dynamics.nx)))[:_MOST_STATES]


def draw_state(axes: Axes, tracking: Tracking, robot: Robot, task: Task, index: int) -> None:
    """One state over time, with what was wanted of it."""
    name, unit = robot.dynamics.state_names[index], robot.dynamics.state_units[index]
    if name in task.problem.reference_names:
        wanted = tracking.wanted[:, task.problem.reference_names.index(name)]
        axes.plot(*broken_line(tracking.times, wanted), color=WANTED, linewidth=1.4, linestyle=DASHED, label="wanted")
    axes.plot(*broken_line(tracking.times, tracking.states[:, index]), color=ACTUAL, linewidth=1.4, label="actual")
    tidy(axes, name.replace("_", " ").capitalize(), y=f"[{unit}]" if unit else "")
    if len(tracking.times):
        legend(axes)
    else:
        axes.text(0.5, 0.5, "no plans in this recording", ha="center", va="center", color=QUIET, transform=axes.transAxes)


def _circles(parameters: Parameters) -> list[tuple[float, float, float]]:
    """Parameters NAME.x, NAME.y and NAME.radius [m] are a circle in the plane."""
    values = {p.name: p.value for p in parameters}
    names = [n.removesuffix(".radius") for n in values if n.endswith(".radius")]
    return [
        (values[f"{n}.x"], values[f"{n}.y"], values[f"{n}.radius"]) for n in names if f"{n}.x" in values and f"{n}.y" in values
    ]
