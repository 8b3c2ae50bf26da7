"""A small quadrotor with motor lag."""

from __future__ import annotations

from pathlib import Path
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Manifold, quaternion_multiply
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import Parameter, Parameters

GRAVITY = 9.81  # m/s²

# The names and units that the file must have; values and bounds are the file's own.
_EXPECTED = Parameters(
    (
        Parameter("mass", 1.0, "kg"),
        Parameter("inertia_x", 1.0, "kg m²"),
        Parameter("inertia_y", 1.0, "kg m²"),
        Parameter("inertia_z", 1.0, "kg m²"),
        Parameter("arm", 1.0, "m"),
        Parameter("torque_per_thrust", 1.0, "m"),
        Parameter("motor_time_constant", 1.0, "s"),
        Parameter("drag", 0.0, "N s/m"),
    )
)


@final
class QuadrotorDynamics(Dynamics):
    """Rigid body with four thrusts T_i along its z axis, which follow the commands u_i with a first-order lag.

        ṗ = v                                   v̇ = (R(q) (0, 0, Σ T_i) − c v) / m − (0, 0, g)
        q̇ = ½ q ⊗ (0, ω)                        J ω̇ = τ − ω × J ω
        Ṫ_i = (u_i − T_i) / t_m                 τ = (Σ y_i T_i, −Σ x_i T_i, κ Σ s_i T_i)

    x = (p [m, world], q [w, x, y, z, body to world], v [m/s, world], ω [rad/s, body], T [N]);  u = commanded thrusts [N].
    Rotors at (x_i, y_i) = arm/√2 · (1,−1), (−1,−1), (−1,1), (1,1), numbered as on the Crazyflie (front right, back right, back
    left, front left; x forward, y left), with reaction torques of sign s = (−, +, −, +).
    p = (m, J_x, J_y, J_z, arm, κ, t_m, c). Drag is the same in all directions, in still air. Leaves out rotor inertia,
    products of inertia and the ground.
    """

    name = "quadrotor"
    state_names = (
        *("position_x", "position_y", "position_z"),
        *("quaternion_w", "quaternion_x", "quaternion_y", "quaternion_z"),
        *("velocity_x", "velocity_y", "velocity_z"),
        *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
        *("thrust_1", "thrust_2", "thrust_3", "thrust_4"),
    )
    state_units = ("m",) * 3 + ("",) * 4 + ("m/s",) * 3 + ("rad/s",) * 3 + ("N",) * 4
    control_names = ("thrust_command_1", "thrust_command_2", "thrust_command_3", "thrust_command_4")
    control_units = ("N",) * 4
    manifold = Manifold(17, quaternions=(3,))

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        mass, arm, kappa, lag, drag = p[0], p[4], p[5], p[6], p[7]
        inertia = p[1:4]
        quaternion, velocity, omega, thrust = ca.vertsplit(x[3:7]), x[7:10], x[10:13], x[13:17]
        t1, t2, t3, t4 = ca.vertsplit(thrust)
        lever = arm / 2**0.5
        torque = ca.vertcat(
            lever * (-t1 - t2 + t3 + t4),
            lever * (-t1 + t2 + t3 - t4),
            kappa * (-t1 + t2 - t3 + t4),
        )
        push = body_z_axis(x[3:7]) * ca.sum1(thrust) - drag * velocity
        acceleration = push / mass - ca.vertcat(0, 0, GRAVITY)
        half_omega = [ca.SX(0), *ca.vertsplit(omega / 2)]
        return ca.vertcat(
            velocity,
            *quaternion_multiply(quaternion, half_omega),
            acceleration,
            (torque - ca.cross(omega, inertia * omega)) / inertia,
            (u - thrust) / lag,
        )


def body_z_axis(quaternion: ca.SX) -> ca.SX:
    """The body's z axis in the world (3,): the third column of R(q)."""
    w, x, y, z = ca.vertsplit(quaternion)
    return ca.vertcat(2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
