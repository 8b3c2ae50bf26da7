"""Signals that excite, their files, and the search for good ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pinocchio
import pytest

from mpc_controller.identification.excitation.design import ArmJudge, DesignOptions, FlightJudge, design, judge_of, score_of
from mpc_controller.identification.excitation.experiment import (
    Experiment,
    channel_use,
    check_experiment,
    excitation_of,
    excitation_task,
    filling,
)
from mpc_controller.identification.excitation.experiment_file import load_experiment, save_experiment
from mpc_controller.identification.excitation.flight import ModelFlight
from mpc_controller.identification.excitation.limits import limit_use
from mpc_controller.identification.excitation.regressor import ArmRegressor
from mpc_controller.identification.excitation.shapes import first_shape, perturbed
from mpc_controller.identification.excitation.signal import Doublets, Multisine, Shape
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.robot import MotionLimit, Robot
from robots import ROBOTS, load_robot
from tests.control.machines import sled

load = cache(load_robot)
SHAPES = [
    Multisine(6.0, 1.0, (0.2, 0.5, 1.3), (0.3, -0.2, 0.1), (0.0, 0.4, -0.05)),
    Doublets(6.0, (0.1, 3.0), (0.6, 0.9), (0.5, -1.5)),
]


def random_experiment(name: str, seed: int = 0, duration_s: float = 6.0) -> Experiment:
    """Neighbours of what a search starts with."""
    random = np.random.default_rng(seed)
    shapes = [perturbed(c, first_shape(c, duration_s, random), 0.3, random) for c in excitation_of(load(name)).channels]
    return Experiment(name, tuple(shapes))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: type(s).__name__)
def test_rate_acceleration_and_jerk_are_the_derivatives_of_the_signal(shape: Shape):
    times, h = np.linspace(0.013, 5.99, 300), 1e-6  # clear of the ends of steps, where the fourth derivative jumps
    motion, slopes = shape.motion(times), (shape.motion(times + h) - shape.motion(times - h)) / (2 * h)
    for order in range(3):
        np.testing.assert_allclose(motion[order + 1], slopes[order], atol=2e-7 * np.abs(motion[order + 1]).max() + 1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: type(s).__name__)
def test_a_signal_rests_at_zero_before_and_after(shape: Shape):
    np.testing.assert_allclose(shape.motion(np.array([-1.0, 0.0, 6.0, 7.0])), 0.0, atol=1e-9)


def test_a_doublet_goes_up_by_its_height_and_down_by_as_much():
    value = Doublets(6.0, (1.0,), (1.0,), (0.5,)).motion(np.array([0.9, 1.8, 2.8, 3.7]))[0]
    np.testing.assert_allclose(value, [0.0, 0.5, -0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("name", ROBOTS)
def test_signals_and_their_neighbours_fill_the_limits_of_their_channels_and_do_not_leave_them(name: str):
    random = np.random.default_rng(1)
    for channel in excitation_of(load(name)).channels:
        shape = first_shape(channel, 8.0, random)
        assert max(channel_use(channel, shape).values()) == pytest.approx(1.0)
        for _ in range(20):
            shape = perturbed(channel, shape, 0.5, random)
            assert 0 < max(channel_use(channel, shape).values()) <= 1 + 1e-12


@pytest.mark.parametrize("name", ROBOTS)
def test_an_experiment_survives_save_and_load_exactly(name: str, tmp_path: Path):
    experiment = random_experiment(name)
    save_experiment(experiment, load(name), tmp_path / "e.toml", {"seed": "7"})
    assert load_experiment(tmp_path / "e.toml", load(name)) == experiment
    assert (tmp_path / "e.toml").read_text().startswith("# seed: 7\n")


def test_an_experiment_is_never_written_over_another_one_unasked(tmp_path: Path):
    path, experiment = tmp_path / "e.toml", random_experiment("cartpole")
    path.write_text("mine")
    with pytest.raises(IdentificationError, match=r"e\.toml exists; give another name, or --force"):
        save_experiment(experiment, load("cartpole"), path, {})
    assert path.read_text() == "mine"
    save_experiment(experiment, load("cartpole"), path, {}, force=True)
    assert load_experiment(path, load("cartpole")) == experiment
    with pytest.raises(IdentificationError, match="no folder"):
        save_experiment(experiment, load("cartpole"), tmp_path / "no" / "e.toml", {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("shape", "shap"), "must have name, unit, shape|'shape' is None"),
        (('"m"', '"cm"'), r"the channels must be position \[m\], angle \[rad\]"),
        (('"multisine"', '"chirp"'), "'shape' is 'chirp'; it must be one of multisine, doublets"),
        (("blend_s = 1.0", "blend_s = 5.0"), r"channel 'position': multisine: blend_s is 5; it must be in \(0, 3\]"),
        (("sines = [", "sines = [40.0, "), "frequencies, sines and cosines must be as many"),
        (('"multisine"', '["multisine"]'), r"'shape' is \['multisine'\]; it must be one of multisine, doublets"),
        (("heights = [", f"heights = [1{'0' * 400}, "), "'heights' has a number that is too large; each must be below 1.8e308"),
        (("heights = [", "heights = [nan, "), "all numbers must be finite"),
        (("heights = [", 'heights = ["1", '), "'heights' is .*; it must be a list of numbers"),
        (("duration_s = 6.0", "duration_s = true"), "'duration_s' is .*; it must be a number"),
        (("starts = [0.0", "starts = [-1.0"), "each must end"),
        (('robot = "cartpole"', 'robot = "car"'), "the excitation is for 'car', not for 'cartpole'"),
        (('robot = "cartpole"', 'robot = "cartpole'), "not valid TOML"),
        (('robot = "cartpole"', 'robot = "cartpole"\nspeed = 1'), "the file has the keys robot, speed"),
    ],
)
def test_a_file_that_is_no_experiment_of_the_robot_is_refused(change: tuple[str, str], message: str, tmp_path: Path):
    path = tmp_path / "e.toml"
    save_experiment(random_experiment("cartpole"), load("cartpole"), path, {})
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    with pytest.raises(IdentificationError, match=rf"e\.toml: .*({message})"):
        load_experiment(path, load("cartpole"))


def test_an_experiment_beyond_the_limits_of_a_channel_is_refused():
    position, angle = random_experiment("cartpole").shapes
    channel = excitation_of(load("cartpole")).channels[0]
    wild = Experiment("cartpole", (filling(channel, position).scaled(1.5), angle))
    with pytest.raises(IdentificationError, match=r"'position' takes 150 % of its limit of \w+; at most 100 % is valid"):
        excitation_task(wild, load("cartpole"))


def test_a_robot_that_does_not_say_how_it_may_be_moved_is_refused():
    with pytest.raises(IdentificationError, match="'sled' does not say how it may be moved"):
        check_experiment(Experiment("sled", ()), sled())


def test_of_a_limit_the_share_of_the_room_at_rest_is_told():
    excitation = replace(
        excitation_of(load("cartpole")),
        limits=(
            MotionLimit("both sides", "m", -1.0, 3.0, lambda x, u: x[:, 0]),
            MotionLimit("no room below", "m", 1.0, 5.0, lambda x, u: x[:, 0]),
        ),
    )
    rising = np.array([[1.0], [2.5], [1.5]])
    assert limit_use(excitation, rising, np.zeros((3, 1))) == {"both sides": 0.75, "no room below": 0.375}
    assert limit_use(excitation, -rising + 2.0, np.zeros((3, 1))) == {"both sides": 0.75, "no room below": np.inf}


@cache
def judged(name: str) -> FlightJudge:
    judge = judge_of(load(name))
    assert isinstance(judge, FlightJudge)
    return judge


@pytest.mark.parametrize("name", ["cartpole", "car", "quadrotor"])
def test_the_limits_of_a_robot_are_kept_along_the_flight_that_is_designed(name: str):
    robot: Robot = load(name)
    result = design(robot, DesignOptions(duration_s=3.0, evaluations=2), judged(name))
    flight = judged(name).fly(result.best.experiment)
    use = judged(name).use(flight)
    assert use == result.best.use
    assert max(use.values()) <= 0.75
    assert flight.failed == 0
    signal = flight.since(excitation_of(robot).lead_s)
    for limit in excitation_of(robot).limits:
        values = limit.value(signal.states, signal.controls)
        assert (values >= limit.lower).all()
        assert (values <= limit.upper).all()


@pytest.mark.parametrize(("criterion", "evaluations"), [("D", 4), ("condition", 8)])
def test_a_designed_flight_tells_more_than_the_one_that_the_search_starts_with(criterion: str, evaluations: int):
    judge = judged("cartpole")
    result = design(load("cartpole"), DesignOptions(duration_s=4.0, evaluations=evaluations, criterion=criterion), judge)
    rank = judge.rank(result.start.information)
    assert result.score == score_of(result.best.information, criterion, rank)
    assert result.score > result.start_score
    assert result.evaluations == evaluations


def test_the_same_seed_designs_the_same_experiment():
    options = DesignOptions(duration_s=3.0, evaluations=2, seed=5)
    first, second = (design(load("cartpole"), options, judged("cartpole")) for _ in range(2))
    assert first.best.experiment == second.best.experiment


def test_an_arm_is_designed_on_its_regressor_and_its_flight_keeps_the_limits():
    robot, judge = load("arm"), judge_of(load("arm"))
    assert isinstance(judge, ArmJudge)
    result = design(robot, DesignOptions(criterion="condition", evaluations=150), judge)
    assert result.score > result.start_score + 0.5  # a condition number 1.6 times smaller
    task = excitation_task(result.best.experiment, robot)
    flight = ModelFlight(robot, task).fly(task, 6.0)
    assert max(limit_use(excitation_of(robot), flight.states, flight.controls).values()) < 1.0


def test_the_arms_regressor_times_its_parameters_is_its_inverse_dynamics():
    robot = load("arm")
    regressor, random = ArmRegressor(robot), np.random.default_rng(2)
    model = pinocchio.buildModelFromMJCF(str(robot.mjcf))
    damping = np.array([p.value for p in robot.dynamics.nominal.parameters if p.name.startswith("damping.")])
    inertial = np.concatenate([model.inertias[i].toDynamicParameters() for i in range(1, model.njoints)])
    parameters = np.concatenate([inertial, damping, np.zeros(7), model.armature])
    q, v, a = random.normal(size=(3, 10, 7))
    expected = (regressor.torques(q, v, a) / (0.01 * robot.control_upper)).ravel()
    np.testing.assert_allclose(regressor.weighted(q, v, a) @ parameters, expected, rtol=1e-9, atol=1e-9)
    assert len(regressor.base) == 62  # of 91: what any motion can tell apart


def test_a_criterion_that_does_not_exist_is_refused():
    with pytest.raises(IdentificationError, match="no criterion 'E'; there are D, condition"):
        DesignOptions(criterion="E")
