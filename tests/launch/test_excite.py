"""`mpc excite` as a real process, and its experiment through the real bus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from launch.errors import CommandError, ExitCode
from launch.selection import excited_task, robot_with
from mpc_controller.bus.messages import Observation, Plan
from mpc_controller.bus.recording import read_recording
from mpc_controller.identification.excitation.experiment import Experiment, excitation_of, excitation_task
from mpc_controller.identification.excitation.experiment_file import load_experiment, save_experiment
from mpc_controller.identification.excitation.shapes import first_shape
from robots import load_robot
from tests.launch.command import run, run_here, start


def experiment_file(name: str, folder: Path, duration_s: float = 2.0) -> Path:
    robot, random = load_robot(name), np.random.default_rng(0)
    shapes = tuple(first_shape(channel, duration_s, random) for channel in excitation_of(robot).channels)
    save_experiment(Experiment(name, shapes), robot, folder / "given.toml", {})
    return folder / "given.toml"


def test_an_experiment_is_run_through_the_bus_and_its_recording_holds_it_from_start_to_end(tmp_path: Path):
    path, bus = experiment_file("cartpole", tmp_path), f"ipc://{tmp_path}/bus"
    plant = start("sim", "cartpole", "--endpoint", bus, "--lock-step", "--duration", "60")
    try:
        done = run("excite", "cartpole", "--given", str(path), "--run", "--endpoint", bus, "--record", "run.mcap",
                   "--priority", "0", "--json", "out.json", cwd=tmp_path)  # fmt: skip
    finally:
        plant.kill()
        plant.communicate()
    assert done.returncode == 0, done.stderr
    assert "mpc identify cartpole run.mcap" in done.stdout
    robot = load_robot("cartpole")
    task = excitation_task(load_experiment(path, robot), robot)
    messages = [m for _, m in read_recording(tmp_path / "run.mcap").messages(Observation, Plan)]
    plans = [m for m in messages if isinstance(m, Plan)]
    times = np.array([m.start_ns - plans[0].start_ns for m in plans]) * 1e-9
    np.testing.assert_allclose([m.reference for m in plans], task.reference(times), atol=1e-9)
    followed = [m.time_ns for m in messages if isinstance(m, Observation) and m.plan_sequence > 0]
    assert (followed[-1] - followed[0]) * 1e-9 >= task.duration_s - 1e-9
    summary = json.loads((tmp_path / "out.json").read_text())
    assert {row["name"] for row in summary["expected"]} == {*robot.dynamics.nominal.parameters.names, "control_delay"}
    again = run("replay", "run.mcap", "--excitation", str(path), cwd=tmp_path)
    assert again.returncode == 0, again.stdout


def test_a_designed_experiment_is_written_with_its_picture_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ("excite", "cartpole", "--duration", "2", "--evaluations", "2", "--output", "e.toml")
    done = run(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cart_damping" in done.stdout
    assert (tmp_path / "e.png").stat().st_size > 10_000
    before = (tmp_path / "e.toml").read_text()
    load_experiment(tmp_path / "e.toml", load_robot("cartpole"))
    again = run_here(*options, cwd=tmp_path, capsys=capsys)
    assert again.returncode == ExitCode.BAD_INPUT
    assert again.stderr == "error: e.toml exists; give another name, or --force to replace it\n"
    assert (tmp_path / "e.toml").read_text() == before


def test_no_plant_is_an_error_of_the_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("launch.excitation_run._PLANT_S", 2.0)
    experiment_file("cartpole", tmp_path)
    bus = f"ipc://{tmp_path}/bus"
    done = run_here("excite", "cartpole", "--given", "given.toml", "--run", "--endpoint", bus, cwd=tmp_path, capsys=capsys)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "control ended during the experiment" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("excite", "cartpol"), "did you mean 'cartpole'"),
        (("excite", "cartpole", "--output", "no/e.toml"), "no folder no"),
        (("excite", "cartpole", "--picture", "e.doc"), "give a name that ends in"),
        (("control", "car", "--excitation", "given.toml"), "given.toml: the channels must be y"),
        (("control", "cartpole", "--task", "balance", "--excitation", "given.toml"), "are made from the task 'swing-up'"),
    ],
)
def test_bad_input_is_told_in_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    experiment_file("cartpole", tmp_path)
    done = run_here(*arguments, cwd=tmp_path, capsys=capsys)
    assert done.returncode == ExitCode.BAD_INPUT
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_excited_task_goes_by_the_name_of_its_base(tmp_path: Path):
    path, robot = experiment_file("quadrotor", tmp_path), robot_with("quadrotor", None, None)
    assert excited_task(robot, None, path).name == excited_task(robot, "hover", path).name == "hover"
    assert excited_task(robot, "waypoints", None).name == "waypoints"
    with pytest.raises(CommandError, match="made from the task 'hover', not from 'waypoints'"):
        excited_task(robot, "waypoints", path)
