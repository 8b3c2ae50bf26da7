"""Which observations may be planned from, and how they follow each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.bus.messages import Observation
from mpc_controller.control.measurement import MeasurementCheck
from mpc_controller.node.observed import Hearing, Order, refusal
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


def at(sequence: int, start_ns: int = 0) -> Observation:
    """Of a plant that started at `start_ns`."""
    seen = observation(sled(), sequence, [0.0])
    return replace(seen, time_ns=start_ns + seen.time_ns)


@pytest.mark.parametrize(
    ("sequences", "lost"),
    [
        ([1, 2, 3], 0),
        ([1, 2, 4, 2], 1),  # 2 came once more; 3 did not
        ([1, 2, 4, 3, 3], 0),
        ([5, 9, 6, 6, 7, 8, 7], 0),
        ([1, 2**60, 2**60 - 1], 2**60 - 3),
        ([*range(2, 5000, 2), 4997, 3], 2497),  # 3 comes too late to be one of this run
    ],
)
def test_what_did_not_come_is_lost_until_it_comes(sequences: list[int], lost: int):
    hearing = Hearing()
    for sequence in sequences:
        hearing.take(at(sequence))
    assert hearing.lost == lost


def test_any_order_within_what_a_network_reorders_loses_nothing():
    random = np.random.default_rng(3)
    sent = np.arange(100, 1100)
    order = np.argsort(sent + random.uniform(0, 5, sent.size))
    hearing = Hearing()
    for sequence in sent[order]:
        for _ in range(random.integers(1, 3)):
            hearing.take(at(int(sequence)))
    assert hearing.lost == 0
    assert hearing.newest is not None
    assert hearing.newest.sequence == 1099


@pytest.mark.parametrize("start_ns", [10**12, -(10**12)], ids=["later", "earlier"])
def test_a_plant_that_starts_again_is_noticed_and_words_of_its_old_run_are_not_new(start_ns: int):
    hearing = Hearing()
    for sequence in (500, 501, 503):
        hearing.take(at(sequence))
    assert hearing.take(at(1, start_ns)) is Order.RESTART
    assert [hearing.take(at(k, start_ns)) for k in (2, 4)] == [Order.NEXT] * 2
    assert hearing.lost == 2
    if start_ns > 0:
        assert hearing.take(at(502)) is Order.LATE
        assert hearing.take(at(5, start_ns)) is Order.NEXT
    assert hearing.lost == 2
