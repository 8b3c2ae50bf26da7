"""How the arm may be moved to see its parameters: Fourier series of all joints, clear of the table and of the joints' ends."""

from __future__ import annotations

import math

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Channel, Excitation, MotionLimit
from robots.arm.numeric import NumericArm
from robots.arm.tasks import ANGLE_LOWER, ANGLE_UPPER, HOME, TORQUE_LIMIT, VELOCITY_LIMIT

# rad about the home posture: the tool stays in front of the arm and above the table.
_AMPLITUDE = np.array([0.9, 0.45, 0.8, 0.6, 1.2, 0.9, 1.5])
_ACCELERATION = np.array([7.5, 3.75, 5.0, 6.25, 7.5, 10.0, 10.0])  # rad/s²: half of the Panda data sheet's
_TABLE, _REACH, _HEIGHT = 0.05, 0.85, 1.2  # m: of the tool in the world


def excitation() -> Excitation:
    """Source: Swevers et al., "Optimal robot excitation and identification", 1997."""
    arm = NumericArm()

    def tool(states: Array, controls: Array) -> Array:
        return np.array([arm.tool_position(x[:7]) for x in states])

    return Excitation(
        task="joint-reach",
        channels=tuple(
            Channel(f"joint{i + 1}", "rad", float(q), float(a), 0.8 * float(v), float(w), (0.1, 0.5))
            for i, (q, a, v, w) in enumerate(zip(HOME, _AMPLITUDE, VELOCITY_LIMIT, _ACCELERATION, strict=True))
        ),
        reference=_reference,
        limits=(
            MotionLimit("angles, of their range", "", -1.0, 1.0, lambda x, u: _centred(x[:, :7], ANGLE_LOWER, ANGLE_UPPER)),
            MotionLimit("rates, of their limits", "", -1.0, 1.0, lambda x, u: x[:, 7:] / VELOCITY_LIMIT),
            MotionLimit("torques, of their limits", "", -1.0, 1.0, lambda x, u: u / TORQUE_LIMIT),
            MotionLimit("height of the tool", "m", _TABLE, _HEIGHT, lambda x, u: tool(x, u)[:, 2]),
            MotionLimit("reach of the tool", "m", -math.inf, _REACH, lambda x, u: np.linalg.norm(tool(x, u)[:, :2], axis=1)),
        ),
        lead_s=1.0,
        duration_s=10.0,
        is_arm=True,
    )


def _reference(times: Array, motion: Array) -> Array:
    return np.hstack([motion[0], motion[1]])


def _centred(values: Array, lower: Array, upper: Array) -> Array:
    """−1 at the lower end, 1 at the upper one."""
    return np.asarray((2 * values - lower - upper) / (upper - lower))
