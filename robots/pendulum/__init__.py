"""A pendulum that swings freely."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.model_structure import ModelStructure
from robots.pendulum.dynamics import PendulumDynamics


def structure() -> ModelStructure:
    """Angle and rate measured; the rate comes from differences and a filter, and so about a millisecond late.

    Viscous friction stays 0: swings of one size do not tell it from the other two, and those of many sizes leave it there.
    """
    return ModelStructure(
        name="pendulum",
        description="pendulum that swings freely on ball bearings",
        dynamics=PendulumDynamics(),
        measured=("angle", "rate"),
        measurement_std=np.array([1e-3, 4e-2]),
        horizon_s=2.0,
        fixed=("viscous", "stiction_rate"),
        lagged=("rate",),
    )
