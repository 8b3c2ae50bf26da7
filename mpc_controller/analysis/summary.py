"""The numbers of a run, as `--json` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import casadi as ca
import numpy as np

from mpc_controller.analysis.run import Run
from mpc_controller.analysis.tracking import Tracking, track
from mpc_controller.arrays import Array, IntArray
from mpc_controller.bus.messages import Event, EventKind, Mode
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import Robot, Task

_INTERVENTIONS: Final = "safety_interventions"


def summarize(run: Run, robot: Robot, task: Task) -> dict[str, Any]:
    """JSON-ready numbers, SI units unless the name says otherwise; None (or {}) where the run has nothing to say.

    tracking_rmse, tracking_max: of every error of the task after its settle_s, against the true state where it was recorded.
    control_used: the largest share of each control's limit that was used. constraint_excess: how far each path constraint
    on the states was overstepped at most, at the nominal parameters; 0 when it held. soft_constraints: those of them that may
    be overstepped, at a price. limited_ticks: how many commands
    slid within the slew limit into a hold, a stop or back to a plan. mode_s: the time in each mode, as far as it was seen.
    lost_observations: those that are missing beside the `observations` that came.
    """
    tracking = track(run, robot, task)
    errors = {name: values for name, values in tracking.settled(task.settle_s).items() if len(values)}
    followed = run.observations.plan_sequences > 0
    totals = _plant_totals(run.events)
    excess = _constraint_excess(tracking, task.problem)
    return {
        "robot": robot.name,
        "task": task.name,
        "solver": run.solver,
        "duration_s": run.duration_s,
        "tracking_rmse": {name: float(np.sqrt(np.mean(values**2))) for name, values in errors.items()},
        "tracking_max": {name: float(np.abs(values).max()) for name, values in errors.items()},
        "tracking_from": ("truth" if tracking.is_truth else "estimate") if errors else None,
        "solve_time_us": _spread(run.plans.solve_times, 1e-3),
        "loop_time_us": _spread(run.plans.loop_times, 1e-3),
        "plan_age_ms": _spread(run.observations.plan_ages[followed], 1e-6),
        "plans": len(run.plans.times),
        "deadline_misses": int(run.plans.deadline_missed.sum()),
        "failed_solves": run.plans.failed,
        "safety_interventions": int(totals.get(_INTERVENTIONS, _counted_interventions(run.events))),
        "limited_ticks": int(totals.get("limited_ticks", 0)),
        "mode_s": _mode_times(run),
        "mode_changes": _mode_changes(run),
        "control_used": _control_used(run.observations.controls, robot),
        "constraint_excess": excess,
        "soft_constraints": [c.name for c in task.problem.path_constraints if c.soft is not None and c.name in excess],
        "build_s": _build_s(run.events),
        "observations": len(run.observations.times),
        "lost_observations": run.observations.lost,
        "recording": run.recording,
        "truncated": run.truncated,
    }


def _spread(nanoseconds: IntArray, scale: float) -> dict[str, float] | None:
    """Median, 99th percentile and maximum, in nanoseconds times `scale`."""
    if not len(nanoseconds):
        return None
    p50, p99 = np.percentile(nanoseconds, [50, 99])
    return {"p50": float(p50 * scale), "p99": float(p99 * scale), "max": float(nanoseconds.max() * scale)}


def _plant_totals(events: tuple[Event, ...]) -> Mapping[str, str]:
    """What the plant counted, in the last event that tells it; {} where none does."""
    told = [e.details for e in events if e.source == "plant" and _INTERVENTIONS in e.details]
    return told[-1] if told else {}


def _counted_interventions(events: tuple[Event, ...]) -> int:
    """The last count that each gate told, for plants that tell no totals; told at most once a second, so at least so many."""
    counts: dict[str, int] = {}
    for event in events:
        if event.kind is EventKind.SAFETY:
            counts[event.source] = max(counts.get(event.source, 0), event.count)
    return sum(counts.values())


def _mode_times(run: Run) -> dict[str, float]:
    """Seconds in each mode that occurred: a tick counts where the observations before and after it came, the second of which
    tells its mode."""
    seen = run.observations
    is_next = np.diff(seen.sequences) == 1
    ticks, modes = np.diff(seen.times)[is_next], seen.modes[1:][is_next]
    return {Mode(mode).name: float(ticks[modes == mode].sum() * 1e-9) for mode in np.unique(modes)}


def _mode_changes(run: Run) -> list[dict[str, Any]]:
    """Steps on the plant's ladder as the observations show them, with the reasons that the plant gave.

    An observation carries the mode of the command before it: a change shows one tick after it happened.
    """
    told = {e.time_ns: e.details.get("reason", e.text) for e in run.events if e.kind is EventKind.MODE_CHANGE}
    modes, times = run.observations.modes, run.observations.times
    return [
        {
            "time_s": float(times[i] - run.start_ns) * 1e-9,
            "from": Mode(modes[i]).name,
            "to": Mode(modes[i + 1]).name,
            "reason": "; ".join(reason for time_ns, reason in told.items() if times[i] <= time_ns < times[i + 1]),
        }
        for i in np.flatnonzero(np.diff(modes))
    ]


def _control_used(controls: Array, robot: Robot) -> dict[str, float]:
    """The largest u / upper or u / lower over the run, whichever is more, for each control; a limit of 0 does not count."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.stack([controls / robot.control_upper, controls / robot.control_lower])
    shares[~np.isfinite(shares)] = 0.0
    return {name: abs(float(value)) for name, value in zip(robot.dynamics.control_names, shares.max(axis=(0, 1)), strict=True)}


def _constraint_excess(tracking: Tracking, problem: OptimalControlProblem) -> dict[str, float]:
    """max(0, lower − g, g − upper) over the flown states, for each constraint that depends on states alone."""
    if not len(tracking.times):
        return {}
    d = problem.dynamics
    x, u = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu)
    p, r = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr)
    excess = {}
    for constraint in problem.path_constraints:
        g = constraint.expression(problem.stage(x, u, p, r))
        if ca.depends_on(g, u):
            continue
        values = ca.Function("g", [x, p, r], [g])(tracking.states.T, problem.parameters.values, tracking.wanted.T)
        lower, upper = np.array(constraint.lower)[:, None], np.array(constraint.upper)[:, None]
        over = np.maximum(lower - values.full(), values.full() - upper)
        excess[constraint.name] = float(max(0.0, over.max()))
    return excess


def _build_s(events: tuple[Event, ...]) -> float | None:
    """What the controller said that building its solver took; the last one's where there were several."""
    told = [e.details["build_s"] for e in events if "build_s" in e.details]
    return float(told[-1]) if told else None
