"""kill -9 of the controller in flight: the plant holds in time, by its own clock, and a new controller takes over gently."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.bus.messages import Mode, Observation
from mpc_controller.robot import Robot
from robots import load_robot
from tests.integration.flight import Flight

SHORTEST_HOLD_NS = 20_000_000


@pytest.mark.parametrize(("name", "task"), [("quadrotor", "hover"), ("cartpole", "balance")])
def test_a_killed_controller_is_held_for_in_time_and_a_new_one_takes_over_without_a_jump(
    name: str, task: str, tmp_path: Path
) -> None:
    robot = load_robot(name)
    with Flight(name, task, tmp_path) as flight:
        first = flight.start_controller()
        flight.listen_until(1000, lambda o: o.mode is Mode.NOMINAL)  # 2 s: the quadrotor is in the air
        first.kill()
        flight.listen_until(150, lambda o: o.mode is Mode.HOLD)
        before = flight.observations[-1]
        flight.start_controller()
        flight.listen_until(500, lambda o: o.mode is Mode.NOMINAL)
        after = flight.observations[-1]
        flight.stop_plant()

    sequences = [o.sequence for o in flight.observations]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    check_holds(flight.observations, robot)
    check_slew(flight.observations, robot)
    assert before.plan_epoch > 0
    assert before.plan_sequence == 0
    assert after.plan_epoch > before.plan_epoch
    assert any(e.details.get("to") == "HOLD" and "no plan for" in e.text for e in flight.events)


def check_holds(observations: list[Observation], robot: Robot) -> None:
    """Every hold begins at most max(3 plan periods, 20 ms) after the observation that the last plan answers; it shows a tick
    later."""
    holds = [(a, b) for a, b in pairwise(observations) if a.plan_sequence and b.mode is Mode.HOLD]
    assert holds
    tick_ns = round(1e9 / robot.plant_rate_hz)
    for followed, held in holds:
        answered_ns = followed.time_ns - followed.plan_age_ns
        assert held.time_ns - answered_ns <= max(3 * followed.plan_period_ns, SHORTEST_HOLD_NS) + tick_ns


def check_slew(observations: list[Observation], robot: Robot) -> None:
    commands = np.array([o.control for o in observations])
    step = robot.control_slew / robot.plant_rate_hz
    assert (np.abs(np.diff(commands, axis=0)) <= step * (1 + 1e-9)).all()
