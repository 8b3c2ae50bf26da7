"""The Crazyflie 2.1 as it flies in a motion-capture room: commanded by PWM, sagging with its battery."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.model_structure import ModelStructure
from robots.crazyflie.dynamics import CrazyflieDynamics
from robots.crazyflie.residual import residual_port


def structure() -> ModelStructure:
    """Position, attitude, velocity and rates measured by motion capture; what the motors do is not."""
    dynamics = CrazyflieDynamics()
    return ModelStructure(
        name="crazyflie",
        description="Crazyflie 2.1 (27 g, brushed motors) commanded by PWM, with its battery's voltage",
        dynamics=dynamics,
        measured=dynamics.state_names[:13],
        # What the model leaves over in half a second; the cameras' own noise is a hundredth of it.
        measurement_std=np.array([0.03] * 3 + [0.1] * 3 + [0.2] * 3 + [0.5] * 3),
        horizon_s=0.5,
        delay_limit_s=0.03,
        measured_starts=True,
        residual_port=residual_port(),
    )
