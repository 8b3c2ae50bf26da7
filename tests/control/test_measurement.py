"""What a driver may give, and what of it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpc_controller.control.measurement import MeasurementCheck, as_vector, measured_quaternions
from robots import load_robot
from tests.control.machines import MS, sled, top


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


def test_a_noisy_sensor_that_gives_one_number_for_50_ms_is_frozen_until_it_gives_another():
    check = MeasurementCheck(sled(), ("q",))
    faults = [check.fault_of(np.array([value]), k * 2 * MS) for k, value in enumerate([0.1, *[0.25] * 30, 0.3, 0.25])]
    assert faults[:26] == [""] * 26
    assert faults[26:31] == ["frozen: q"] * 5  # 50 ms after the tick at which it came
    assert faults[31:] == ["", ""]


def test_a_sensor_at_rest_that_has_no_noise_is_not_frozen():
    check = MeasurementCheck(sled())
    assert {check.fault_of(np.array([0.25]), k * 2 * MS) for k in range(1000)} == {""}


def test_noise_of_what_is_not_measured_is_refused():
    with pytest.raises(ValueError, match="does not measure q_dot, of noisy sensors; it does q"):
        MeasurementCheck(sled(), ("q", "q_dot"))


def test_where_quaternions_are_is_found_by_name():
    (block,) = measured_quaternions(top())
    assert [top().measured[i] for i in block] == ["qw", "qx", "qy", "qz"]
    assert measured_quaternions(sled()) == ()
