"""Whole runs with solvers that are not the tasks' own: real processes, named on the command line or in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launch.command import run


@pytest.mark.parametrize(("robot", "solver", "where"), [("car", "collocation", "file"), ("quadrotor", "ilqr", "option")])
def test_a_run_with_another_solver_follows_its_plans_and_replays_to_the_last_bit(
    robot: str, solver: str, where: str, tmp_path: Path
) -> None:
    """In lock step, so that a busy machine changes nothing."""
    in_file, option = ("", ("--solver", solver)) if where == "option" else (f'[control]\nsolver = "{solver}"\n', ())
    (tmp_path / "run.toml").write_text(f'robot = "{robot}"\nduration_s = 1.0\n{in_file}[sim]\nlock_step = true\n')
    endpoint = ("--endpoint", f"ipc://{tmp_path}/bus")
    result = run("launch", "run.toml", "--headless", *endpoint, *option, "--json", "out.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "out.json").read_text())
    assert (summary["solver"], summary["failed_solves"]) == (solver, 0)
    assert [change["to"] for change in summary["mode_changes"]] == ["NOMINAL"]
    replayed = run("replay", summary["recording"], "--json", "-", cwd=tmp_path)
    report = json.loads(replayed.stdout)
    assert replayed.returncode == 0, report
    assert report["plans"] == report["identical"] > 40
