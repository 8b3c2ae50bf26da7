"""What the Crazyflie's model may leave out: accelerations by the air, in the frame of its body."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.rotation import rotation_matrix


def residual_port() -> ResidualPort:
    """Force by mass a and torque by inertia α, as flights show neither mass nor inertia:    v̇ += R(q) a,    ω̇ += α.

    Features are the velocity Rᵀv and the rates in the body frame, the motors' voltages, which hold the battery's, and how the
    body leans: x and y of Rᵀe_z, in which headings do not count.
    """
    return ResidualPort(
        feature_names=(
            *("body_velocity_x", "body_velocity_y", "body_velocity_z"),
            *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
            *("motor_voltage_1", "motor_voltage_2", "motor_voltage_3", "motor_voltage_4"),
            *("up_x", "up_y"),
        ),
        feature_units=("m/s",) * 3 + ("rad/s",) * 3 + ("V",) * 4 + ("",) * 2,
        output_names=(
            *("force_by_mass_x", "force_by_mass_y", "force_by_mass_z"),
            *("torque_by_inertia_x", "torque_by_inertia_y", "torque_by_inertia_z"),
        ),
        output_units=("m/s²",) * 3 + ("rad/s²",) * 3,
        features=_features,
        effect=_effect,
        conjugate=(
            *("body_velocity_x", "body_velocity_y", "body_velocity_z"),
            *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
        ),
    )


def _features(x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    rotation = rotation_matrix(x[3:7])
    return ca.vertcat(rotation.T @ x[7:10], x[10:13], x[13:17], rotation[2, :2].T)


def _effect(x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    return ca.vertcat(ca.SX(6, 1), rotation_matrix(x[3:7]) @ r[:3], r[3:], ca.SX(4, 1))
