"""What the double pendulum's model may leave out: torques of its drives, such as friction that grows with the load."""

from __future__ import annotations

from functools import partial

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort
from robots.double_pendulum.dynamics import DoublePendulumDynamics


def residual_port(dynamics: DoublePendulumDynamics) -> ResidualPort:
    """Torques r at the joints:    q̈ += M(q)⁻¹ r.

    Features are rates, torques, and the angles as sine and cosine.
    """
    return ResidualPort(
        feature_names=("rate_1", "rate_2", "drive_1", "drive_2", "sine_1", "cosine_1", "sine_2", "cosine_2"),
        feature_units=("rad/s", "rad/s", "N m", "N m", "", "", "", ""),
        output_names=("torque_1", "torque_2"),
        output_units=("N m", "N m"),
        features=_features,
        effect=partial(_effect, dynamics),
        conjugate=("rate_1", "rate_2"),
    )


def _features(x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    return ca.vertcat(x[2:4], u, ca.sin(x[0]), ca.cos(x[0]), ca.sin(x[1]), ca.cos(x[1]))


def _effect(dynamics: DoublePendulumDynamics, x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    return ca.vertcat(ca.SX(2, 1), ca.solve(dynamics.mass_matrix(x, p), r))
