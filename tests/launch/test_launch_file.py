"""Launch files are checked in full, and those that come with the package are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.adapt_section import AdaptSection
from launch.launch_file import load_launch_file
from mpc_controller.model.parameters import ParameterError
from mpc_controller.solvers import SOLVERS
from mpc_controller.toml_table import TomlError
from robots import ROBOTS
from sim.truth import SimTruth
from tests.launch.command import ROOT


def _write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ROBOTS)
def test_the_launch_file_of_every_robot_is_right_and_its_plant_differs_from_the_model(name: str) -> None:
    launch = load_launch_file(ROOT / "launch" / f"{name}.toml")
    assert launch.robot == name
    assert launch.sim.truth != SimTruth()


def test_what_is_left_out_is_the_robots_own(tmp_path: Path) -> None:
    launch = load_launch_file(_write(tmp_path, 'robot = "cartpole"'))
    assert (launch.task, launch.duration_s, launch.control.solver, launch.sim.rate_hz) == ("swing-up", None, None, None)
    assert launch.sim.truth == SimTruth()
    assert launch.record.enabled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no 'robot'; it must be one of cartpole"),
        ('robot = "cartpol"', r"'robot' is 'cartpol'.*did you mean 'cartpole'.*\(line 1\)"),
        ('robot = "cartpole"\ntask = "figure-eight"', r"'task' is 'figure-eight'; it must be one of swing-up.*\(line 2\)"),
        ('robot = "cartpole"\nspeed = 1', r"unknown key 'speed'.*\(line 2\)"),
        ('robot = "cartpole"\nduration_s = -1', r"'duration_s' is -1; it must be a number in \[0.1, 86400\]"),
        ('robot = "cartpole"\n[sim]\nseed = 1.5', r"'sim.seed' is 1.5; it must be an integer.*\(line 3\)"),
        ('robot = "cartpole"\n[sim]\nlock_step = 1', r"'sim.lock_step' is 1; it must be true or false"),
        ('robot = "cartpole"\n[sim]\narming = "nobody"', r"'sim.arming' is 'nobody'; it must be one of automatic, operator"),
        ('robot = "cartpole"\n[sim.truth]\nmass_scale = nan', r"'mass_scale' is nan.*\(line 3\)"),
        ('robot = "cartpole"\n[sim.truth]\nmas_scale = 1', r"unknown key 'mas_scale'; valid are mass_scale"),
        (
            'robot = "cartpole"\n[control]\nsolver = "magic"',
            rf"'control.solver' is 'magic'; it must be one of {', '.join(SOLVERS)} \(line 3\)",
        ),
        ('robot = "cartpole"\n[control]\nsolver = "single-shoting"', r"\(did you mean 'single-shooting'\?\) \(line 3\)"),
        ('robot = "cartpole"\n[control]\nestimator = "eks"', r"did you mean 'ekf'"),
        ('robot = "cartpole"\n[control]\nparameters = "none.toml"', r"'control.parameters' is 'none.toml'; it must be a file"),
        (
            'robot = "cartpole"\n[sim]\nrate_hz = 333',
            r"'sim.rate_hz': the plant's rate is 333 Hz; .* 500 steps a second .*such as 250 Hz \(line 3\)",
        ),
        (
            'robot = "cartpole"\n[sim.truth]\nparameter_scale = {mass = 1.1}',
            r"unknown key 'parameter_scale.mass' for 'cartpole'.* \(line 3\)",
        ),
        (
            'robot = "car"\n[sim.truth.parameter_scale]\nfricton = 0.9',
            r"unknown key 'parameter_scale.fricton' for 'car'; valid are .*friction.* \(line 2\)",
        ),
        ('robot = "arm"\n[sim.truth]\nlinear_drag = 0.5', r"'linear_drag' is 0.5; the base of 'arm' does not.* \(line 3\)"),
        (
            'robot = "cartpole"\n[control]\nrate_hz = 5000',
            r"'control.rate_hz' is 5000; it must be at most the plant's rate \(sim.rate_hz\), 500 \(line 3\)",
        ),
        (
            'robot = "cartpole"\n[sim]\nrate_hz = 50',
            r"'sim.rate_hz' is 50; it must be at least the control rate \(control.rate_hz\), 100 \(line 3\)",
        ),
        ('robot = "cartpole"\nrecord = true', r"'record' is true; it must be a table"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_and_what_would_be_valid(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(TomlError, match=message) as caught:
        load_launch_file(path)
    assert str(path) in str(caught.value)


def test_parameters_must_be_those_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[weight]\nvalue = 1.0\nunit = "kg"\n')
    path = _write(tmp_path, 'robot = "cartpole"\n[control]\nparameters = "other.toml"\n')
    with pytest.raises(ParameterError, match=r"other.toml: unknown parameter 'weight'"):
        load_launch_file(path)


def test_what_is_learned_beside_the_controller_is_named_with_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('robot = "quadrotor"\n[adapt]\nparameters = ["mass", "arm"]\n')
    assert load_launch_file(path).adapt == AdaptSection(("mass", "arm"), 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters = []", r"adapt: 'parameters' is \[\]; it must be a list of names of parameters \(line 3\)"),
        ("rate_hz = 2", "adapt: 'parameters' is None"),
        ('parameters = ["weight"]', r"adapt: 'parameters' has \['weight'\]; valid are mass, "),
        ('parameters = ["mass"]\nrate_hz = "fast"', r"adapt: 'rate_hz' is 'fast'; it must be a number in .* \(line 4\)"),
        ("names = 1", "adapt: unknown key 'names'; valid are parameters, rate_hz"),
    ],
)
def test_a_wrong_table_of_what_to_learn_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(f'robot = "quadrotor"\n[adapt]\n{text}\n')
    with pytest.raises(TomlError, match=message):
        load_launch_file(path)
