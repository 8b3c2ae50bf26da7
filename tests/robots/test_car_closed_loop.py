"""The car under model-predictive control, in a plant that is heavier, slower and slipperier than the model."""

from __future__ import annotations

import numpy as np
import pytest

from robots.car import robot
from robots.car.tasks import DISC_RADIUS, LANE_HALF_WIDTH, STEERING_LIMIT, free_space
from sim.truth import SimTruth
from tests.robots.closed_loop import PLANT_PERIOD, closed_loop

TRUTH = SimTruth(
    mass_scale=1.1, linear_drag=0.5, actuator_delay_s=0.004, parameter_scale={"friction": 0.85, "front_stiffness": 0.9}
)


@pytest.fixture(scope="module")
def passing() -> tuple[np.ndarray, np.ndarray]:
    """States and controls, a row for every 2 ms, of one run of pass-obstacle with noisy measurements."""
    car = robot()
    task = car.tasks["pass-obstacle"]()
    states, controls, usable = closed_loop(car, task, TRUTH, 0.02, task.duration_s)
    assert all(usable)
    return states, controls


def test_it_passes_the_obstacle_without_touching_it(passing):
    states, _ = passing
    assert min(free_space(x) for x in states) > 0.02
    assert states[-1, 0] > 12.0


def test_it_keeps_lane_and_steering_within_their_limits(passing):
    states, _ = passing
    assert np.abs(states[:, 1]).max() < LANE_HALF_WIDTH - DISC_RADIUS
    assert np.abs(states[:, 6]).max() <= STEERING_LIMIT


def test_it_returns_to_the_lanes_middle_at_speed(passing):
    states, _ = passing
    assert abs(states[-1, 1]) < 0.02
    assert states[-1, 3] == pytest.approx(2.0, abs=0.1)


def test_commands_change_slower_than_the_actuators_may(passing):
    _, controls = passing
    assert (np.abs(np.diff(controls, axis=0)) <= robot().control_slew * PLANT_PERIOD).all()
