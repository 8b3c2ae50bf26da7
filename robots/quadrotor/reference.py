"""Wanted flights: smooth paths in time, and the full state that flying along them takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.polynomial import Polynomial

from mpc_controller.arrays import Array
from robots.quadrotor.dynamics import GRAVITY

# Times (n,) [s] → position, velocity, acceleration, jerk (4, n, 3) in the world.
Path: TypeAlias = Callable[[Array], Array]

# From 0 to 1 over τ ∈ [0, 1], with three derivatives that vanish at both ends.
_STEP = Polynomial([0, 0, 0, 0, 35, -84, 70, -20])
# Coefficients (9, 5) of τ⁰..τ⁸ for its integral, itself and three derivatives: one product evaluates them all.
_POLYNOMIALS = (_STEP.integ(), *(_STEP.deriv(i) for i in range(4)))
_COEFFICIENTS = np.stack([np.pad(p.coef, (0, 9 - len(p.coef))) for p in _POLYNOMIALS], axis=1)


def smooth_step(times: Array, start: float, duration: float) -> tuple[Array, Array]:
    """A step from 0 to 1 with its first three derivatives (4, n), and its integral (n,), which go on after the step ends.

    It rests before `start` and after start + duration [s].
    """
    elapsed = (times - start) / duration
    tau = np.minimum(np.maximum(elapsed, 0.0), 1.0)
    values = (tau[:, None] ** np.arange(9.0)) @ _COEFFICIENTS * duration ** np.array([1.0, 0.0, -1.0, -2.0, -3.0])
    return values[:, 1:].T, values[:, 0] + duration * np.maximum(elapsed - 1.0, 0.0)


def through(points: Sequence[Sequence[float]], starts: Sequence[float], duration: float) -> Path:
    """From point to point [m], at rest in each; leg i takes `duration` from starts[i] on."""
    first, legs = np.array(points[0]), np.diff(np.array(points), axis=0)

    def path(times: Array) -> Array:
        motion = np.zeros((4, len(times), 3))
        motion[0] = first
        for start, leg in zip(starts, legs, strict=True):
            motion += smooth_step(times, start, duration)[0][:, :, None] * leg
        return motion

    return path


def lemniscate(length: float, width: float, rate: float, start: float, blend: float, rise: float = 0.0) -> Path:
    """A figure eight (length · sin φ, width · sin φ cos φ, rise · sin² φ) about the origin, its crossing [m].

    φ̇ rises from 0 at `start` to `rate` [rad/s] within `blend` [s].
    """

    def path(times: Array) -> Array:
        step, integral = smooth_step(times, start, blend)
        phase = rate * integral
        d1, d2, d3 = rate * step[:3]
        sin, cos = length * np.sin(phase), length * np.cos(phase)
        sin2, cos2 = width / 2 * np.sin(2 * phase), width / 2 * np.cos(2 * phase)
        up, up1, up2 = rise * np.sin(phase) ** 2, rise * np.sin(2 * phase), 2 * rise * np.cos(2 * phase)
        p1 = np.stack([cos, 2 * cos2, up1])
        p2 = np.stack([-sin, -4 * sin2, up2])
        p3 = np.stack([-cos, -8 * cos2, -4 * up1])
        motion = [
            np.stack([sin, sin2, up]),
            p1 * d1,
            p2 * d1**2 + p1 * d2,
            p3 * d1**3 + 3 * p2 * d1 * d2 + p1 * d3,
        ]
        return np.stack(motion).transpose(0, 2, 1)

    return path


def state_along(motion: Array, mass: float) -> Array:
    """States (n, 17) that fly a motion (4, n, 3) without twisting about the thrust axis.

    The body's z axis is along a + g; q is the shortest rotation there; ω follows from its derivative; every rotor carries a
    quarter. Leaves out the small differences between rotors that turn the body. Source: Mellinger, Kumar, "Minimum snap
    trajectory generation and control for quadrotors", 2011.
    """
    position, velocity, acceleration, jerk = motion
    force = acceleration + np.array([0.0, 0.0, GRAVITY])
    length = np.linalg.norm(force, axis=1, keepdims=True)
    x, y, z = (force / length).T
    x_dot, y_dot, z_dot = ((jerk - force * np.sum(force * jerk, axis=1, keepdims=True) / length**2) / length).T
    # s = (1 + z, −y, x, 0) is q times √(2 + 2z); ω = 2 vec(s⁻¹ ⊗ ṡ).
    square = 2 + 2 * z
    quaternion = np.stack([1 + z, -y, x, np.zeros_like(z)], axis=1) / np.sqrt(square)[:, None]
    omega_x = -(1 + z) * y_dot + y * z_dot
    omega_y = (1 + z) * x_dot - x * z_dot
    omega_z = y * x_dot - x * y_dot
    omega = np.stack([omega_x, omega_y, omega_z], axis=1) * (2 / square)[:, None]
    thrusts = np.repeat(mass * length / 4, 4, axis=1)
    return np.concatenate([position, quaternion, velocity, omega, thrusts], axis=1)
