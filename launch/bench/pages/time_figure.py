"""A picture of what solves cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from launch.bench.comparison import TARGETS
from launch.bench.pages.figures import PEER, SOLVER_COLOURS, blank_figure, save
from launch.bench.pages.measurements import Measurement
from launch.bench.problems import PROBLEMS
from launch.bench.published import published
from launch.bench.row import Mode
from mpc_controller.analysis.style import DASHED, QUIET, TEXT, tidy
from mpc_controller.solvers import SOLVERS

_MODES = {
    Mode.RTI: "real-time iteration, closed loop",
    Mode.COLD: "cold start, to convergence",
    Mode.WARM: "closed loop, to convergence",
}
_PEERS = ("acados", "fatrop", "ipopt", "fatrop radau-3")


@final
@dataclass(frozen=True)
class _Bar:
    """Times [ms]; `trouble` says what keeps them from counting."""

    name: str
    colour: str
    median: float
    p99: float | None
    trouble: str = ""


def draw_times(rows: Sequence[Measurement], path: Path) -> None:
    """Median as a bar and 99th percentile as a tick of every solver, problem and mode; dashed: acados's target."""
    problems = [name for name in PROBLEMS if any(row["problem"] == name for row in rows)]
    figure = blank_figure("Time of a solve", (13.0, 9.6))
    names = [*SOLVERS, *_PEERS]
    heights = [len(_names_in(rows, mode, names)) for mode in _MODES]
    panels = figure.subplots(len(_MODES), len(problems), sharex="col", height_ratios=heights, squeeze=False)
    for mode, line in zip(_MODES, panels, strict=True):
        shown = _names_in(rows, mode, names)
        for axes, problem in zip(line, problems, strict=True):
            _fill(axes, _bars(rows, problem, mode, shown), _target(rows, problem, mode), _limits(rows, problem))
            tidy(axes, problem if mode is Mode.RTI else "", "[ms]" if mode is Mode.WARM else "")
            axes.grid(axis="y", visible=False)
            axes.set_yticks(range(len(shown)), shown if axes is line[0] else [""] * len(shown))
            axes.set_ylim(len(shown) - 0.4, -0.6)
            _logarithmic(axes)
        line[0].set_ylabel(_MODES[mode], fontsize=9, color=TEXT)
    handles = (
        Line2D([], [], color=QUIET, linewidth=6, label="median"),
        Line2D([], [], color=QUIET, marker="|", linestyle="", markersize=9, label="99th percentile"),
        Line2D([], [], color=TEXT, linewidth=1.0, linestyle=DASHED, label="1/5 of acados's median"),
        Line2D([], [], color=QUIET, marker="x", linestyle="", markersize=6, label="with failed solves, or to another minimum"),
    )
    figure.legend(handles=handles, loc="upper right", ncols=len(handles), fontsize=9, frameon=False, labelcolor=QUIET)
    save(figure, path)


def _names_in(rows: Sequence[Measurement], mode: Mode, names: Sequence[str]) -> list[str]:
    """Those that have times in a mode."""
    measured = {row["solver"] for row in rows if row["mode"] == mode.value and row["median_us"] is not None}
    return [name for name in names if name in measured or any(published(name, problem, mode) for problem in PROBLEMS)]


def _bars(rows: Sequence[Measurement], problem: str, mode: Mode, names: Sequence[str]) -> list[_Bar | None]:
    of_problem = {row["solver"]: row for row in rows if (row["problem"], row["mode"]) == (problem, mode.value)}
    return [_bar(of_problem.get(name), name, problem, mode, _scale(rows, problem)) for name in names]


def _bar(row: Measurement | None, name: str, problem: str, mode: Mode, scale: float) -> _Bar | None:
    """What was measured; else what is recorded, scaled to the machine of the measurements."""
    if row is not None and row["median_us"] is not None:
        colour = PEER if row["peer"] else SOLVER_COLOURS[name]
        p99 = None if mode is Mode.COLD else float(row["p99_us"]) * 1e-3
        return _Bar(name, colour, float(row["median_us"]) * 1e-3, p99, _trouble(row))
    record = None if name in SOLVERS else published(name, problem, mode)
    if record is None:
        return None
    p99 = None if record.p99_us is None else record.p99_us * scale * 1e-3
    return _Bar(name, PEER, record.median_us * scale * 1e-3, p99)


def _trouble(row: Measurement) -> str:
    if row["failures"]:
        return f"{row['failures']} of {row['solves']} failed"
    is_worse = row["mode"] == Mode.COLD.value and float(row["cost"]) > PROBLEMS[row["problem"]]().optimum * 1.001
    return "another minimum" if is_worse else ""


def _scale(rows: Sequence[Measurement], problem: str) -> float:
    return next(float(row["machine_scale"]) for row in rows if row["problem"] == problem)


def _target(rows: Sequence[Measurement], problem: str, mode: Mode) -> float | None:
    """[ms]"""
    record = published("acados", problem, mode)
    factor = next(target.factor for target in TARGETS if target.mode is mode)
    return None if record is None else factor * record.median_us * _scale(rows, problem) * 1e-3


def _limits(rows: Sequence[Measurement], problem: str) -> tuple[float, float]:
    """Where the axis of a problem begins and ends [ms]."""
    times = [float(row[name]) for row in rows if row["problem"] == problem for name in ("median_us", "p99_us") if row[name]]
    return min(times) * 1e-3 / 2, max(times) * 1e-3 * 1.5


def _fill(axes: Axes, bars: Sequence[_Bar | None], target: float | None, limits: tuple[float, float]) -> None:
    left = limits[0]
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    for y, bar in enumerate(bars):
        if bar is None:
            continue
        axes.barh(y, bar.median - left, left=left, height=0.62, color=bar.colour, alpha=0.35 if bar.trouble else 0.9)
        if bar.p99 is not None:
            axes.plot([bar.median, bar.p99], [y, y], color=bar.colour, linewidth=1.2)
            axes.plot(bar.p99, y, "|", color=bar.colour, markersize=9, markeredgewidth=1.6)
        if bar.trouble:
            axes.plot(bar.median, y, "x", color=QUIET, markersize=6)
    if target is not None:
        axes.axvline(target, color=TEXT, linewidth=1.0, linestyle=DASHED)


def _logarithmic(axes: Axes) -> None:
    """Few round numbers along the x axis."""
    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
