"""What the arm's model may leave out: torques at its joints, such as those of friction and of elastic gears."""

from __future__ import annotations

from functools import partial

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.rigid_body import RigidBodyDynamics


def residual_port(dynamics: RigidBodyDynamics) -> ResidualPort:
    """Torques r at the joints:    v̇ += M(q)⁻¹ r.

    Features are the joints' rates. Angles are left out: rigid bodies are the physics' own, and in seven angles no log covers
    much. So are the torques: in logs of a loop that feeds rates back both go together, so that one may be taken for the other.
    """
    nq = dynamics.model.nq
    joints = dynamics.control_names
    rates = dynamics.state_names[nq:]
    return ResidualPort(
        feature_names=rates,
        feature_units=dynamics.state_units[nq:],
        output_names=tuple(f"residual_torque_{joint}" for joint in joints),
        output_units=dynamics.control_units,
        features=partial(_rates, nq),
        effect=partial(_accelerations, dynamics),
        conjugate=rates,
    )


def _rates(nq: int, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    return x[nq:]


def _accelerations(dynamics: RigidBodyDynamics, x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    return ca.vertcat(ca.SX(dynamics.model.nq, 1), dynamics.acceleration_by(x, p, r))
