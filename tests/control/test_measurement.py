"""What a driver may give, and what of it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpc_controller.control.measurement import MeasurementCheck, as_vector
from robots import load_robot
from tests.control.machines import sled, top


@pytest.mark.parametrize("reading", [None, "nothing", np.zeros((1, 1)), np.array(3.0), [[1.0], [2.0, 3.0]], [10**400], [1j]])
def test_what_is_no_row_of_numbers_is_empty(reading: Any):
    assert as_vector(reading).shape == (0,)


def test_numbers_are_copied_as_floats():
    reading = np.array([1, 2], dtype=np.int32)
    vector = as_vector(reading)
    reading[:] = 0
    np.testing.assert_array_equal(vector, [1.0, 2.0])
    assert vector.dtype == np.float64


@pytest.mark.parametrize("vector", [[], [1.0, 2.0], [np.nan], [-np.inf]])
def test_a_reading_needs_one_finite_number_for_each_measured_state(vector: list[float]):
    assert MeasurementCheck(sled()).fault_of(np.array(vector)) == "1 finite numbers are needed"
    assert MeasurementCheck(sled()).fault_of(np.array([0.5])) == ""


@pytest.mark.parametrize("robot", [top(), load_robot("quadrotor")])
def test_an_attitude_sensor_that_gives_zeros_is_dead(robot: Any):
    check, count = MeasurementCheck(robot), len(robot.measured)
    sound = np.zeros(count)
    sound[robot.measured.index(robot.dynamics.state_names[robot.dynamics.manifold.quaternions[0]])] = -1.01
    assert check.fault_of(sound) == ""
    assert "unit length" in check.fault_of(np.zeros(count))
