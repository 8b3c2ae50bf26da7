"""What the arm's model may leave out: torques at its joints, such as those of friction and of elastic gears."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.rigid_body import RigidBodyDynamics


def residual_port(dynamics: RigidBodyDynamics) -> ResidualPort:
    """Torques r at the joints:    v̇ += M(q)⁻¹ r.

    Features are the joints' rates and the torques that drive them, which what rubs and bends in a gear depends on. Angles are
    left out: rigid bodies are the physics' own, and in seven angles no log covers much.
    """
    nq = dynamics.model.nq
    joints = dynamics.control_names
    rates = dynamics.state_names[nq:]
    return ResidualPort(
        feature_names=(*rates, *(f"torque_{joint}" for joint in joints)),
        feature_units=(*dynamics.state_units[nq:], *dynamics.control_units),
        output_names=tuple(f"residual_torque_{joint}" for joint in joints),
        output_units=dynamics.control_units,
        features=lambda x, u, p: ca.vertcat(x[nq:], u),
        effect=lambda x, u, p, r: ca.vertcat(ca.SX(nq, 1), dynamics.acceleration_by(x, p, r)),
        conjugate=rates,
    )
