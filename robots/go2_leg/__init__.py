"""Joints of a Unitree Go2 with its legs in the air, each under its own position controller."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.model_structure import ModelStructure
from robots.go2_leg.dynamics import PositionServoDynamics

# Front and rear, left and right, in the order of the recordings; hips turn outwards to positive angles on the left only.
PARTS = tuple(f"{leg}_{joint}" for leg in ("FL", "FR", "RL", "RR") for joint in ("hip", "thigh", "calf"))
# rad: where friction and load are developed about, the middle of what a joint does while standing and walking.
_MIDDLE = {"hip": 0.0, "thigh": 0.8, "calf": -1.8}


def structure(joint: str) -> ModelStructure:
    """One joint, one of PARTS: its position is measured, its target is the command."""
    if joint not in PARTS:
        raise ValueError(f"no joint '{joint}'; there are {', '.join(PARTS)}")
    return ModelStructure(
        name=f"go2_{joint}",
        description=f"position drive of the Go2's joint {joint}, leg in the air",
        dynamics=PositionServoDynamics(_MIDDLE[joint.partition("_")[2]]),
        measured=("position",),
        measurement_std=np.array([1e-3]),
        horizon_s=2.0,
        fixed=("stiction_speed",),
        delay_limit_s=0.04,
    )
