"""What the safety gate guarantees for any input at all. GATE_CASES sets how many are drawn for each property."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc_controller.arrays import Array
from mpc_controller.control.safety_gate import CommandLimits, JointLimit, gate, motion_faults

cases: Callable[..., Callable[..., None]] = settings(max_examples=int(os.environ.get("GATE_CASES", "150")))

LOWER, UPPER, STEP = [-1.0, 0.0, -5.0], [1.0, 0.15, 5.0], [0.1, 0.03, 100.0]
LIMITS = CommandLimits(np.array(LOWER), np.array(UPPER), np.array(STEP))
JOINT = JointLimit("q", "v", "m", lower=-1.0, upper=1.0, speed=2.0, deceleration=4.0, reaction_s=0.02)
TICK_S = 0.01

number = st.floats(allow_nan=True, allow_infinity=True)
anything = st.lists(number, max_size=5) | st.lists(number, min_size=3, max_size=3)
share = st.tuples(*[st.floats(0, 1)] * 3)
ranges = st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.floats(1e-9, 1e9))


def inside(fraction: tuple[float, ...]) -> Array:
    return np.clip(LIMITS.lower + np.array(fraction) * (LIMITS.upper - LIMITS.lower), LIMITS.lower, LIMITS.upper)


@given(anything, share)
@cases
def test_whatever_is_asked_what_goes_out_is_finite_in_range_and_within_slew(command: list[float], fraction: tuple[float, ...]):
    last = inside(fraction)
    safe, reasons = gate(np.array(command), last, LIMITS)
    for sent, before, lower, upper, step in zip(safe.tolist(), last.tolist(), LOWER, UPPER, STEP, strict=True):
        assert math.isfinite(sent)
        assert lower <= sent <= upper
        assert before - step <= sent <= before + step
    assert reasons or np.allclose(safe, command, rtol=1e-8, atol=1e-8)


@given(anything, anything)
@cases
def test_no_last_command_at_all_lets_something_pass_that_is_not_finite_or_out_of_range(command: list[float], last: list[float]):
    safe, _ = gate(np.array(command), np.array(last), LIMITS)
    assert safe.shape == (3,)
    for sent, lower, upper in zip(safe.tolist(), LOWER, UPPER, strict=True):
        assert lower <= sent <= upper


@given(number, number, ranges)
@cases
def test_any_limits_are_kept(command: float, last: float, sizes: tuple[float, float, float]):
    lower, width, step = sizes
    limits = CommandLimits(np.array([lower]), np.array([lower + width]), np.array([step]))
    sent = gate(np.array([command]), np.array([last]), limits)[0][0]
    assert lower <= sent <= lower + width
    if lower <= last <= lower + width:
        assert last - step <= sent <= last + step


@given(share, share)
@cases
def test_a_safe_command_passes_untouched(fraction: tuple[float, ...], step: tuple[float, ...]):
    last = inside(fraction)
    command = np.clip(last + 0.99 * (2 * np.array(step) - 1) * LIMITS.step, LIMITS.lower, LIMITS.upper)
    safe, reasons = gate(command, last, LIMITS)
    assert safe.tolist() == command.tolist()
    assert reasons == ()


@given(anything, share)
@cases
def test_the_gate_has_nothing_to_change_in_its_own_commands(command: list[float], fraction: tuple[float, ...]):
    last = inside(fraction)
    once, _ = gate(np.array(command), last, LIMITS)
    twice, reasons = gate(once, last, LIMITS)
    assert twice.tolist() == once.tolist()
    assert reasons == ()


@given(number, number, st.booleans())
@cases
def test_no_motion_is_let_pass_that_cannot_be_stopped_before_the_limit(position: float, velocity: float, is_braked: bool):
    if motion_faults((JOINT,), [position], [velocity], is_braked):
        return
    assert abs(velocity) <= JOINT.speed
    stopped = position + math.copysign(JOINT.stopping_distance(velocity), velocity)
    assert JOINT.lower - 1e-12 <= min(position, stopped) <= max(position, stopped) <= JOINT.upper + 1e-12


@given(st.floats(-1, 1), st.floats(-2, 2), st.lists(st.floats(-1, 1), min_size=1, max_size=40))
@cases
def test_a_mass_that_brakes_when_told_stays_between_its_limits_whatever_the_plan(
    position: float, velocity: float, plan: list[float]
):
    """q̈ = what is asked, at most the deceleration. In the tick before the gate sees it, a mass gains at most a dt."""
    if motion_faults((JOINT,), [position], [velocity], is_braked=False):
        return
    is_braked = False
    for asked in [*plan, *[1.0] * 300]:
        is_braked = bool(motion_faults((JOINT,), [position], [velocity], is_braked))
        if is_braked:
            change = min(JOINT.deceleration * TICK_S, abs(velocity))
            new = velocity - math.copysign(change, velocity)
        else:
            new = velocity + asked * JOINT.deceleration * TICK_S
        position += 0.5 * (velocity + new) * TICK_S
        velocity = new
        slack = 2 * JOINT.deceleration * TICK_S**2
        assert JOINT.lower - slack <= position <= JOINT.upper + slack
        assert abs(velocity) <= JOINT.speed + JOINT.deceleration * TICK_S
