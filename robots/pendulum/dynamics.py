"""A pendulum without a drive, slowed by its bearings and the air."""

from __future__ import annotations

from pathlib import Path
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import Parameter, Parameters

# The names and units that the file must have; values and bounds are the file's own.
_EXPECTED = Parameters(
    (
        Parameter("stiffness", 1.0, "1/s²"),
        Parameter("viscous", 0.0, "1/s"),
        Parameter("coulomb", 0.0, "rad/s²"),
        Parameter("air_drag", 0.0, "1/rad"),
        Parameter("angle_offset", 0.0, "rad"),
        Parameter("stiction_rate", 1.0, "rad/s"),
    )
)


@final
class PendulumDynamics(Dynamics):
    """Free swing; everything is divided by the inertia, which a pendulum without a drive does not show.

        θ̈ = ω₀² sin(θ − δ) − b θ̇ − c tanh(θ̇ / ω_s) − d |θ̇| θ̇                          [rad/s²]

    x = (angle θ [rad, hanging at π + δ], rate θ̇ [rad/s]);  no controls;  p = (ω₀², b, c, d, δ, ω_s), where ω₀² = m g l / J.
    δ is the angle sensor's offset. Leaves out elasticity, and a support that moves along.
    """

    name = "pendulum"
    state_names = ("angle", "rate")
    state_units = ("rad", "rad/s")
    control_names = ()
    control_units = ()
    manifold = Euclidean(2)

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        angle, rate = ca.vertsplit(x)
        stiffness, viscous, coulomb, air_drag, offset, stiction_rate = ca.vertsplit(p)
        braking = viscous * rate + coulomb * ca.tanh(rate / stiction_rate) + air_drag * ca.fabs(rate) * rate
        return ca.vertcat(rate, stiffness * ca.sin(angle - offset) - braking)
