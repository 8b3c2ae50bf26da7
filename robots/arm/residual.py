"""What the arm's model may leave out: torques at its joints, such as those of dry friction, elastic gears and heavier links."""

from __future__ import annotations

from functools import partial

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.rigid_body import RigidBodyDynamics, rnea

# rad/s: dry friction turns round within it. Sharper, and it would be stiff for plans, whose steps hold it: 1 N m on a wrist of
# 0.1 kg m² is 100 1/s, just right for their first steps of 0.01 s.
_TURN = 0.1


def residual_port(dynamics: RigidBodyDynamics) -> ResidualPort:
    """Torques r at the joints:    v̇ += M(q)⁻¹ r.

    Features are the joints' rates; their directions tanh(q̇ / 0.1 rad/s), as dry friction is; and the torques g(q) that hold
    the arm still, in which masses that are off are straight lines. Joint 1 stands upright and holds nothing. Commanded torques
    are left out: in logs of a loop that feeds rates back both go together, so that one may be taken for the other.
    """
    nq = dynamics.model.nq
    joints = dynamics.control_names
    rates = dynamics.state_names[nq:]
    return ResidualPort(
        feature_names=(*rates, *(f"direction_{joint}" for joint in joints), *(f"load_{joint}" for joint in joints[1:])),
        feature_units=(*dynamics.state_units[nq:], *("",) * nq, *dynamics.control_units[1:]),
        output_names=tuple(f"residual_torque_{joint}" for joint in joints),
        output_units=dynamics.control_units,
        features=partial(_features, dynamics),
        effect=partial(_accelerations, dynamics),
        conjugate=rates,
    )


def _features(dynamics: RigidBodyDynamics, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    nq = dynamics.model.nq
    still = ca.SX(nq, 1)
    return ca.vertcat(x[nq:], ca.tanh(x[nq:] / _TURN), rnea(dynamics.model_at(p), x[:nq], still, still)[1:])


def _accelerations(dynamics: RigidBodyDynamics, x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    return ca.vertcat(ca.SX(dynamics.model.nq, 1), dynamics.acceleration_by(x, p, r))
