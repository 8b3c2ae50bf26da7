"""The cart-pole under model-predictive control, in a plant that is heavier, slower and rubs more than the model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robots import load_robot
from sim.truth import SimTruth
from tests.robots.closed_loop import PLANT_PERIOD, closed_loop

TRUTH = SimTruth(mass_scale=1.05, joint_damping_scale=2.0, actuator_delay_s=0.004)


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    """(2000, 4) of 4 s of swing-up."""
    robot = load_robot("cartpole")
    return closed_loop(robot, robot.tasks["swing-up"](), TRUTH, 0.01, 4.0)[0]


def test_it_swings_the_pole_up_within_three_seconds_and_keeps_it_there(states):
    angles = np.array([math.remainder(angle, math.tau) for angle in states[:, 1]])
    assert np.abs(angles[round(3.0 / PLANT_PERIOD) :]).max() < 0.1


def test_it_stays_clear_of_the_rails_ends(states):
    assert np.abs(states[:, 0]).max() < 1.25
