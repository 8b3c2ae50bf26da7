"""`mpc launch` with every solver: what the tracking errors are in closed loop with a plant that differs from the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpc_controller.solvers import SOLVERS
from robots import ROBOTS

_ROOT = Path(__file__).parents[2]
_KEPT = (
    *("robot", "task", "solver", "tracking_rmse", "tracking_max", "solve_time_us"),
    *("plans", "failed_solves", "deadline_misses"),
)
_TIMEOUT_S = 300.0


def launch_rows(progress: Callable[[str], None], *, is_quick: bool) -> list[dict[str, Any]]:
    """The summary of every robot's launch file with every solver; `error` is what a run that failed said last."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="mpc-launches-") as folder:
        for robot in ROBOTS:
            for solver in SOLVERS:
                progress(f"{robot}: {solver}")
                rows.append(_launch(robot, solver, Path(folder), ("--duration", "1") if is_quick else ()))
    return rows


def _launch(robot: str, solver: str, folder: Path, more: tuple[str, ...]) -> dict[str, Any]:
    """In a folder for the recordings."""
    summary = folder / "summary.json"
    summary.unlink(missing_ok=True)
    file = _ROOT / "launch" / f"{robot}.toml"
    command = [sys.executable, "-P", "-m", "launch.cli", "launch", str(file), "--solver", solver, "--headless"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run(
        [*command, "--json", str(summary), *more],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    found: dict[str, Any] = json.loads(summary.read_text()) if summary.is_file() else {"robot": robot, "solver": solver}
    error = "" if run.returncode == 0 else (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
    return {**{key: found[key] for key in _KEPT if key in found}, "error": error}
