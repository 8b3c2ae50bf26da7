"""The numbers of a run that nobody recorded, from what its two nodes counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def summarize_nodes(robot: str, task: str, solver: str, control: Mapping[str, Any], plant: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `summarize`, from the JSON of a ControllerSummary and of a PlantSummary; either may be {} when its node ended
    early.

    Tracking is the estimate's. Times of mode changes count from the plant's start. What only a recording tells is None or {}.
    """
    planned, followed = control.get("plans", 0) > 0, plant.get("plan_age_ms", {}).get("max", 0.0) > 0
    return {
        "robot": robot,
        "task": task,
        "solver": solver,
        "duration_s": plant.get("duration_s", 0.0),
        "tracking_rmse": control.get("tracking_rmse", {}),
        "tracking_max": control.get("tracking_max", {}),
        "tracking_from": "estimate" if control.get("tracking_rmse") else None,
        "solve_time_us": control["solve_time_us"] if planned else None,
        "loop_time_us": control["loop_time_us"] if planned else None,
        "plan_age_ms": plant["plan_age_ms"] if followed else None,
        "plans": control.get("plans", 0),
        "deadline_misses": control.get("deadline_misses", 0),
        "failed_solves": control.get("failed_solves", 0),
        "safety_interventions": plant.get("safety_interventions", 0),
        "limited_ticks": plant.get("limited_ticks", 0),
        "mode_s": plant.get("mode_s", {}),
        "mode_changes": plant.get("mode_changes", []),
        "control_used": {},
        "constraint_excess": {},
        "soft_constraints": [],
        "build_s": control.get("build_s"),
        "observations": plant.get("ticks", 0),
        "lost_observations": 0,
        "recording": None,
        "truncated": False,
    }
