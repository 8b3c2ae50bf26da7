"""What the last function before the actuators guarantees, for any command at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from mpc_controller.arrays import Array
from mpc_controller.control.safety_gate import CommandLimits, gate

LIMITS = CommandLimits(np.array([-1.0, 0.0, -5.0]), np.array([1.0, 0.15, 5.0]), np.array([0.1, 0.03, 100.0]))
anything = stn.arrays(np.float64, 3, elements=st.floats(allow_nan=True, allow_infinity=True))
shapes = stn.arrays(np.float64, stn.array_shapes(min_dims=0, max_dims=2, max_side=4), elements=st.floats(-9, 9))
share = stn.arrays(np.float64, 3, elements=st.floats(0, 1))


def inside(fraction: Array) -> Array:
    return LIMITS.lower + fraction * (LIMITS.upper - LIMITS.lower)


@given(st.one_of(anything, shapes), share)
def test_whatever_is_asked_what_goes_out_is_finite_in_range_and_within_slew(command: Array, fraction: Array):
    last = inside(fraction)
    safe, reasons = gate(command, last, LIMITS)
    assert safe.shape == (3,)
    assert np.isfinite(safe).all()
    assert (safe >= LIMITS.lower).all()
    assert (safe <= LIMITS.upper).all()
    assert (np.abs(safe - last) <= LIMITS.step * (1 + 1e-12)).all()
    assert reasons or np.allclose(safe, command, rtol=1e-8, atol=1e-8)


@given(share, share)
def test_a_safe_command_passes_untouched(fraction: Array, step: Array):
    last = inside(fraction)
    command = np.clip(last + 0.99 * (2 * step - 1) * LIMITS.step, LIMITS.lower, LIMITS.upper)
    safe, reasons = gate(command, last, LIMITS)
    np.testing.assert_array_equal(safe, command)
    assert reasons == ()


@given(st.one_of(anything, shapes), share)
def test_the_gate_has_nothing_to_say_against_its_own_commands(command: Array, fraction: Array):
    last = inside(fraction)
    safe, _ = gate(command, last, LIMITS)
    assert gate(safe, last, LIMITS)[1] == ()


@pytest.mark.parametrize(
    ("command", "reasons"),
    [
        ([np.nan, 0, 0], ("not finite",)),
        ([0, np.inf, 0], ("not finite",)),
        ([0, 0], ("shape (2,) instead of (3,)",)),
        ([1.2, 0, 0], ("range", "slew")),
        ([0, 0.1, 0], ("slew",)),
        ([0, 0, 6], ("range",)),
    ],
)
def test_every_reason_is_named(command: list[float], reasons: tuple[str, ...]):
    assert gate(np.array(command, dtype=float), np.zeros(3), LIMITS)[1] == reasons


def test_what_is_no_command_repeats_the_last_one():
    last = np.array([0.2, 0.1, -3.0])
    np.testing.assert_array_equal(gate(np.full(3, np.nan), last, LIMITS)[0], last)
    np.testing.assert_array_equal(gate(np.zeros(4), last, LIMITS)[0], last)


@pytest.mark.parametrize(
    ("lower", "upper", "step"),
    [
        ([0.0], [1.0, 2.0], [1.0]),
        ([1.0], [0.0], [1.0]),
        ([np.nan], [0.0], [1.0]),
        ([0.0], [1.0], [0.0]),
        ([0.0], [1.0], [np.nan]),
    ],
)
def test_limits_that_make_no_sense_are_refused(lower: list[float], upper: list[float], step: list[float]):
    with pytest.raises(ValueError, match="command limits"):
        CommandLimits(np.array(lower), np.array(upper), np.array(step))
