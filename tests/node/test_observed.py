"""Which observations may be planned from, and how they follow each other."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.control.measurement import MeasurementCheck
from mpc_controller.node.observed import refusal
from mpc_controller.robot import Robot
from robots import load_robot
from tests.control.machines import observation, sled, top


@pytest.mark.parametrize("robot", [top(), load_robot("quadrotor"), sled()], ids=lambda robot: robot.name)
def test_a_controller_refuses_the_readings_that_the_plant_does(robot: Robot):
    count, check = len(robot.measured), MeasurementCheck(robot)
    readings = [np.zeros(count), np.full(count, 0.5), *np.random.default_rng(0).standard_normal((200, count))]
    faults = [check.fault_of(reading) for reading in readings]
    refused = [refusal(observation(robot, 1, reading), robot) for reading in readings]
    assert [bool(fault) for fault in faults] == [problem is not None for problem in refused]
    if robot.dynamics.manifold.quaternions:
        assert 0 < sum(map(bool, faults)) < len(readings)
        assert refused[0] == ("not a rotation", "observation 1: a quaternion does not have unit length")
