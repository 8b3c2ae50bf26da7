"""A double pendulum with a quasi-direct drive in each joint."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.model_structure import ModelStructure
from robots.double_pendulum.dynamics import DoublePendulumDynamics
from robots.double_pendulum.residual import residual_port


def structure() -> ModelStructure:
    """All four states measured; torques act a few milliseconds after they are commanded.

    Torques from the motors' currents come late themselves, the commanded ones predict better.
    """
    dynamics = DoublePendulumDynamics()
    return ModelStructure(
        name="double_pendulum",
        description="two links of 0.2 and 0.3 m, a quasi-direct drive in each joint",
        dynamics=dynamics,
        measured=("angle_1", "angle_2", "rate_1", "rate_2"),
        measurement_std=np.array([2e-3, 2e-3, 0.1, 0.15]),
        horizon_s=1.0,
        fixed=("stiction_rate",),
        delay_limit_s=0.02,
        residual_port=residual_port(dynamics),
    )
