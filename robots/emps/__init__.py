"""The EMPS benchmark: a table on a ball screw, driven by a DC motor."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.model_structure import ModelStructure
from robots.emps.dynamics import EmpsDynamics
from robots.emps.residual import residual_port


def structure() -> ModelStructure:
    """Position measured, force known; the drive's delay is below half a sample and left out."""
    return ModelStructure(
        name="emps",
        description="ball-screw drive with one degree of freedom (EMPS benchmark)",
        dynamics=EmpsDynamics(),
        measured=("position",),
        measurement_std=np.array([1e-4]),  # m; what the model leaves over in half a second, 100 times the encoder's noise
        horizon_s=2.0,
        fixed=("stiction_speed",),
        controls_held=False,  # the drive's own loop is faster than the 1 kHz of the records
        residual_port=residual_port(),
    )
