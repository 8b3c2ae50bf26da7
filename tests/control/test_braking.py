"""When the ladder makes a robot brake, who leads meanwhile, and where it then holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.bus.messages import EStop, Mode
from mpc_controller.control.hold import Hold
from mpc_controller.control.ladder import Ladder
from mpc_controller.control.reject import Reject
from mpc_controller.control.safety_gate import JointLimit
from tests.control.machines import MS, plan, sled

# The sled's rail. From 1 m/s it needs 0.02 + 0.1 m.
RAIL = JointLimit("q", "q_dot", "m", lower=-1.0, upper=1.0, speed=2.0, deceleration=5.0, reaction_s=0.02)
ROBOT = sled(measured=("q", "q_dot"), measurement_std=np.full(2, 1e-3), joint_limits=(RAIL,))
SAFE, TOO_LATE = np.array([0.5, 1.0]), np.array([0.95, 1.0])


def flying(measured: np.ndarray = SAFE) -> Ladder:
    """At 2 ms, with a plan of controller 1 that is valid for a second."""
    ladder = Ladder(ROBOT, 500 * MS)
    ladder.acceptance.observed(0, 0)
    ladder.acceptance.observed(1, 2 * MS)
    ladder.measured(0, measured)
    assert ladder.offer(plan(ROBOT), 0) is None
    ladder.step(2 * MS)
    return ladder


def test_a_motion_that_can_hardly_be_stopped_any_more_is_a_hold_with_numbers():
    ladder = flying()
    assert (ladder.mode, ladder.motion_faults) == (Mode.NOMINAL, ())
    ladder.measured(4 * MS, TOO_LATE)
    change = ladder.step(4 * MS)
    assert change is not None
    assert (change.before, change.after) == (Mode.NOMINAL, Mode.HOLD)
    assert change.reason == "q has 0.05 m left and needs 0.12 m to stop"
    assert ladder.motion_faults == (change.reason,)


def test_the_plan_goes_on_once_there_is_twice_the_braking_distance():
    ladder = flying(TOO_LATE)
    for time_ms, measured, mode in (
        (4, [0.95, 0.42], Mode.HOLD),  # needs 2 x 0.026 m
        (6, [0.95, 0.42], Mode.HOLD),
        (8, [0.95, 0.4], Mode.NOMINAL),
        (10, [0.95, 0.42], Mode.NOMINAL),
        (12, [1.01, 0.0], Mode.HOLD),
        (14, [0.99, 0.0], Mode.NOMINAL),
    ):
        ladder.measured(time_ms * MS, np.array(measured))
        ladder.step(time_ms * MS)
        assert ladder.mode is mode, time_ms


def test_while_it_brakes_its_controller_stays_in_charge():
    ladder = flying(TOO_LATE)
    assert ladder.mode is Mode.HOLD
    assert ladder.offer(plan(ROBOT, epoch=2), 2 * MS) is Reject.OTHER_IN_CHARGE
    assert ladder.offer(plan(ROBOT, sequence=2), 2 * MS) is None


def test_without_a_plan_and_when_stopped_the_motion_is_still_watched():
    ladder = Ladder(ROBOT, 10 * MS)
    ladder.measured(0, TOO_LATE)
    ladder.step(0)
    assert (ladder.mode, bool(ladder.motion_faults)) == (Mode.HOLD, True)
    ladder.e_stop(EStop(1))
    ladder.step(2 * MS)
    assert (ladder.mode, bool(ladder.motion_faults)) == (Mode.E_STOP, True)


def test_more_than_64_messages_in_a_tick_are_a_hold_for_that_tick_and_nobody_takes_over_by_them():
    ladder = flying()
    for _ in range(65):
        assert ladder.offer(plan(ROBOT, epoch=2), 2 * MS) is Reject.OTHER_IN_CHARGE
    change = ladder.step(4 * MS)
    assert change is not None
    assert (change.after, change.reason) == (Mode.HOLD, "65 messages in one tick; at most 64 are allowed")
    assert ladder.offer(plan(ROBOT, epoch=2), 4 * MS) is Reject.OTHER_IN_CHARGE
    ladder.step(6 * MS)
    assert ladder.mode is Mode.NOMINAL


def test_joint_limits_need_measured_states():
    robot = sled(joint_limits=(RAIL,))
    with pytest.raises(ValueError, match="joint limits of sled for q_dot; only measured states can have some"):
        Ladder(robot, 10 * MS)


def test_a_braked_robot_holds_where_it_was_and_not_where_the_plan_wanted_it():
    hold = Hold(ROBOT)
    hold.begin(np.array([0.1, 0.0]), braked_at=np.array([0.6, 1.0]))
    np.testing.assert_allclose(hold.command(np.array([0.6, 1.0])), [-5.0])
    np.testing.assert_allclose(hold.command(np.array([0.7, 0.0])), [-2.0])


def test_the_place_of_a_hold_is_always_within_the_joint_limits():
    hold = Hold(ROBOT)
    for planned, braked_at in ((np.array([1.5, 0.0]), None), (np.array([0.0, 0.0]), np.array([1.2, 0.5]))):
        hold.begin(planned, braked_at)
        np.testing.assert_allclose(hold.command(np.array([0.98, 0.0])), [0.0], atol=1e-12)
    hold.begin(None)
    np.testing.assert_allclose(hold.command(np.array([-1.2, 0.0])), [-20 * (-1.2 + 0.98)])
    unlimited = Hold(replace(ROBOT, joint_limits=()))
    unlimited.begin(np.array([1.5, 0.0]))
    np.testing.assert_allclose(unlimited.command(np.array([1.5, 0.0])), [0.0])
