"""What the air and the motors do to rotors in the simulated plant, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mpc_controller.arrays import Array
from robots import load_robot
from robots.quadrotor.dynamics import GRAVITY
from robots.quadrotor.tasks import hover_state
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.sim.sliders import slider

ROBOT = load_robot("quadrotor")
PERIOD = 0.002
MASS = ROBOT.dynamics.parameters["mass"].value
LAG = ROBOT.dynamics.parameters["motor_time_constant"].value
HOVER = MASS * GRAVITY / 4
HIGH = 50.0


def flown(truth: SimTruth, seconds: float, thrust: float = HOVER, command: float | None = None, **state: Array) -> Array:
    """The state after so long with all thrusts and commands alike, from rest high in the air or from `state`'s slices."""
    x = hover_state(ROBOT.dynamics)
    x[2], x[13:] = HIGH, thrust
    places = {"position": slice(0, 3), "attitude": slice(3, 7), "velocity": slice(7, 10)}
    for name, value in state.items():
        x[places[name]] = value
    plant = MujocoPlant(ROBOT, x, truth, 0, PERIOD)
    for _ in range(round(seconds / PERIOD)):
        plant.apply(np.full(4, thrust if command is None else command))
    return plant.read()[1]


def test_without_hidden_effects_a_hovering_body_stays():
    np.testing.assert_allclose(flown(SimTruth(), 1.0)[7:13], 0.0, atol=1e-9)


def test_rotor_drag_slows_a_level_body_exponentially_and_does_not_brake_it_along_its_axis():
    k, seconds = 0.01, 1.0
    x = flown(SimTruth(rotor_drag=k), seconds, velocity=np.array([1.5, -0.5, 0.7]))
    decay = math.exp(-4 * k * math.sqrt(HOVER) / MASS * seconds)
    np.testing.assert_allclose(x[7:10], [1.5 * decay, -0.5 * decay, 0.7], rtol=2e-3)


def test_a_leaning_body_reaches_the_speed_at_which_rotor_drag_balances_gravity():
    k, lean = 0.05, 0.3
    thrust = HOVER * math.cos(lean)
    attitude = np.array([math.cos(lean / 2), 0.0, math.sin(lean / 2), 0.0])
    x = flown(SimTruth(rotor_drag=k), 5.0, thrust, attitude=attitude)
    # Downhill along the body's own x axis, (cos, 0, −sin) of the lean; nothing moves it across.
    speed = MASS * GRAVITY * math.sin(lean) / (4 * k * math.sqrt(thrust))
    np.testing.assert_allclose(x[7:10], speed * np.array([math.cos(lean), 0.0, -math.sin(lean)]), rtol=1e-3, atol=1e-3)


def test_thrust_is_lost_by_the_square_of_the_advance_ratio():
    c, speed = 0.005, 2.0
    x = flown(SimTruth(thrust_loss=c), PERIOD, velocity=np.array([0.0, speed, 0.0]))
    thrust = HOVER / (1 + c * speed**2 / HOVER)
    assert x[9] / PERIOD == pytest.approx(4 * thrust / MASS - GRAVITY, rel=1e-6)
    assert x[8] == pytest.approx(speed, rel=1e-9)


@pytest.mark.parametrize("height", [0.06, 0.1, 0.3, HIGH])
def test_static_thrust_near_the_ground_is_that_of_cheeseman_and_bennett(height: float):
    radius = 0.1
    x = flown(SimTruth(ground_effect_radius=radius), PERIOD, position=np.array([0.0, 0.0, height]))
    gain = 1 / (1 - (radius / (4 * height)) ** 2)
    assert x[9] / PERIOD == pytest.approx((gain - 1) * GRAVITY, abs=1e-6)


@pytest.mark.parametrize(("start", "command", "scale"), [(0.05, 0.08, 1.5), (0.08, 0.05, 1.5 * 2.0)])
def test_motors_spin_up_and_down_with_time_constants_of_their_own(start: float, command: float, scale: float):
    x = flown(SimTruth(motor_lag_scale=1.5, spin_down_scale=2.0), 0.1, start, command)
    np.testing.assert_allclose(x[13:], command + (start - command) * math.exp(-0.1 / (scale * LAG)), rtol=1e-6)


def test_rotors_that_turn_with_the_body_are_dragged_at_their_hubs():
    """A body that turns about its axis with ω moves its hubs with ω · arm across theirs: torque −4 k √T arm² ω."""
    k, omega = 0.01, 5.0
    p = ROBOT.dynamics.parameters
    x = hover_state(ROBOT.dynamics)
    x[2], x[12] = HIGH, omega
    plant = MujocoPlant(ROBOT, x, SimTruth(rotor_drag=k), 0, PERIOD)
    plant.apply(np.full(4, HOVER))
    torque = p["inertia_z"].value * (plant.read()[1][12] - omega) / PERIOD
    assert torque == pytest.approx(-4 * k * math.sqrt(HOVER) * p["arm"].value ** 2 * omega, rel=1e-6)


@pytest.mark.parametrize("name", ["rotor_drag", "thrust_loss", "ground_effect_radius", "motor_lag_scale"])
def test_what_only_rotors_have_is_refused_for_a_robot_without_them(name: str, tmp_path):
    with pytest.raises(ValueError, match=f"'{name}' is 2; 'slider' does not fly with rotors, so it must be"):
        MujocoPlant(slider(tmp_path), np.zeros(4), SimTruth(**{name: 2.0}), 0, PERIOD)
