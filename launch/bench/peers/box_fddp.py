"""One iteration of Crocoddyl's BoxFDDP on the arm, as a row."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from launch.bench.measure import NOISE_SEED, Effort
from launch.bench.pinned import pinned
from launch.bench.problems import arm
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Mode, Row, times_of

# This package comes last on the path: of all that the other environment has, its own is used.
_ROOT = str(Path(__file__).parents[3])
_PROGRAM = (
    f"import runpy, sys; sys.path.append({_ROOT!r}); runpy.run_module('launch.bench.peers.crocoddyl_loop', {{}}, '__main__')"
)
_TIMEOUT_S = 600.0


class PeerError(RuntimeError):
    """The peer cannot be measured here. The text says why."""


def box_fddp_row(case: ReferenceProblem, effort: Effort, python: str) -> Row:
    """Closed loop in the given Python, which has Crocoddyl. Raises PeerError where it has none, and where that crashes."""
    with pinned():
        try:
            child = subprocess.run(
                [python, "-P", "-c", _PROGRAM],
                input=json.dumps(_specification(case, effort)),
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerError(f"crocoddyl: {error}") from None
    if child.returncode != 0:
        said = child.stderr.strip().splitlines()[-1:] or [f"{python} ended with code {child.returncode}"]
        raise PeerError(f"crocoddyl: {said[0]}")
    answer: dict[str, Any] = json.loads(child.stdout)
    median, p99, largest = times_of(np.array(answer["micros"]))
    return Row(
        problem=case.name,
        solver="crocoddyl",
        mode=Mode.ITERATION,
        median_us=median,
        p99_us=p99,
        max_us=largest,
        iterations=1.0,
        cost=float(np.mean(answer["costs"])),
        peer=True,
        solves=len(answer["micros"]),
        interrupted=answer["interrupted"],
        costs=tuple(answer["costs"]),
        note=f"{answer['version']}; without bounds on velocities",
    )


def _specification(case: ReferenceProblem, effort: Effort) -> dict[str, Any]:
    """The arm's problem in plain numbers."""
    return {
        "urdf": str(arm.URDF),
        "tool": arm.TOOL,
        "dt": case.problem.grid[0],
        "N": case.problem.N,
        "target": arm.TARGET.tolist(),
        "home": case.initial_state.tolist(),
        "holding": case.initial_control.tolist(),
        "torque_limit": arm.TORQUE_LIMIT.tolist(),
        "position_weight": arm.POSITION_WEIGHT,
        "angle_weight": arm.ANGLE_WEIGHT,
        "velocity_weight": arm.VELOCITY_WEIGHT,
        "torque_weight": arm.TORQUE_WEIGHT,
        "starts": [state.tolist() for state in case.start_states()[: effort.episodes]],
        "steps": min(case.steps, effort.steps),
        "noise": case.noise.tolist(),
        "noise_seed": NOISE_SEED,
        "max_iterations": 100,
    }
