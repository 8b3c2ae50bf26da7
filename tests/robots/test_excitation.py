"""How robots may be moved to be identified."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mpc_controller.identification.excitation.experiment import excitation_of
from robots import ROBOTS, load_robot
from robots.quadrotor.excitation import turned
from robots.quadrotor.reference import state_along
from robots.quadrotor.tasks import heading

load = cache(load_robot)


@pytest.mark.parametrize("name", ROBOTS)
def test_an_excitation_fits_its_robot(name: str):
    robot = load(name)
    excitation = excitation_of(robot)
    task = robot.tasks[excitation.task]()
    times = np.linspace(0.0, excitation.lead_s, 50)
    motion = np.zeros((4, len(times), len(excitation.channels)))
    motion[0] = [channel.centre for channel in excitation.channels]
    rows = excitation.reference(times, motion)
    assert rows.shape == (50, task.problem.nr)
    assert np.isfinite(rows).all()
    for channel in excitation.channels:
        assert 0 < channel.band[0] < channel.band[1]
        assert min(channel.amplitude, channel.rate, channel.acceleration) > 0
        assert channel.shape in ("multisine", "doublets")


def test_a_turned_flight_has_the_same_thrust_axis_another_heading_and_the_rates_of_its_quaternion():
    def motion(t: np.ndarray) -> np.ndarray:
        sin, cos, zero = np.sin(2 * t), np.cos(2 * t), np.zeros_like(t)
        return np.stack([np.stack(row, 1) for row in ((sin, cos, zero), (2 * cos, -2 * sin, zero),
                                                      (-4 * sin, -4 * cos, zero), (-8 * cos, 8 * sin, zero))])  # fmt: skip

    def states(t: np.ndarray) -> np.ndarray:
        return turned(state_along(motion(t), 0.027), 0.6 * np.sin(3 * t), 1.8 * np.cos(3 * t))

    times, h = np.linspace(0.0, 2.0, 40), 1e-6
    x, manifold = states(times), load("quadrotor").dynamics.manifold
    straight = state_along(motion(times), 0.027)
    before, after = states(times - h), states(times + h)
    rates = [manifold.difference(b, a)[3:6] / (2 * h) for a, b in zip(before, after, strict=True)]
    np.testing.assert_allclose(x[:, 10:13], rates, atol=1e-5)
    tilt, untwisted = (np.stack([2 * (q[:, 4] * q[:, 6] + q[:, 3] * q[:, 5]), 2 * (q[:, 5] * q[:, 6] - q[:, 3] * q[:, 4])])
                       for q in (x, straight))  # fmt: skip
    np.testing.assert_allclose(tilt, untwisted, atol=1e-12)
    level = turned(np.tile(straight[:1] * 0 + [*[0] * 3, 1, *[0] * 13], (1, 1)), np.array([0.7]), np.array([0.0]))
    assert heading(level[0, 3:7]) == pytest.approx(0.7)
