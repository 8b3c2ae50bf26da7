"""The tables of docs/solvers.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from launch.bench.pages.markdown import percent, table, time
from launch.bench.pages.measurements import Measurement
from launch.bench.problems import PROBLEMS
from launch.bench.published import published, published_costs
from launch.bench.row import Mode
from mpc_controller.analysis.units import shown_quantity
from mpc_controller.solvers import SOLVERS
from robots import ROBOTS

# A plan this much more expensive than the best known one is in another minimum.
_ANOTHER_MINIMUM = 1e-3
# What tells how well a robot did its task: the whole run's root mean square, or the largest error after the settling time.
_FIGURES = {
    "quadrotor": ("tracking_rmse", "position_m"),
    "cartpole": ("tracking_max", "angle_rad"),
    "arm": ("tracking_rmse", "position_m"),
    "car": ("tracking_max", "overlap_m"),
}


def mode_table(rows: Sequence[Measurement], mode: Mode, optima: Mapping[str, float]) -> str:
    """Median/99th percentile of every solver and problem in a mode; then peers, and what is recorded of acados."""
    in_mode = [row for row in rows if row["mode"] == mode.value]
    problems = [name for name in PROBLEMS if any(row["problem"] == name for row in in_mode)]
    lines = []
    for solver in _in_order(in_mode):
        cells = {row["problem"]: _time_cell(row, optima) for row in in_mode if row["solver"] == solver}
        lines.append((_name(solver), *(cells.get(name, "–") for name in problems)))
    recorded = ["*acados*, recorded and scaled", *(_recorded(rows, "acados", name, mode) for name in problems)]
    return table(("solver", *problems), [*lines, recorded] if set(recorded[1:]) != {"–"} else lines)


def cost_table(rows: Sequence[Measurement]) -> str:
    """Cost along the plant's way in the loops of real-time iterations, against acados's; failures among the solves."""
    in_mode = [row for row in rows if row["mode"] == Mode.RTI.value and not row["peer"]]
    lines = []
    for solver in _in_order(in_mode):
        cells = {row["problem"]: _cost_cell(row) for row in in_mode if row["solver"] == solver}
        lines.append((_name(solver), *(cells.get(name, "–") for name in PROBLEMS)))
    return table(("solver", *PROBLEMS), lines)


def launch_table(rows: Sequence[Measurement]) -> str:
    """How well every solver's launch did the robot's task, and how long planning took."""
    header = ["solver", *(f"{name}, {_figure_title(name)}" for name in ROBOTS)]
    lines = []
    for solver in _in_order(rows):
        cells = {row["robot"]: _launch_cell(row) for row in rows if row["solver"] == solver}
        lines.append((_name(solver), *(cells.get(name, "–") for name in ROBOTS)))
    return table(header, lines)


def _in_order(rows: Sequence[Measurement]) -> list[str]:
    """Their solvers as the registry has them, then those of others."""
    names = dict.fromkeys(row["solver"] for row in rows)
    return [*(name for name in SOLVERS if name in names), *(name for name in names if name not in SOLVERS)]


def _name(solver: str) -> str:
    return f"`{solver}`" if solver in SOLVERS else f"*{solver}*"


def _time_cell(row: Measurement, optima: Mapping[str, float]) -> str:
    if row["median_us"] is None:
        return "refused" if str(row["note"]).startswith("refused") else "no solution"
    is_cold = row["mode"] == Mode.COLD.value
    text = time(row["median_us"], *(() if is_cold else (row["p99_us"],)))
    if is_cold and row["failures"] == 0:
        text += f" ({row['iterations']:.0f})"
        if row["cost"] is not None and row["cost"] > optima[row["problem"]] * (1 + _ANOTHER_MINIMUM):
            text += f", cost {percent(row['cost'] / optima[row['problem']] - 1)}"
    return text + _failed(row)


def _cost_cell(row: Measurement) -> str:
    reference = published_costs("acados", row["problem"])
    if len(row["costs"]) != len(reference):
        return "–" + _failed(row)
    return percent(sum(row["costs"]) / sum(reference) - 1) + _failed(row)


def _failed(row: Measurement) -> str:
    return f", {row['failures']} of {row['solves']} failed" if row["failures"] else ""


def _recorded(rows: Sequence[Measurement], solver: str, problem: str, mode: Mode) -> str:
    record = published(solver, problem, mode)
    scale = next((row["machine_scale"] for row in rows if row["problem"] == problem), 1.0)
    if record is None:
        return "–"
    return time(record.median_us * scale, *(() if record.p99_us is None else (record.p99_us * scale,)))


def _figure_title(robot: str) -> str:
    kind, name = _FIGURES[robot]
    title, unit, _ = shown_quantity(name)
    return f"{title} [{unit}], {'RMSE' if kind == 'tracking_rmse' else 'largest'}"


def _launch_cell(row: Measurement) -> str:
    kind, name = _FIGURES[row["robot"]]
    if name not in row.get(kind, {}):
        return f"failed: {row['error']}"
    _, _, scale = shown_quantity(name)
    return f"{scale * row[kind][name]:.2g}; {time(row['solve_time_us']['p50'], row['solve_time_us']['p99'])}"
