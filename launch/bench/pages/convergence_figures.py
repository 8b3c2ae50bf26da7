"""Pictures of how solvers converge from a cold start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from launch.bench.contender import has_own_dynamics
from launch.bench.convergence import HESSIANS, STEPS, Variant, iterating_solvers
from launch.bench.pages.figures import SOLVER_COLOURS, blank_figure, names_above, save
from launch.bench.pages.measurements import Measurement
from launch.bench.problems import PROBLEMS
from mpc_controller.analysis.style import QUIET, SERIES, tidy

# What is below is rounding, and is shown here.
_FLOOR = 1e-10
Value = Callable[[Measurement], float]


def draw_solvers(rows: Sequence[Measurement], optima: Mapping[str, float], path: Path) -> None:
    """Every solver that iterates, as it is by default: cost gap and violation over iterations, KKT error over time."""
    variants = iterating_solvers()
    colours = [SOLVER_COLOURS[variant.solver] for variant in variants]
    problems = _problems(rows)
    figure = blank_figure("Convergence from a cold start", (13.0, 8.0))
    panels = figure.subplots(3, len(problems), sharey="row")
    for column, problem in enumerate(problems):
        curves = _curves(rows, problem, variants)
        gap, missed, kkt = (axes[column] for axes in panels)
        for curve, variant, colour in zip(curves, variants, colours, strict=True):
            optimum = curve[-1]["cost"] if curve and has_own_dynamics(variant.solver) else optima[problem]
            _line(gap, curve, _iterations, _gap_to(optimum), colour, variant.name)
            _line(missed, curve, _iterations, _entry("violation"), colour, variant.name)
            _line(kkt, curve, _milliseconds, _entry("kkt"), colour, variant.name)
        tidy(gap, problem)
        tidy(missed, "", "iterations")
        tidy(kkt, "", "time [ms]")
    for line, label in zip(panels, ("cost gap", "violation", "KKT error"), strict=True):
        _scale(line, label)
    names_above(figure, panels[0][0])
    save(figure, path)


def draw_options(rows: Sequence[Measurement], optima: Mapping[str, float], path: Path) -> None:
    """What Hessians change in multiple shooting, and steps in single shooting: KKT error over iterations."""
    problems = _problems(rows)
    figure = blank_figure("What an option changes: KKT error over iterations", (13.0, 6.0))
    panels = figure.subplots(2, len(problems), sharey=True)
    groups = ((HESSIANS, "multiple-shooting: hessian"), (STEPS, "single-shooting: step"))
    for line, (variants, label) in zip(panels, groups, strict=True):
        for axes, problem in zip(line, problems, strict=True):
            for i, curve in enumerate(_curves(rows, problem, variants)):
                _line(axes, curve, _iterations, _entry("kkt"), SERIES[i], variants[i].name)
            tidy(axes, problem if variants is HESSIANS else "", "iterations" if variants is STEPS else "")
        _scale(line, label)
        line[-1].legend(loc="lower left", fontsize=8, frameon=False, labelcolor=QUIET, handlelength=1.6)
    save(figure, path)


def _problems(rows: Sequence[Measurement]) -> list[str]:
    return [name for name in PROBLEMS if any(row["problem"] == name for row in rows)]


def _curves(rows: Sequence[Measurement], problem: str, variants: Sequence[Variant]) -> list[list[Measurement]]:
    """The rows of every variant on a problem, by iterations."""
    of_problem = [row for row in rows if row["problem"] == problem]
    return [
        sorted(
            (row for row in of_problem if (row["variant"], row["solver"]) == (variant.name, variant.solver)),
            key=lambda row: float(row["iterations"]),
        )
        for variant in variants
    ]


def _line(axes: Axes, curve: Sequence[Measurement], x: Value, y: Value, colour: str, name: str) -> None:
    """A line with its last point, which is a cross where the solve failed."""
    good = [row for row in curve if row["kkt"] is not None]
    xs, ys = np.array([x(row) for row in good]), np.maximum([y(row) for row in good], _FLOOR)
    axes.plot(xs, ys, color=colour, linewidth=1.5, alpha=0.9, label=name)
    if good:
        has_failed = len(good) < len(curve)
        axes.plot(xs[-1:], ys[-1:], "x" if has_failed else "o", color=colour, markersize=5, clip_on=False)


def _scale(line: Sequence[Axes], label: str) -> None:
    """Logarithmic axes for a row of panels that share y, which is named at the left."""
    largest = max((axes.dataLim.ymax for axes in line if np.isfinite(axes.dataLim.ymax)), default=1.0)
    line[0].set_ylabel(label, fontsize=9, color=QUIET)
    for axes in line:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(_FLOOR / 3, 3 * largest)
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0) if axes.dataLim.xmax < 100 * axes.dataLim.xmin else (1.0,))
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_locator(LogLocator(numticks=8))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())


def _entry(name: str) -> Value:
    return lambda row: float(row[name])


def _gap_to(optimum: float) -> Value:
    return lambda row: abs(float(row["cost"]) / optimum - 1)


def _iterations(row: Measurement) -> float:
    return max(1.0, float(row["iterations"]))


def _milliseconds(row: Measurement) -> float:
    return float(row["median_us"]) * 1e-3
