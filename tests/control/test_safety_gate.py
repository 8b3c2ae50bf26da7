"""What the last functions before the actuators let pass, exactly at their limits, and the words with which they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.control.safety_gate import (
    CommandLimits,
    JointLimit,
    PlanFacts,
    gate,
    message_fault,
    motion_faults,
    plan_fault,
)

LIMITS = CommandLimits(np.array([-1.0, 0.0, -5.0]), np.array([1.0, 0.15, 5.0]), np.array([0.1, 0.03, 100.0]))
# From 1 rad/s it takes 0.125 + 0.25 rad to stop.
JOINT = JointLimit("elbow", "elbow_dot", "rad", lower=-1.0, upper=3.0, speed=2.0, deceleration=2.0, reaction_s=0.125)
ELBOW = (JOINT,)
OLDEST_NS = 30_000_000
GOOD = PlanFacts(age_ns=OLDEST_NS - 1, valid_ns=1, epoch=7, leading_epoch=7)


@pytest.mark.parametrize(
    ("command", "sent", "reasons"),
    [
        ([0.0625, -0.0, 5.0], [0.0625, 0.0, 5.0], ()),
        ([1.2, 0.0, 0.0], [0.1, 0.0, 0.0], ("range", "slew")),
        ([-1.2, 0.0, 0.0], [-0.1, 0.0, 0.0], ("range", "slew")),
        ([0.0, 0.1, 0.0], [0.0, 0.03, 0.0], ("slew",)),
        ([0.0, 0.0, 6.0], [0.0, 0.0, 5.0], ("range",)),
        ([0.0, -0.5, 6.0], [0.0, 0.0, 5.0], ("range",)),
        ([0.2, 0.0, 6.0], [0.1, 0.0, 5.0], ("range", "slew")),
        ([0.0, 0.0, 1e308], [0.0, 0.0, 5.0], ("range",)),
    ],
)
def test_the_nearest_safe_command_goes_out_and_every_reason_is_named(
    command: list[float], sent: list[float], reasons: tuple[str, ...]
):
    safe, told = gate(np.array(command), np.zeros(3), LIMITS)
    np.testing.assert_array_equal(safe, sent)
    assert told == reasons


def test_a_command_of_whole_numbers_is_one():
    whole, limits = np.array([0, 0, 4]), CommandLimits(np.array([-1, 0, -5]), np.array([1, 1, 5]), np.array([1, 1, 9]))
    safe, reasons = gate(whole, np.zeros(3, dtype=int), limits)
    np.testing.assert_array_equal(safe, np.array([0.0, 0.0, 4.0]), strict=True)
    assert reasons == ()
    for bad in (np.zeros(2), np.full(3, np.nan)):
        np.testing.assert_array_equal(gate(bad, whole, limits)[0], np.array([0.0, 0.0, 4.0]), strict=True)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (np.array([np.nan, 0, 0]), "not finite"),
        (np.array([0, np.inf, 0]), "not finite"),
        (np.array([0, 0, -np.inf]), "not finite"),
        (np.array([0.0, 0.0]), "shape (2,) instead of (3,)"),
        (np.zeros((1, 3)), "shape (1, 3) instead of (3,)"),
        (np.array([0j, 0j, 0j]), "not finite"),
        (np.array([True, True, True]), "not finite"),
        (np.array(["0", "0", "0"]), "not finite"),
        (np.array([None, None, None]), "not finite"),
    ],
)
def test_what_is_no_command_repeats_the_last_one(command: np.ndarray, reason: str):
    last = np.array([0.2, 0.1, -3.0])
    safe, reasons = gate(command, last, LIMITS)
    np.testing.assert_array_equal(safe, last)
    assert reasons == (reason,)


@pytest.mark.parametrize(
    ("last", "counted_as"),
    [
        ([np.nan, 9.0, -9.0], [0.0, 0.15, -5.0]),
        ([np.inf, -np.inf, 0.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.0], [0.0, 0.0, 0.0]),
        ([[0.5, 0.1, 0.1]], [0.0, 0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("command", [np.zeros(4), np.full(3, np.nan)])
def test_a_last_command_that_never_was_counts_as_the_nearest_in_range(
    last: list[float], counted_as: list[float], command: np.ndarray
):
    np.testing.assert_array_equal(gate(command, np.array(last), LIMITS)[0], counted_as)
    away_from_0 = CommandLimits(np.array([2.0]), np.array([3.0]), np.array([0.5]))
    np.testing.assert_array_equal(gate(np.array([3.0]), np.array([np.nan]), away_from_0)[0], [2.5])


def test_rounding_is_no_intervention_and_a_little_more_is():
    for size in (0.0, 1.0, 1e6):
        limits = CommandLimits(np.array([-size]), np.array([size]), np.array([2 * size + 1]))
        rounded = size + 0.9e-9 * (1 + size)
        for command, told in ((rounded, ()), (-rounded, ()), (size + 1.1e-9 * (1 + size), ("range",))):
            safe, reasons = gate(np.array([command]), np.zeros(1), limits)
            assert (abs(safe[0]), reasons) == (size, told)
    for size in (1e-3, 1.0, 1e6):
        limits = CommandLimits(np.array([-9e6]), np.array([9e6]), np.array([size]))
        for excess, told in ((0.9e-9 * (1 + size), ()), (1.1e-9 * (1 + size), ("slew",))):
            for sign in (-1.0, 1.0):
                safe, reasons = gate(np.array([sign * (size + excess)]), np.zeros(1), limits)
                assert (safe[0], reasons) == (sign * size, told)


def test_what_is_called_rounding_ends_at_one_part_in_1e9():
    largest = 1.0000000010000002e-09
    assert largest == 1e-9 * (1 + largest)
    limits = CommandLimits(np.array([0.0]), np.array([1.0]), np.array([5e-324]))
    assert gate(np.array([-largest]), np.zeros(1), limits) == (np.zeros(1), ())
    assert gate(np.array([largest]), np.zeros(1), limits) == (np.array([5e-324]), ())
    more = math.nextafter(largest, 1)
    assert gate(np.array([-more]), np.zeros(1), limits)[1] == ("range",)
    assert gate(np.array([more]), np.zeros(1), limits)[1] == ("slew",)


@pytest.mark.parametrize(
    ("lower", "upper", "step", "words"),
    [
        ([0.0], [1.0, 2.0], [1.0], "command limits [0.] to [1. 2.]: finite, equally many and in ascending order"),
        ([0.0], [1.0], [1.0, 1.0], "command limits [0.] to [1.]: finite, equally many and in ascending order"),
        ([[0.0]], [[1.0]], [[1.0]], "command limits [[0.]] to [[1.]]: finite, equally many and in ascending order"),
        ([1.0], [0.0], [1.0], "command limits [1.] to [0.]: finite, equally many and in ascending order"),
        ([np.nan], [0.0], [1.0], "command limits [nan] to [0.]: finite, equally many and in ascending order"),
        ([0.0], [np.nan], [1.0], "command limits [0.] to [nan]: finite, equally many and in ascending order"),
        ([-np.inf], [0.0], [1.0], "command limits [-inf] to [0.]: finite, equally many and in ascending order"),
        ([0.0], [np.inf], [1.0], "command limits [0.] to [inf]: finite, equally many and in ascending order"),
        ([0.0], [1.0], [0.0], "command limits: the largest step is [0.]; each must be above 0"),
        ([0.0], [1.0], [np.nan], "command limits: the largest step is [nan]; each must be above 0"),
        ([0.0, 0.0], [1.0, 1.0], [1.0, -1.0], "command limits: the largest step is [ 1. -1.]; each must be above 0"),
    ],
)
def test_command_limits_that_make_no_sense_are_refused(lower: list[float], upper: list[float], step: list[float], words: str):
    with pytest.raises(ValueError, match="command limits") as caught:
        CommandLimits(np.array(lower), np.array(upper), np.array(step))
    assert str(caught.value) == words


def test_a_command_may_have_one_value_only_and_any_step():
    limits = CommandLimits(np.array([2.0]), np.array([2.0]), np.array([np.inf]))
    assert gate(np.array([9.0]), np.array([2.0]), limits)[0] == 2.0
    assert gate(np.array([2.0]), np.array([2.0]), replace(limits, step=np.array([1e-3])))[1] == ()


@pytest.mark.parametrize(
    ("position", "velocity", "fault"),
    [
        (-1.0, 0.0, ""),
        (3.0, 0.0, ""),
        (3.0, -1.0, ""),
        (-1.0, 1.0, ""),
        (1.0, 2.0, ""),  # needs 0.25 + 1
        (2.625, 1.0, ""),
        (-0.625, -1.0, ""),
        (3.0625, 0.0, "elbow is at 3.062 rad, outside of -1 to 3 rad"),
        (-1.0625, 0.0, "elbow is at -1.062 rad, outside of -1 to 3 rad"),
        (math.nan, 0.0, "elbow is at nan rad, outside of -1 to 3 rad"),
        (1.0, 2.0625, "elbow_dot is 2.062 rad/s; at most 2 rad/s is allowed"),
        (1.0, -2.0625, "elbow_dot is -2.062 rad/s; at most 2 rad/s is allowed"),
        (1.0, math.nan, "elbow_dot is nan rad/s; at most 2 rad/s is allowed"),
        (1.0, -math.inf, "elbow_dot is -inf rad/s; at most 2 rad/s is allowed"),
        (2.6875, 1.0, "elbow has 0.3125 rad left and needs 0.375 rad to stop"),
        (-0.6875, -1.0, "elbow has 0.3125 rad left and needs 0.375 rad to stop"),
        (3.0, 0.5, "elbow has 0 rad left and needs 0.125 rad to stop"),
    ],
)
def test_a_joint_may_be_where_and_as_fast_as_it_can_still_stop(position: float, velocity: float, fault: str):
    assert motion_faults(ELBOW, [position], [velocity], is_braked=False) == ((fault,) if fault else ())


@pytest.mark.parametrize(
    ("position", "velocity", "fault"),
    [
        (3.0, 0.0, ""),
        (-1.0, 0.0, ""),
        (1.0, 1.0, ""),
        (2.25, 1.0, ""),
        (1.0, 1.0625, "elbow_dot is 1.062 rad/s; at most 1 rad/s is allowed"),
        (2.3125, 1.0, "elbow has 0.6875 rad left and needs 0.75 rad to stop"),
        (3.0625, 0.0, "elbow is at 3.062 rad, outside of -1 to 3 rad"),
    ],
)
def test_a_braked_joint_is_free_at_half_the_speed_and_with_twice_the_distance(position: float, velocity: float, fault: str):
    assert motion_faults(ELBOW, [position], [velocity], is_braked=True) == ((fault,) if fault else ())


def test_every_joint_at_fault_is_named_once():
    wrist = replace(JOINT, position="wrist", velocity="wrist_dot", unit="m")
    faults = motion_faults((JOINT, wrist, JOINT), [1.0, 4.0, 3.5], [9.0, 9.0, 0.0], is_braked=False)
    assert faults == (
        "elbow_dot is 9 rad/s; at most 2 rad/s is allowed",
        "wrist is at 4 m, outside of -1 to 3 m",
        "elbow is at 3.5 rad, outside of -1 to 3 rad",
    )
    assert motion_faults((), [], [], is_braked=False) == ()


def test_facts_of_another_number_of_joints_are_an_error():
    for positions, velocities in (([0.0, 0.0], [0.0]), ([0.0], [0.0, 0.0]), ([], [])):
        with pytest.raises(ValueError, match="zip"):
            motion_faults(ELBOW, positions, velocities, is_braked=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lower": 3.0}, "limits of elbow: 3.0 to 3.0 rad; finite and ascending"),
        ({"lower": -math.inf}, "limits of elbow: -inf to 3.0 rad; finite and ascending"),
        ({"upper": math.inf}, "limits of elbow: -1.0 to inf rad; finite and ascending"),
        ({"upper": math.nan}, "limits of elbow: -1.0 to nan rad; finite and ascending"),
        ({"speed": 0.0}, "speed 0.0, deceleration 2.0, reaction_s 0.125"),
        ({"speed": math.inf}, "speed inf, deceleration 2.0, reaction_s 0.125"),
        ({"speed": math.nan}, "speed nan, deceleration 2.0, reaction_s 0.125"),
        ({"deceleration": 0.0}, "speed 2.0, deceleration 0.0, reaction_s 0.125"),
        ({"deceleration": math.inf}, "speed 2.0, deceleration inf, reaction_s 0.125"),
        ({"reaction_s": -0.125}, "speed 2.0, deceleration 2.0, reaction_s -0.125"),
        ({"reaction_s": math.inf}, "speed 2.0, deceleration 2.0, reaction_s inf"),
    ],
)
def test_joint_limits_that_make_no_sense_are_refused(changes: dict[str, float], words: str):
    if not words.startswith("limits"):
        words = f"limits of elbow: {words}; finite, the first two above 0, the last at least 0"
    with pytest.raises(ValueError, match="limits of elbow") as caught:
        replace(JOINT, **changes)  # type: ignore[arg-type]
    assert str(caught.value) == words


def test_small_numbers_are_limits_too_and_a_brake_may_act_at_once():
    joint = replace(JOINT, speed=0.5, deceleration=0.5, reaction_s=0.0)
    assert joint.stopping_distance(-0.5) == 0.25


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"age_ns": 30_000_000}, "no plan for 30.0 ms"),
        ({"age_ns": 10**13}, "no plan for 10000000.0 ms"),
        ({"age_ns": 45_678_900, "valid_ns": 0, "epoch": 1}, "no plan for 45.7 ms"),
        ({"valid_ns": 0, "epoch": 1}, "the plan's validity ended"),
        ({"epoch": 6}, "the plan is of controller 6; 7 leads"),
        ({"epoch": 8}, "the plan is of controller 8; 7 leads"),
    ],
)
def test_a_plan_is_followed_while_it_is_young_and_valid_and_of_the_controller_that_leads(changes: dict[str, int], fault: str):
    assert plan_fault(replace(GOOD, **changes), OLDEST_NS) == fault


def test_as_many_messages_as_are_allowed_are_no_fault():
    assert message_fault(64, 64) == ""
    assert message_fault(65, 64) == "65 messages in one tick; at most 64 are allowed"
