"""A launch with an identification between two runs of its task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launch.errors import CommandError, ExitCode
from launch.launch_file import LaunchFile, load_launch_file
from launch.launcher import Outcome
from launch.live_line import Terminal
from launch.stages import Stage, format_comparison, identify_between
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.toml_table import TomlError
from robots import load_robot
from tests.launch.command import ROOT, run
from tests.launch.test_excite import experiment_file

LOOP = """
robot = "cartpole"
[record]
folder = "{folder}/runs"
[identify]
excitation = "given.toml"
"""


def loop(folder: Path) -> LaunchFile:
    experiment_file("cartpole", folder)
    (folder / "loop.toml").write_text(LOOP.format(folder=folder))
    return load_launch_file(folder / "loop.toml")


def test_the_launch_file_of_the_closed_loop_hides_mass_inertia_drag_and_delay():
    launch = load_launch_file(ROOT / "launch" / "identify_quadrotor.toml")
    truth = launch.sim.truth
    assert launch.identify is not None
    assert (launch.robot, launch.task) == ("quadrotor", "figure-eight")
    assert min(truth.mass_scale, truth.inertia_scale) > 1.2
    assert min(truth.linear_drag, truth.actuator_delay_s) > 0.01


def test_a_run_that_is_stopped_ends_the_loop_without_an_error(tmp_path: Path):
    stages = []

    def stopped(stage: LaunchFile, label: str) -> Stage:
        stages.append((label, stage.task, stage.control.excitation))
        was_stopped = len(stages) == 2
        return Stage(Outcome(None, ExitCode.OK, was_stopped, {}, {}), {"plans": 3, "recording": None})

    assert identify_between(loop(tmp_path), stopped, None, Terminal()) is ExitCode.OK
    assert stages == [("swing-up-before", "swing-up", None), ("excitation", "swing-up", tmp_path / "given.toml")]


def test_a_run_that_fails_ends_the_loop_with_its_error(tmp_path: Path):
    def failed(stage: LaunchFile, label: str) -> Stage:
        return Stage(Outcome("control died", ExitCode.RUN_FAILED, False, {}, {}), {"plans": 0, "recording": None})

    with pytest.raises(CommandError, match="control died"):
        identify_between(loop(tmp_path), failed, None, Terminal())


def test_the_comparison_shows_errors_before_and_after_with_their_change(tmp_path: Path):
    rmse = [{"tracking_rmse": {"position_m": value}} for value in (0.008, 0.002)]
    last = format_comparison(loop(tmp_path), *rmse).splitlines()[-1]
    assert last.split() == ["position", "0.8", "cm", "0.2", "cm", "-75", "%"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[identify]\ncriterion = "E"', r"'identify.criterion' is 'E'; it must be one of D, condition"),
        ('[identify]\nfix = ["weight"]', r"'identify.fix' .*must be a list of cart_mass, .*, control_delay"),
        ("[identify]\nspeed = 1", r"unknown key 'identify.speed'"),
        ('[identify]\nexcitation = "none.toml"', r"'identify.excitation' is 'none.toml'; it must be a file"),
        ("[identify]\n[record]\nenabled = false", r"'record.enabled' is false; it must be true where there is \[identify\]"),
        (
            '[control]\nexcitation = "given.toml"\n[identify]',
            r"'control.excitation' .*must be left out where there is \[identify\]",
        ),
    ],
)
def test_a_loop_that_cannot_be_is_refused_before_anything_starts(text: str, message: str, tmp_path: Path):
    experiment_file("cartpole", tmp_path)
    (tmp_path / "run.toml").write_text(f'robot = "cartpole"\n{text}\n')
    with pytest.raises(TomlError, match=message):
        load_launch_file(tmp_path / "run.toml")


def test_a_launch_file_may_fly_an_excitation_instead_of_a_task(tmp_path: Path):
    experiment_file("quadrotor", tmp_path)
    path = tmp_path / "run.toml"
    path.write_text('robot = "quadrotor"\n[control]\nexcitation = "given.toml"\n')
    launch = load_launch_file(path)
    assert (launch.task, launch.control.excitation) == ("hover", tmp_path / "given.toml")
    path.write_text('robot = "quadrotor"\ntask = "figure-eight"\n[control]\nexcitation = "given.toml"\n')
    with pytest.raises(TomlError, match="'task' is 'figure-eight'; it must be 'hover', which excitations"):
        load_launch_file(path)
    path.write_text('robot = "cartpole"\n[control]\nexcitation = "given.toml"\n')
    with pytest.raises(IdentificationError, match=r"given\.toml: the channels must be position"):
        load_launch_file(path)


@pytest.mark.slow
def test_a_quadrotor_that_identifies_itself_halves_the_error_of_its_figure_eight(tmp_path: Path):
    """launch/identify_quadrotor.toml in lock-step, with an excitation that is not designed: the same each time."""
    experiment_file("quadrotor", tmp_path, 8.0)
    text = (ROOT / "launch" / "identify_quadrotor.toml").read_text()
    text = text.replace("seed = 1\n", "seed = 1\nlock_step = true\n", 1).replace("duration_s = 20", "duration_s = 12", 1)
    text = text.replace("duration_s = 12             # of", 'excitation = "given.toml"  #', 1)
    (tmp_path / "loop.toml").write_text(text)
    done = run("launch", "loop.toml", "--headless", "--endpoint", f"ipc://{tmp_path}/bus", "--json", "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out.json").read_text())
    before, after = (summary[stage]["tracking_rmse"]["position_m"] for stage in ("before", "after"))
    assert after < before / 2
    found = load_parameters(tmp_path / summary["parameters"])
    nominal = load_robot("quadrotor").dynamics.nominal.parameters
    assert found["mass"].value == pytest.approx(1.3 * nominal["mass"].value, rel=0.01)
    assert found["inertia_x"].value == pytest.approx(1.3 * 1.4 * nominal["inertia_x"].value, rel=0.05)
    assert found["drag"].value == pytest.approx(0.02, rel=0.05)
    assert found.provenance["control_delay_s"] == pytest.approx(0.016, abs=1e-3)  # half a sample
