"""How the quadrotor may be moved to see its parameters: about a point in the air, and about its thrust axis."""

from __future__ import annotations

import math

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Channel, Excitation, MotionLimit
from robots.quadrotor.reference import state_along, through
from robots.quadrotor.tasks import GROUND, THRUST_LIMIT, TILT_LIMIT

_TAKE_OFF, _LEAD = 2.5, 3.5  # s
_HEIGHT = 1.2  # m
_NOMINAL_MASS = 0.027  # kg; for thrusts of the reference, which no cost weighs


def excitation() -> Excitation:
    """Positions up to where the body moves with the motors' lag, headings by doublets: turning is slow, as κ is small."""
    return Excitation(
        task="hover",
        channels=(
            Channel("position_x", "m", 0.0, 0.8, 2.0, 5.0, (0.1, 2.0)),
            Channel("position_y", "m", 0.0, 0.8, 2.0, 5.0, (0.1, 2.0)),
            Channel("position_z", "m", _HEIGHT, 0.5, 1.5, 4.0, (0.1, 2.0)),
            Channel("heading", "rad", 0.0, 0.8, 4.0, 25.0, (0.4, 1.5), "doublets"),
        ),
        reference=_reference,
        limits=(
            MotionLimit("position, horizontal", "m", -1.2, 1.2, lambda x, u: x[:, :2]),
            MotionLimit("height", "m", 0.3, 2.2, lambda x, u: x[:, 2]),
            MotionLimit("tilt", "rad", -math.inf, TILT_LIMIT, lambda x, u: np.arccos(1 - 2 * (x[:, 4] ** 2 + x[:, 5] ** 2))),
            MotionLimit("rate of turning", "rad/s", -15.0, 15.0, lambda x, u: x[:, 10:13]),
            MotionLimit("thrust", "N", 0.0, THRUST_LIMIT, lambda x, u: x[:, 13:17]),
        ),
        lead_s=_LEAD,
        duration_s=12.0,
        usable="position_z > 0.15",
    )


def _reference(times: Array, motion: Array) -> Array:
    """States (n, 17) along the path, turned by the heading; before that the take-off to where it begins."""
    take_off = through([(0.0, 0.0, GROUND - _HEIGHT), (0.0, 0.0, 0.0)], [0.0], _TAKE_OFF)(times)
    states = state_along(motion[:, :, :3] + take_off, _NOMINAL_MASS)
    return turned(states, motion[0, :, 3], motion[1, :, 3])


def turned(states: Array, heading: Array, rate: Array) -> Array:
    """States (n, 17) turned about their own thrust axes: q ⊗ q_z(ψ), with ω in the turned frame and ψ̇ added."""
    c, s = np.cos(heading / 2), np.sin(heading / 2)
    result = states.copy()
    w, x, y, z = states[:, 3:7].T
    result[:, 3:7] = np.stack([w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s], axis=1)
    cos, sin = np.cos(heading), np.sin(heading)
    omega_x, omega_y, omega_z = states[:, 10:13].T
    result[:, 10:13] = np.stack([cos * omega_x + sin * omega_y, cos * omega_y - sin * omega_x, omega_z + rate], axis=1)
    return result
