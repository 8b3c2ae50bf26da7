"""How well the robot followed: the task's errors of the state against what was wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.analysis.broken_line import is_gap
from mpc_controller.analysis.run import Run
from mpc_controller.arrays import Array
from mpc_controller.robot import Robot, Task


@final
@dataclass(frozen=True)
class Tracking:
    """At the starts of the plans: times (k,) [s] since the task's start, states (k, nx) flown, wanted reference rows (k, nr),
    and the task's errors (k,) by name. Empty without plans. `is_truth`: the states are true ones, else estimates."""

    times: Array
    states: Array
    wanted: Array
    errors: dict[str, Array]
    is_truth: bool

    def settled(self, settle_s: float) -> dict[str, Array]:
        """The errors after the first `settle_s` seconds."""
        return {name: values[self.times >= settle_s] for name, values in self.errors.items()}


def track(run: Run, robot: Robot, task: Task) -> Tracking:
    """Errors against the wanted rows, from the true states where they were recorded, else from the estimates.

    True states are interpolated on the manifold to the starts of the plans; plans outside the truths' times, in a hole of
    them, or that came without a reference of the task's size, are left out. ValueError where the recording is of another
    robot or task.
    """
    check_origin(run, robot, task)
    times, wanted = run.plans.times, run.plans.references
    if not len(times) or wanted.shape[1] != task.problem.nr:
        return Tracking(np.zeros(0), np.zeros((0, robot.dynamics.nx)), np.zeros((0, task.problem.nr)), {}, False)
    is_truth = len(run.truths.times) >= 2
    states = _true_states(run, robot) if is_truth else run.plans.estimates
    known = np.isfinite(states).all(axis=1) & np.isfinite(wanted).all(axis=1)
    seconds = np.asarray((times[known] - run.start_ns) * 1e-9, dtype=np.float64)
    rows = [task.errors(x, r) for x, r in zip(states[known], wanted[known], strict=True)]
    errors = {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}
    return Tracking(seconds, states[known], wanted[known], errors, is_truth)


def check_origin(run: Run, robot: Robot, task: Task) -> None:
    """Raise ValueError unless the run is one of this robot and, where plans say so, of this task."""
    if run.robot != robot.name:
        raise ValueError(f"{run.recording}: a run of '{run.robot}', not of '{robot.name}'")
    if run.task not in ("", task.name):
        raise ValueError(f"{run.recording}: a run of the task '{run.task}', not of '{task.name}'")
    if run.observations.controls.shape[1] != robot.dynamics.nu:
        raise ValueError(
            f"{run.recording}: {run.observations.controls.shape[1]} controls; this '{robot.name}' has {robot.dynamics.nu}"
        )


def _true_states(run: Run, robot: Robot) -> Array:
    """(k, nx) at the plans' starts; NaN outside the truths' times and where too many in a row are missing."""
    known, wanted = run.truths.times, run.plans.times
    k = np.clip(np.searchsorted(known, wanted, side="right") - 1, 0, len(known) - 2)
    fraction = (wanted - known[k]) / np.maximum(known[k + 1] - known[k], 1)
    manifold = robot.dynamics.manifold
    before, after = run.truths.states[k], run.truths.states[k + 1]
    states = manifold.retract(before, np.clip(fraction, 0.0, 1.0)[:, None] * manifold.difference(after, before))
    is_between = is_gap(known)[k] & (wanted > known[k]) & (wanted < known[k + 1])
    states[(wanted < known[0]) | (wanted > known[-1]) | is_between] = np.nan
    return states
