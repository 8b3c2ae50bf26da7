"""Joint limits that robots keep are those of their model files, and their hold laws can stop them as they say."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.control.ladder import Ladder
from mpc_controller.robot import Robot
from robots import ROBOTS, load_robot

LIMITED = ("arm", "cartpole")


@pytest.mark.parametrize("name", ROBOTS)
def test_every_robot_measures_what_its_joint_limits_need(name: str):
    robot = load_robot(name)
    Ladder(robot, 10_000_000)
    assert bool(robot.joint_limits) == (name in LIMITED)


@pytest.mark.parametrize("name", LIMITED)
def test_they_are_the_ranges_of_the_model_file(name: str):
    robot = load_robot(name)
    model = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    for limit in robot.joint_limits:
        assert (limit.lower, limit.upper) == tuple(model.joint(limit.position).range)


def overshoot(robot: Robot, state: Array, command: Array, duration_s: float) -> Array:
    """How far each joint (nq,) goes on, the way that it moves, once the hold law takes over from a command."""
    model = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    model.jnt_limited[:] = 0
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = state[: model.nq], state[model.nq :]
    start, way, far = data.qpos.copy(), np.sign(data.qvel), np.zeros(model.nq)
    step = robot.control_slew / robot.plant_rate_hz
    for _ in range(round(duration_s * robot.plant_rate_hz)):
        asked = robot.hold(np.concatenate([data.qpos, data.qvel]), state)
        command = np.clip(np.clip(asked, command - step, command + step), robot.control_lower, robot.control_upper)
        data.ctrl[:] = command
        mujoco.mj_step(model, data)
        far = np.maximum(far, way * (data.qpos - start))
    return far


@pytest.mark.parametrize("others", [0.0, 1.0])
def test_the_arm_stops_every_joint_from_full_speed_within_what_its_limits_say(others: float):
    robot, random = load_robot("arm"), np.random.default_rng(5)
    lower, upper, speed = (np.array([getattr(j, k) for j in robot.joint_limits]) for k in ("lower", "upper", "speed"))
    for trial in range(28):
        joint = trial % 7
        rates = others * random.uniform(-speed, speed)
        rates[joint] = random.choice([-1, 1]) * speed[joint]
        state = np.concatenate([random.uniform(lower, upper), rates])
        far = overshoot(robot, state, random.uniform(robot.control_lower, robot.control_upper), 0.8)
        assert far[joint] <= robot.joint_limits[joint].stopping_distance(speed[joint])


@pytest.mark.parametrize("speed", [0.3, 1.0, 2.0, 4.0, 6.0])
def test_the_cart_stops_under_a_hanging_pole_within_what_its_limit_says(speed: float):
    robot = load_robot("cartpole")
    for command in (-20.0, 20.0):
        far = overshoot(robot, np.array([0.0, math.pi, speed, 0.0]), np.array([command]), 0.6)
        assert far[0] <= robot.joint_limits[0].stopping_distance(speed)
