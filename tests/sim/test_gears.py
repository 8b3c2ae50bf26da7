"""Friction and elasticity of driven joints in the simulated plant, against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.robot import Robot
from robots import load_robot
from robots.arm.tasks import HOME
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.sim.sliders import MASS, SLIDER_XML, ball, slider

PERIOD = 0.002


def plant_of(robot: Robot, truth: SimTruth, x0: list[float] | None = None) -> MujocoPlant:
    start = np.zeros(robot.dynamics.nx) if x0 is None else np.array(x0)
    return MujocoPlant(robot, start, truth, 0, PERIOD)


def flown(plant: MujocoPlant, u: list[float], seconds: float) -> np.ndarray:
    for _ in range(round(seconds / PERIOD)):
        plant.apply(np.array(u))
    return plant.read()[1]


def test_a_joint_sticks_below_its_static_friction_and_slides_above_it(tmp_path: Path):
    truth = SimTruth(stribeck_coulomb=0.5, stribeck_static=1.0, stribeck_speed=0.05)
    assert abs(flown(plant_of(slider(tmp_path), truth), [0.0, 0.9], 1.0)[1]) < 1e-3
    assert flown(plant_of(slider(tmp_path), truth), [0.0, 1.2], 1.0)[1] > 0.05


def test_a_fast_joint_is_braked_by_coulomb_friction_alone(tmp_path: Path):
    truth = SimTruth(stribeck_coulomb=0.5, stribeck_static=5.0, stribeck_speed=0.05)
    x = flown(plant_of(slider(tmp_path), truth, [0, 0, 0, 3.0]), [0.0, 0.0], 1.0)
    assert x[3] == pytest.approx(3.0 - 0.5 / MASS, rel=1e-2)


def test_friction_between_rest_and_motion_falls_as_stribecks_curve_does(tmp_path: Path):
    speed = 0.4
    truth = SimTruth(stribeck_coulomb=0.5, stribeck_static=2.0, stribeck_speed=0.4)
    x = flown(plant_of(slider(tmp_path), truth, [0, 0, 0, speed]), [0.0, 0.0], PERIOD)
    expected = 0.5 + 1.5 * math.exp(-1.0)
    assert (speed - x[3]) * MASS / PERIOD == pytest.approx(expected, rel=2e-2)


def elastic_slider(folder: Path) -> Robot:
    return slider(folder, SLIDER_XML.replace('type="slide"', 'type="slide" armature="0.5"'))


def test_a_link_behind_a_spring_follows_its_motor_with_the_frequency_of_two_masses(tmp_path: Path):
    """A constant force moves both by F t²/(2 (B + m)), and the spring between them swings about where it rests."""
    stiffness, force, inertia = 200.0, 3.0, 0.5
    robot = elastic_slider(tmp_path)
    x0 = [0.0] * 4
    plant = plant_of(robot, SimTruth(joint_stiffness=stiffness, joint_spring_damping=0.0), x0)
    places = []
    for _ in range(500):
        plant.apply(np.array([0.0, force]))
        places.append(plant.read()[1][1])
    t = PERIOD * np.arange(1, 501)
    omega, share = math.sqrt(stiffness * (1 / inertia + 1 / MASS)), MASS / (MASS + inertia)
    # The spring begins with all of the force, and rests with the link's share of it.
    swing = force * (1 - share) / (MASS * omega**2) * (1 - np.cos(omega * t))
    expected = force / (MASS + inertia) * t**2 / 2 + swing
    np.testing.assert_allclose(places, expected, atol=0.02 * expected[-1])


def test_an_elastic_arm_that_is_held_by_its_motors_stays_where_it_is():
    robot = load_robot("arm")
    plant = plant_of(robot, SimTruth(joint_stiffness=3000.0, noise_scale=0.0), [*HOME, *[0.0] * 7])
    x = flown(plant, robot.neutral.tolist(), 0.5)
    assert not plant.failure
    np.testing.assert_allclose(x[:7], HOME, atol=5e-3)


def test_gears_are_refused_where_no_motor_drives_a_joint_and_springs_where_motors_weigh_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match=r"'stribeck_static' is 1; no motor of 'ball' drives a joint, so it must be 0"):
        MujocoPlant(ball(tmp_path, 0.0), np.array([0, 0, 0, 1.0, *[0] * 9]), SimTruth(stribeck_static=1.0), 0, PERIOD)
    with pytest.raises(ValueError, match=r"'joint_stiffness' needs an armature of every driven joint; '.*' has none"):
        plant_of(slider(tmp_path), SimTruth(joint_stiffness=100.0))
