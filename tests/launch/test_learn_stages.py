"""A launch that learns a residual: what is run with which model, in which order, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from launch import learn_stages
from launch.errors import CommandError, ExitCode
from launch.launch_file import LaunchFile, load_launch_file
from launch.launcher import Outcome
from launch.learn_stages import IDENTIFIED, LEARNED, NOMINAL, WITH, WITHOUT, format_learned, learn_between
from launch.live_line import Terminal
from launch.stages import Stage
from mpc_controller.toml_table import TomlError
from tests.launch.command import ROOT, start
from tests.launch.test_excite import experiment_file

LOOP = """
robot = "cartpole"
task = "step"
[record]
folder = "{folder}/runs"
[identify]
excitation = "given.toml"
[learn]
runs = ["balance"]
beyond = ["swing-up"]
"""


def loop(folder: Path) -> LaunchFile:
    experiment_file("cartpole", folder)
    (folder / "loop.toml").write_text(LOOP.format(folder=folder))
    return load_launch_file(folder / "loop.toml")


class Runs:
    """Remembers what is run instead of running it."""

    def __init__(self, stops_after: int = 1000, fails_at: int = 1000) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self._stops_after, self._fails_at = stops_after, fails_at

    def __call__(self, stage: LaunchFile, label: str) -> Stage:
        control = stage.control
        self.seen.append((label, stage.task, control.estimator, bool(control.parameters), bool(control.residual)))
        count = len(self.seen)
        failure = "control died" if count == self._fails_at else None
        outcome = Outcome(failure, ExitCode.RUN_FAILED, count == self._stops_after, {}, {})
        return Stage(outcome, {"plans": 3, "recording": f"{label}.mcap", "tracking_rmse": {"position_m": 0.1 / count}})


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What identification and learning were given."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(learn_stages, "identify_from", lambda launch, logs, output, json_path: given.update(identify=logs))

    def learn(launch: LaunchFile, logs: list[Path], validation: list[Path], *paths: Any) -> None:
        given.update(learn=logs, validate=validation)

    monkeypatch.setattr(learn_stages, "learn_from", learn)
    return given


def test_the_launch_file_hides_what_parameters_of_the_model_cannot_say():
    launch = load_launch_file(ROOT / "launch" / "learn_quadrotor.toml")
    truth = launch.sim.truth
    assert launch.learn is not None
    assert min(truth.rotor_drag, truth.thrust_loss, truth.ground_effect_radius, truth.motor_lag_scale - 1) > 0
    assert launch.task not in launch.learn.runs
    assert not {launch.task, *launch.learn.runs} & {*launch.learn.beyond}


def test_a_robot_moves_for_data_then_is_identified_and_learned_and_compared(tmp_path: Path, found: dict[str, Any]):
    runs = Runs()
    assert learn_between(loop(tmp_path), runs, str(tmp_path / "out.json"), Terminal()) is ExitCode.OK
    excitation = ("excitation", "swing-up", WITH, False, False)
    data = [excitation, ("balance-data", "balance", WITH, False, False)]
    nominal = [("step-nominal-alone", "step", WITHOUT, False, False), ("step-nominal", "step", WITH, False, False)]
    after = [
        (f"{task}-{label}{alone}", task, estimator, True, has_residual)
        for task in ("step", "swing-up")
        for label, has_residual in (("identified", False), ("with-residual", True))
        for alone, estimator in (("-alone", WITHOUT), ("", WITH))
    ]
    assert runs.seen == data + nominal + after
    assert found == {
        "identify": ["excitation.mcap", "balance-data.mcap"],
        "learn": ["excitation.mcap", "balance-data.mcap"],
        "validate": ["step-nominal.mcap"],
    }
    summary = json.loads((tmp_path / "out.json").read_text())
    assert summary["runs"]["step"][LEARNED][WITH]["recording"] == "step-with-residual.mcap"
    assert summary["runs"]["swing-up"].keys() == {IDENTIFIED, LEARNED}


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_a_run_that_is_stopped_ends_the_launch_without_an_error(count: int, tmp_path: Path, found: dict[str, Any]):
    runs = Runs(stops_after=count)
    assert learn_between(loop(tmp_path), runs, None, Terminal()) is ExitCode.OK
    assert len(runs.seen) == count


def test_a_run_that_fails_ends_the_launch_with_its_error(tmp_path: Path, found: dict[str, Any]):
    with pytest.raises(CommandError, match="control died"):
        learn_between(loop(tmp_path), Runs(fails_at=3), None, Terminal())


def test_the_comparison_shows_what_the_residual_and_what_the_disturbance_estimate_take_off(tmp_path: Path):
    def errors(alone: float, estimated: float) -> dict[str, Any]:
        return {e: {"tracking_rmse": {"position_m": v}} for e, v in ((WITHOUT, alone), (WITH, estimated))}

    models = {NOMINAL: errors(0.08, 0.02), IDENTIFIED: errors(0.02, 0.01), LEARNED: errors(0.004, 0.005)}
    lines = [line.split() for line in format_learned(loop(tmp_path), {"step": models}).splitlines()]
    assert ["nominal", "8", "cm", "2", "cm", "-75", "%", "by", "the", "estimate"] in lines
    assert ["residual,", "by", "nominal", "-95", "%", "-75", "%"] in lines
    assert ["residual,", "by", "identified", "-80", "%", "-50", "%"] in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[learn]\nspeed = 1\n[identify]", "unknown key 'learn.speed'"),
        (
            '[learn]\nruns = ["fly"]\n[identify]',
            r"'learn.runs' is \['fly'\]; it must be a list of tasks of 'cartpole', which has",
        ),
        ('[learn]\nfamily = "tree"\n[identify]', r"'learn.family' is 'tree'; it must be one of mlp"),
        ("[learn]", r"no 'identify'; it must be a table, which may be empty, where there is \[learn\]"),
    ],
)
def test_a_launch_that_cannot_learn_is_refused_before_anything_starts(text: str, message: str, tmp_path: Path):
    (tmp_path / "run.toml").write_text(f'robot = "cartpole"\n{text}\n')
    with pytest.raises(TomlError, match=message):
        load_launch_file(tmp_path / "run.toml")


@pytest.mark.slow
def test_a_quadrotor_that_learns_what_its_model_cannot_say_flies_better_by_it(tmp_path: Path):
    """launch/learn_quadrotor.toml, with an excitation that is not designed."""
    experiment_file("quadrotor", tmp_path, 12.0)
    text = (ROOT / "launch" / "learn_quadrotor.toml").read_text()
    (tmp_path / "loop.toml").write_text(text.replace("duration_s = 12", 'excitation = "given.toml"', 1))
    arguments = ("--headless", "--endpoint", f"ipc://{tmp_path}/bus", "--json", "out.json")
    process = start("launch", "loop.toml", *arguments, cwd=tmp_path)
    _, said = process.communicate(timeout=1200)
    assert process.returncode == 0, said
    runs = json.loads((tmp_path / "out.json").read_text())["runs"]

    def error(task: str, model: str, estimator: str) -> float:
        return float(runs[task][model][estimator]["tracking_rmse"]["position_m"])

    for estimator in (WITHOUT, WITH):
        assert error("swoop", LEARNED, estimator) < 0.4 * error("swoop", NOMINAL, estimator)
        assert error("swoop", LEARNED, estimator) < 0.7 * error("swoop", IDENTIFIED, estimator)
        assert error("swoop-faster", LEARNED, estimator) < error("swoop-faster", IDENTIFIED, estimator)
