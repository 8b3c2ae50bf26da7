"""A cart on a rail with a pole that swings freely, driven by a force on the cart."""

from __future__ import annotations

from pathlib import Path
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import Parameter, Parameters

GRAVITY = 9.81  # m/s²


# The names and units that the file must have; values and bounds are the file's own.
_EXPECTED = Parameters(
    (
        Parameter("cart_mass", 1.0, "kg"),
        Parameter("pole_mass", 1.0, "kg"),
        Parameter("pole_centre", 1.0, "m"),
        Parameter("pole_inertia", 1.0, "kg m²"),
        Parameter("cart_damping", 0.0, "N s/m"),
        Parameter("pole_damping", 0.0, "N m s/rad"),
    )
)


@final
class CartpoleDynamics(Dynamics):
    """Cart of mass M, pole of mass m and inertia I about its centre of mass, which is l away from the hinge.

        (M + m) s̈ + m l cos θ θ̈ = F − b_c ṡ + m l sin θ θ̇²                  [N]
        m l cos θ s̈ + (I + m l²) θ̈ = m g l sin θ − b_p θ̇                    [N m]

    x = (s [m], θ [rad, 0 upright, positive towards +s], ṡ [m/s], θ̇ [rad/s]);  u = (F [N]).
    p = (M, m, l, I, b_c, b_p). Leaves out dry friction, the motor's lag and the rail's ends.
    """

    name = "cartpole"
    state_names = ("position", "angle", "velocity", "angular_velocity")
    state_units = ("m", "rad", "m/s", "rad/s")
    control_names = ("force",)
    control_units = ("N",)
    manifold = Euclidean(4)

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        _, angle, velocity, angular_velocity = ca.vertsplit(x)
        M, m, length, inertia, cart_damping, pole_damping = ca.vertsplit(p)
        sin, cos = ca.sin(angle), ca.cos(angle)
        coupling, hinge_inertia = m * length * cos, inertia + m * length**2
        force = u - cart_damping * velocity + m * length * sin * angular_velocity**2
        torque = m * GRAVITY * length * sin - pole_damping * angular_velocity
        determinant = (M + m) * hinge_inertia - coupling**2
        acceleration = (hinge_inertia * force - coupling * torque) / determinant
        angular_acceleration = ((M + m) * torque - coupling * force) / determinant
        return ca.vertcat(velocity, angular_velocity, acceleration, angular_acceleration)
