"""What the quadrotor's model may leave out: forces and torques of the air, in the body's own frame."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.rotation import rotation_matrix

# m: the ground's cushion under a Crazyflie is felt at this height and fades with its square.
_CUSHION = 0.15


def residual_port() -> ResidualPort:
    """Force F and torque τ at the centre of mass:    v̇ += R(q) F / m,    ω̇ += J⁻¹ τ.

    Air at rest looks the same from everywhere and in all headings, so the features are the velocity Rᵀv and the rates in the
    body frame and the rotors' thrusts; and 1/(1 + (h/0.15 m)²) of the height h, which is 1 on the ground and does not change
    far above it.
    """
    return ResidualPort(
        feature_names=(
            *("body_velocity_x", "body_velocity_y", "body_velocity_z"),
            *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
            *("thrust_1", "thrust_2", "thrust_3", "thrust_4"),
            "ground_proximity",
        ),
        feature_units=("m/s",) * 3 + ("rad/s",) * 3 + ("N",) * 4 + ("",),
        output_names=("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z"),
        output_units=("N",) * 3 + ("N m",) * 3,
        features=_features,
        effect=_effect,
        conjugate=(
            *("body_velocity_x", "body_velocity_y", "body_velocity_z"),
            *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
        ),
    )


def _features(x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    return ca.vertcat(rotation_matrix(x[3:7]).T @ x[7:10], x[10:13], x[13:17], 1 / (1 + (x[2] / _CUSHION) ** 2))


def _effect(x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    mass, inertia = p[0], p[1:4]
    return ca.vertcat(ca.SX(6, 1), rotation_matrix(x[3:7]) @ r[:3] / mass, r[3:] / inertia, ca.SX(4, 1))
