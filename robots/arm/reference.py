"""Wanted motions of the arm: smooth steps and circles, with their velocities."""

from __future__ import annotations

import numpy as np

from mpc_controller.arrays import Array


def smooth_step(times: Array, duration: float) -> tuple[Array, Array]:
    """From 0 at t = 0 to 1 at `duration` [s], and its rate [1/s], (n,) each: s = 10 τ³ − 15 τ⁴ + 6 τ⁵ (least jerk)."""
    tau = np.clip(times / duration, 0.0, 1.0)
    return tau**3 * (10.0 - 15.0 * tau + 6.0 * tau**2), 30.0 * tau**2 * (1.0 - tau) ** 2 / duration


def straight(times: Array, start: Array, end: Array, duration: float) -> Array:
    """Points and velocities (n, 2 m) from `start` (m,) to `end` (m,), at rest in both."""
    s, rate = smooth_step(times, duration)
    return np.hstack([start + s[:, None] * (end - start), rate[:, None] * (end - start)])


def circle(times: Array, centre: Array, radius: float, period: float, ramp: float) -> Array:
    """Points and velocities (n, 6) on a circle in the world's y-z plane; the radius grows from 0 within `ramp` [s]."""
    growth, rate = smooth_step(times, ramp)
    phase_rate = 2.0 * np.pi / period
    phase = phase_rate * times
    outward = np.stack([np.zeros_like(phase), np.cos(phase), np.sin(phase)], axis=1)
    onward = np.stack([np.zeros_like(phase), -np.sin(phase), np.cos(phase)], axis=1)
    points = centre + radius * growth[:, None] * outward
    return np.hstack([points, radius * (rate[:, None] * outward + growth[:, None] * phase_rate * onward)])
