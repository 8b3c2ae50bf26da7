"""The command line: exit codes that mean something, errors of one line, and a quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from launch.cli import mpc
from mpc_controller.control.estimators import ESTIMATORS
from mpc_controller.solvers import SOLVERS
from robots import ROBOTS
from tests.launch.command import ROOT, environment, run

COMMANDS = tuple(mpc.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_options(command: str) -> None:
    parameters = mpc.commands[command].params
    assert mpc.commands[command].help
    assert all(p.help or p.hidden for p in parameters if isinstance(p, click.Option))


def test_the_estimators_of_the_command_line_are_those_of_the_registry() -> None:
    (option,) = (p for p in mpc.commands["control"].params if p.name == "estimator")
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(ESTIMATORS)


@pytest.mark.parametrize("command", ["control", "launch"])
def test_the_solvers_that_help_names_are_those_of_the_registry(command: str) -> None:
    (option,) = (p for p in mpc.commands[command].params if p.name == "solver")
    assert isinstance(option, click.Option)
    assert f": {', '.join(SOLVERS)}." in (option.help or "")


def test_help_needs_no_heavy_import() -> None:
    code = "import sys, launch.cli; sys.exit(bool({'casadi', 'numpy', 'zmq', 'mujoco'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["control", "cartpol"], 2, "no robot 'cartpol'; did you mean 'cartpole'?"),
        (["control", "cartpole", "--task", "fly"], 2, "cartpole has no task 'fly'; it has swing-up"),
        (
            ["control", "cartpole", "--task", "Balance"],
            2,
            "cartpole has no task 'Balance'; did you mean 'balance'? it has swing-up",
        ),
        (["control", "cartpole", "--solver", "magic"], 2, f"no solver 'magic'; there are {', '.join(SOLVERS)}"),
        (["control", "cartpole", "--solver", "ILQR"], 2, "no solver 'ILQR'; did you mean 'ilqr'? there are "),
        (
            ["launch", f"{ROOT}/launch/cartpole.toml", "--solver", "magic"],
            2,
            f"no solver 'magic'; there are {', '.join(SOLVERS)}",
        ),
        (["control", "cartpole", "--rate", "nan"], 2, "'nan' is not a number in [0.1, 10000]"),
        (["control", "cartpole", "--rate", "1e9"], 2, "'1e9' is not a number in [0.1, 10000]"),
        (["control", "cartpole", "--rate", "501"], 2, "the control rate is 501 Hz and the plant's rate 500 Hz"),
        (["sim", "cartpole", "--rate", "50"], 2, "the control rate is 100 Hz and the plant's rate 50 Hz"),
        (["sim", "cartpole", "--rate", "333"], 2, "the plant's rate is 333 Hz; it must be the simulation's 500 steps"),
        (["sim", "cartpole", "--duration", "inf"], 2, "'inf' is not a number in [0.1, 86400]"),
        (["sim", "cartpole", "--seed", "99999999999999999999"], 2, "is not in the range"),
        (["launch", f"{ROOT}/launch/cartpole.toml", "--rate", "501"], 2, "the control rate is 501 Hz"),
        (["sim", "cartpole", "--endpoint", "tcp://0.0.0.0:1"], 2, "only loopback addresses"),
        (
            ["plot", str(Path(__file__)), "--output", "x.foo"],
            2,
            "x.foo: no format for pictures; give a name that ends in .png,",
        ),
        (["plot", "absent.mcap"], 2, "'absent.mcap' does not exist"),
        (["launch", "absent.toml"], 2, "'absent.toml' does not exist"),
        (["replay", str(Path(__file__)), "--rate", "50"], 2, "No such option"),
        (["record"], 2, "give a robot"),
        (["fly"], 2, "No such command 'fly'"),
        (["robots", "--json", "absent/out.json"], 2, "cannot be written"),
        (["control", "cartpole", "--wait", "0.3"], 3, "no plant of 'cartpole' answered within 0.3 s"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    if arguments[0] in ("control", "sim", "launch"):
        arguments = [*arguments[:2], "--endpoint", f"ipc://{tmp_path}/bus", *arguments[2:]]
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_wrong_launch_file_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('robot = "cartpole"\ntaks = "balance"\n')
    result = run("launch", "run.toml", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: run.toml: unknown key 'taks' (did you mean 'task'?)")
    assert list(tmp_path.iterdir()) == [tmp_path / "run.toml"]


def test_the_list_of_robots_names_all_with_their_tasks() -> None:
    result = run("robots", "--json", "-")
    robots = json.loads(result.stdout)["robots"]
    assert [robot["name"] for robot in robots] == list(ROBOTS)
    assert all(robot["default_task"] in {task["name"] for task in robot["tasks"]} for robot in robots)


def test_the_doctor_finds_a_compiler_and_measures_the_timers() -> None:
    result = run("doctor", "--json", "-")
    report = json.loads(result.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert result.returncode == 0
    assert checks["compiler"]["status"] == "ok"
    assert checks["timers"]["values"]["max_us"] >= checks["timers"]["values"]["p50_us"] >= 0
    assert all(bool(check["advice"]) == (check["status"] != "ok") for check in checks.values())


def test_without_a_compiler_the_doctor_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _hide_compilers(monkeypatch, tmp_path)
    result = run("doctor")
    assert result.returncode == 3
    assert "[fail] compiler: no C compiler found" in result.stdout
    assert f"install gcc, or run '{sys.executable} -m pip install ziglang'" in result.stdout


def test_without_a_compiler_the_controller_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _hide_compilers(monkeypatch, tmp_path)
    result = run("control", "cartpole")
    assert result.returncode == 3
    assert result.stderr.startswith("error: no C compiler found")
    assert result.stderr.count("\n") == 1


def _hide_compilers(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No compiler on the PATH, and a ziglang that cannot be found."""
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CC", raising=False)
    hook = "import sys\nsys.modules['ziglang'] = None\n"
    (folder / "sitecustomize.py").write_text(hook)
    monkeypatch.setattr("tests.launch.command.ROOT", f"{folder}:{Path(__file__).parents[2]}")
