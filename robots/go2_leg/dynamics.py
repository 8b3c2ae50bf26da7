"""A joint under a position controller: what of a target becomes motion, and how late."""

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
        Parameter("frequency", 1.0, "rad/s"),
        Parameter("lag", 0.0, "s"),
        Parameter("offset", 0.0, "rad"),
        Parameter("load_slope", 0.0, ""),
        Parameter("dry_friction", 0.0, "rad"),
        Parameter("dry_friction_slope", 0.0, ""),
        Parameter("stiction_speed", 1.0, "rad/s"),
    )
)


@final
class PositionServoDynamics(Dynamics):
    """Second-order position drive with dry friction and a load that depends on the position.

        q̈ = ω² (q_d − q + e_0 − g (q − q_m) − (f + f′ (q − q_m)) tanh(q̇ / v_s) − T q̇)              [rad/s²]

    x = (position q [rad], velocity q̇ [rad/s]);  u = (target q_d [rad]);  p = (ω, T, e_0, g, f, f′, v_s). It is the controller
    τ = K_p (q_d − q) − K_d q̇ on an inertia J, divided by K_p: ω² = K_p / J, T = (K_d + viscous friction) / K_p, so the damping
    ratio is ω T / 2, and position is T late behind a slow target. Torques count as the change of target that makes them: e_0
    and g are gravity at q_m and its slope, f is Coulomb friction at q_m and f′ its slope. Leaves out what the leg's other
    joints do to this one, and the limit of the torque.
    """

    name = "position_servo"
    state_names = ("position", "velocity")
    state_units = ("rad", "rad/s")
    control_names = ("target",)
    control_units = ("rad",)
    manifold = Euclidean(2)

    def __init__(self, middle: float) -> None:
        """middle: q_m [rad]."""
        self.middle = middle
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        position, velocity = ca.vertsplit(x)
        frequency, lag, offset, load_slope, friction, friction_slope, stiction_speed = ca.vertsplit(p)
        away = position - self.middle
        braking = (friction + friction_slope * away) * ca.tanh(velocity / stiction_speed) + lag * velocity
        return ca.vertcat(velocity, frequency**2 * (u - position + offset - load_slope * away - braking))
