"""How the car may be moved to see its parameters: from side to side of its lane, faster and slower."""

from __future__ import annotations

from mpc_controller.arrays import Array
from mpc_controller.robot import Channel, Excitation, MotionLimit
from robots.car.tasks import DISC_RADIUS, DRIVE_FORCE_LIMIT, LANE_HALF_WIDTH, SPEED_LIMIT, STEERING_LIMIT, STEERING_RATE_LIMIT


def excitation() -> Excitation:
    """Tyres show their grip where they slide. What is wanted may lie outside of the lane: the plan stays within it."""
    side = LANE_HALF_WIDTH - DISC_RADIUS
    return Excitation(
        task="lane-keep",
        channels=(
            Channel("y", "m", 0.0, 1.5, 10.0, 80.0, (0.2, 1.2)),
            Channel("forward_speed", "m/s", 2.0, 0.8, 4.0, 20.0, (0.1, 0.5), "doublets"),
        ),
        reference=_reference,
        limits=(
            MotionLimit("lane", "m", -side, side, lambda x, u: x[:, 1]),
            MotionLimit("speed", "m/s", -0.2, SPEED_LIMIT, lambda x, u: x[:, 3]),
            MotionLimit("steering", "rad", -STEERING_LIMIT, STEERING_LIMIT, lambda x, u: x[:, 6]),
            MotionLimit("steering rate", "rad/s", -STEERING_RATE_LIMIT, STEERING_RATE_LIMIT, lambda x, u: u[:, 1]),
            MotionLimit("drive force", "N", -DRIVE_FORCE_LIMIT, DRIVE_FORCE_LIMIT, lambda x, u: u[:, 0]),
        ),
        lead_s=2.0,
        duration_s=12.0,
    )


def _reference(times: Array, motion: Array) -> Array:
    values: Array = motion[0]
    return values
