"""Filters that shift nothing, and states completed from what is measured."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.filtering import (
    Filtering,
    automatic_cutoff,
    decimated,
    differentiated,
    low_pass,
    uniform_times,
)
from mpc_controller.identification.fit import Standing
from mpc_controller.identification.inverse_dynamics.least_squares import least_squares
from mpc_controller.identification.inverse_dynamics.motion import MotionReader
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import IdentificationError, structure_of
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.native.batched_function import BatchedFunction
from robots import load_robot
from tests.identification.machines import without_prior

T = np.arange(0, 10, 1e-2)


def test_a_low_pass_shifts_nothing_and_takes_what_is_above_its_cutoff() -> None:
    slow, fast = np.sin(2 * np.pi * 0.5 * T), np.sin(2 * np.pi * 30 * T)
    np.testing.assert_allclose(low_pass((slow + fast)[:, None], 1e-2, 8.0)[100:-100, 0], slow[100:-100], atol=1e-4)


def test_central_differences_are_exact_for_parabolas() -> None:
    np.testing.assert_allclose(differentiated((3 * T**2 - T)[:, None], 1e-2)[:, 0], 6 * T - 1, atol=1e-9)


@pytest.mark.parametrize("factor", [1, 2, 7, 10])
def test_decimation_keeps_slow_signals_where_they_are(factor: int) -> None:
    rows = np.column_stack([np.sin(2 * np.pi * 0.4 * T), np.ones_like(T)])
    kept = decimated(rows, factor)
    assert len(kept) == -(-len(T) // factor)
    inner = slice(2 * 20 // 2, -2 * 20 // 2)
    np.testing.assert_allclose(kept[inner], rows[::factor][inner], atol=4e-3)
    np.testing.assert_allclose(kept[:, 1], 1.0)


def test_decimation_takes_out_what_would_come_back_as_slow() -> None:
    assert np.abs(decimated(np.sin(2 * np.pi * 9.9 * T)[:, None], 10)[10:-10]).max() < 0.05


@pytest.mark.parametrize(("noise", "low", "high"), [(1e-5, 3.0, 40.0), (1e-2, 3.0, 15.0)])
def test_the_automatic_cutoff_lies_between_signal_and_noise(noise: float, low: float, high: float) -> None:
    random = np.random.default_rng(0)
    signal = np.sin(2 * np.pi * 0.5 * T) + 0.3 * np.sin(2 * np.pi * 3 * T)
    assert low < automatic_cutoff((signal + noise * random.normal(size=len(T)))[:, None], 1e-2) < high


def test_times_of_one_step_stay_and_others_become_uniform() -> None:
    assert uniform_times(T) is T
    ragged = np.delete(T, [100, 101, 500])
    np.testing.assert_allclose(uniform_times(ragged), T)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"cutoff_hz": -1.0}, "cutoff_hz is -1"), ({"decimation": 0}, "decimation 0"), ({"trim_s": -0.1}, "trim_s is -0.1")],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(IdentificationError, match=said):
        Filtering(**options)


def test_a_batched_function_gives_what_casadi_gives() -> None:
    x, p = ca.SX.sym("x", 3), ca.SX.sym("p", 2)
    f = ca.Function("f", [x, p], [ca.vertcat(p[0] * ca.sin(x), ca.sumsqr(x)), p[1] * x])
    rows, values = np.random.default_rng(0).normal(size=(300, 3)), np.array([2.0, -1.0])
    first, second = BatchedFunction(f, "batch", shared=[1])(rows, values)
    np.testing.assert_allclose(first, np.column_stack([2 * np.sin(rows), (rows**2).sum(axis=1)]), rtol=1e-14)
    np.testing.assert_allclose(second, -rows)


def flight(seconds: float = 8.0) -> tuple[Log, Array]:
    """The quadrotor's own model under commands about hovering, and its whole states."""
    robot = load_robot("quadrotor")
    dynamics = robot.dynamics.nominal
    x, u, h = ca.SX.sym("x", 17), ca.SX.sym("u", 4), 1e-3
    p = ca.SX(ca.DM(dynamics.parameters.values))
    step = ca.Function("step", [x, u], [RungeKutta4().step(dynamics, x, u, p, ca.SX(h))])
    t = np.arange(0, seconds, h)
    hover = dynamics.parameters["mass"].value * 9.81 / 4
    phases = np.array([0.0, 1.0, 2.5, 4.0])
    common = 0.15 * np.sin(2 * np.pi * 0.7 * t)[:, None]
    wobble = 0.004 * np.sin(2 * np.pi * np.array([1.3, 1.7, 2.1, 2.9]) * t[:, None] + phases)
    commands = hover * (1 + common + wobble)
    states = [np.concatenate([np.zeros(3), [1.0], np.zeros(9), np.full(4, hover)])]
    for command in commands[:-1]:
        states.append(step(states[-1], command).full().ravel())
    rows = dynamics.manifold.normalized(np.array(states))
    measured = structure_of(robot).measured_indices
    return whole("flight", t, rows[:, list(measured)], commands), rows


def test_states_that_no_sensor_gives_follow_from_kinematics_or_from_commands() -> None:
    log, states = flight()
    structure = structure_of(load_robot("quadrotor"))
    reader = MotionReader(structure, Filtering(cutoff_hz=30.0))
    (motion,) = reader.read(log)
    inner = slice(400, -400)
    assert [structure.dynamics.state_names[i] for i in reader.driven] == [f"thrust_{i}" for i in range(1, 5)]
    np.testing.assert_allclose(motion.x[inner], states[inner], atol=4e-3)
    np.testing.assert_allclose(motion.xdot[inner, 10:13], differentiated(states[:, 10:13], 1e-3)[inner], atol=0.05)


def test_of_a_quadrotor_the_mass_is_seen_and_inertias_only_by_their_ratios() -> None:
    log, _ = flight()
    structure = without_prior(structure_of(load_robot("quadrotor")), "arm")
    fit = least_squares(structure, [log])
    assert fit["mass"].standing is Standing.IDENTIFIED
    assert fit["mass"].value == pytest.approx(structure.dynamics.parameters["mass"].value, rel=5e-3)
    assert fit["motor_time_constant"].standing is Standing.UNSEEN
    assert any("ratios" in note and "arm" in note and "inertia_x" in note for note in fit.notes), fit.notes
