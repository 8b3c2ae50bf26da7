"""How the cart-pole may be moved to see its parameters: swung up, then along the rail and about upright."""

from __future__ import annotations

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Channel, Excitation, MotionLimit
from robots.cartpole.tasks import FORCE_LIMIT, TRACK_LIMIT


def excitation() -> Excitation:
    """A reference for the angle that contradicts the one for the position is a push that the plan spreads over both."""
    return Excitation(
        task="swing-up",
        channels=(
            Channel("position", "m", 0.0, 0.6, 4.0, 40.0, (0.1, 2.0)),
            Channel("angle", "rad", 0.0, 0.6, 10.0, 200.0, (0.3, 1.5), "doublets"),
        ),
        reference=_reference,
        limits=(
            MotionLimit("position", "m", -TRACK_LIMIT, TRACK_LIMIT, lambda x, u: x[:, 0]),
            MotionLimit("angle", "rad", -1.0, 1.0, lambda x, u: np.remainder(x[:, 1] + np.pi, 2 * np.pi) - np.pi),
            MotionLimit("force", "N", -FORCE_LIMIT, FORCE_LIMIT, lambda x, u: u),
        ),
        lead_s=4.0,
        duration_s=10.0,
    )


def _reference(times: Array, motion: Array) -> Array:
    values: Array = motion[0]
    return values
