"""The car's model: a dynamic bicycle with saturating tyres."""

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
        Parameter("mass", 1.0, "kg"),
        Parameter("yaw_inertia", 1.0, "kg m²"),
        Parameter("front_axle", 1.0, "m"),
        Parameter("rear_axle", 1.0, "m"),
        Parameter("friction", 1.0, ""),
        Parameter("front_stiffness", 1.0, "1/rad"),
        Parameter("rear_stiffness", 1.0, "1/rad"),
        Parameter("tyre_shape", 1.0, ""),
        Parameter("slip_speed", 1.0, "m/s"),
    )
)


@final
class BicycleDynamics(Dynamics):
    """Single-track car on flat ground, driven and braked at the rear axle; body frame: x forward, y left, z up.

        m (v̇ − w r) = F − F_f sin δ          ẋ = v cos ψ − w sin ψ
        m (ẇ + v r) = F_f cos δ + F_r        ẏ = v sin ψ + w cos ψ
             I ṙ    = a F_f cos δ − b F_r    ψ̇ = r,  δ̇ = steering rate

    x = (x, y [m], yaw ψ [rad], forward_speed v, lateral_speed w [m/s], yaw_rate r [rad/s], steering δ [rad]), position and
    velocity of the centre of mass; u = (drive_force F [N], steering_rate [rad/s]). Tyres, in the wheel's own frame with
    velocity (v_x, v_y), by Pacejka's magic formula without curvature:

        F_i = −μ N_i sin(C atan(k_i / C · s)),   s = v_y / √(v_x² + v_s²),   N_f = m g b/(a + b), N_r = m g a/(a + b)

    v_s = slip_speed keeps s finite at standstill. Leaves out load transfer, the share of grip that driving takes from
    cornering (at most 16 % of the rear axle's, with this car's force limits), rolling and air resistance, camber, and the lag
    of servo and motor.
    """

    name = "car"
    state_names = ("x", "y", "yaw", "forward_speed", "lateral_speed", "yaw_rate", "steering")
    state_units = ("m", "m", "rad", "m/s", "m/s", "rad/s", "rad")
    control_names = ("drive_force", "steering_rate")
    control_units = ("N", "rad/s")
    manifold = Euclidean(7)

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        _, _, yaw, v, w, r, steering = ca.vertsplit(x)
        drive, steering_rate = ca.vertsplit(u)
        q = self.parameters.unpack(p)
        m, a, b = q["mass"], q["front_axle"], q["rear_axle"]
        c, s = ca.cos(steering), ca.sin(steering)
        front_slide = w + a * r
        load = m * GRAVITY / (a + b)
        front = _lateral_force(c * v + s * front_slide, c * front_slide - s * v, load * b, q["front_stiffness"], q)
        rear = _lateral_force(v, w - b * r, load * a, q["rear_stiffness"], q)
        return ca.vertcat(
            v * ca.cos(yaw) - w * ca.sin(yaw),
            v * ca.sin(yaw) + w * ca.cos(yaw),
            r,
            (drive - front * s) / m + w * r,
            (front * c + rear) / m - v * r,
            (a * front * c - b * rear) / q["yaw_inertia"],
            steering_rate,
        )


def _lateral_force(rolling: ca.SX, sliding: ca.SX, load: ca.SX, stiffness: ca.SX, q: dict[str, ca.SX]) -> ca.SX:
    """Of one axle's tyres [N], to the wheel's left, from the velocity along and across the wheel [m/s]."""
    slip = sliding / ca.sqrt(rolling**2 + q["slip_speed"] ** 2)
    return -q["friction"] * load * ca.sin(q["tyre_shape"] * ca.atan(stiffness / q["tyre_shape"] * slip))
