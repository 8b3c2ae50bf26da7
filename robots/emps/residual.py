"""What the drive's model may leave out: a force on the table, such as friction that changes with speed and along the screw."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort


def residual_port() -> ResidualPort:
    """Force r on the table:    v̇ += r / M.

    Features are speed and drive force, and the place on the screw, which is worn more here than there.
    """
    return ResidualPort(
        feature_names=("velocity", "driving_force", "position"),
        feature_units=("m/s", "N", "m"),
        output_names=("force",),
        output_units=("N",),
        features=_features,
        effect=_effect,
        conjugate=("velocity",),
    )


def _features(x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    return ca.vertcat(x[1], u, x[0])


def _effect(x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    return ca.vertcat(0, r / p[0])
