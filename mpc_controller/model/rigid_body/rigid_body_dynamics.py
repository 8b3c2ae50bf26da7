"""A tree of rigid bodies driven at its joints, as the Dynamics of a controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import TwiceDifferentiatedDynamics
from mpc_controller.model.inverse_dynamics import InverseDynamics
from mpc_controller.model.manifold import Manifold
from mpc_controller.model.parameters import Parameter, ParameterError, Parameters
from mpc_controller.model.rigid_body.forward_dynamics import forward_dynamics
from mpc_controller.model.rigid_body.inverse_dynamics import rnea
from mpc_controller.model.rigid_body.joints import FreeFlyer, Prismatic
from mpc_controller.model.rigid_body.mass_matrix import crba, factorize
from mpc_controller.model.rigid_body.rigid_body_model import WORLD, Joint, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia


@final
class RigidBodyDynamics(TwiceDifferentiatedDynamics, InverseDynamics):
    """M(q) v̇ + C(q, v) v + g(q) + damping v = τ,  q̇ = the joints' rates at v.

    x = (q, v), joint after joint as in `model`; u = τ of the joints `actuated`, in their order (by default all but
    free-flyers, in the model's). Velocities are in the child frame of their joint, so a free-flyer has ṗ = R v_lin and
    q̇ = ½ q ⊗ (0, ω); quaternions are (w, x, y, z). p = (`damping.<joint>` of every joint but free-flyers, then
    `payload_mass` of a point mass at `payload_frame`, if one is given); nominal values are the model's and no payload, or
    those in `parameters`. Leaves out dry friction, contacts, joint stops and actuator dynamics.
    """

    def __init__(
        self,
        model: RigidBodyModel,
        actuated: Sequence[str] | None = None,
        payload_frame: str | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.name = model.name
        self.model = model
        self._payload_frame = payload_frame
        self._damped = _damped(model)
        driven = self._damped if actuated is None else _driven(model, actuated)
        self._selection = _columns(model, driven)
        self.state_names = _names(model.joints, "coordinates") + _names(model.joints, "velocities")
        self.state_units = tuple(unit for joint in model.joints for unit in joint.motion.coordinate_units) + tuple(
            unit for joint in model.joints for unit in joint.motion.velocity_units
        )
        self.control_names = _names([model.joints[i] for i in driven], "efforts")
        self.control_units = tuple(unit for i in driven for unit in model.joints[i].motion.effort_units)
        self.manifold = Manifold(
            model.nq + model.nv,
            tuple(
                place.start + joint.motion.quaternion
                for joint, place in zip(model.joints, model.q_slices, strict=True)
                if joint.motion.quaternion is not None
            ),
        )
        nominal = nominal_parameters(model, payload_frame)
        if parameters is not None and parameters.names != nominal.names:
            raise ParameterError(f"{model.name}: parameters are {parameters.names}; they must be {nominal.names}")
        self.parameters = nominal if parameters is None else parameters
        self._xdot, self._jacobians = self._functions()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return self._xdot(x, u, p)

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        f, f_x, f_u = self._jacobians(x, u, p)
        return f, f_x, f_u

    def second_derivatives(self, x: ca.SX, u: ca.SX, p: ca.SX, multiplier: ca.SX) -> ca.SX:
        hessian: ca.SX = self._second_derivatives(x, u, p, multiplier)
        return hessian

    def equation_error(self, x: ca.SX, xdot: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        """τ(q, v, v̇, p) − τ of the controls (nv,) [N, N m]; affine in p."""
        nq = self.model.nq
        return rnea(self.model_at(p), x[:nq], x[nq:], xdot[nq:]) - self._selection @ u

    def acceleration_by(self, x: ca.SX, p: ca.SX, efforts: ca.SX) -> ca.SX:
        """M(q)⁻¹ τ (nv,): what further generalized forces τ (nv,) [N, N m] add to v̇."""
        present = self.model_at(p)
        return factorize(crba(present, x[: self.model.nq]), present.velocity_parents).solve(efforts)

    def efforts(self, controls: Array) -> Array:
        """Generalized forces (..., nv) of controls (..., nu), in numbers: 0 where nothing drives."""
        return np.asarray(controls @ ca.DM(self._selection).full().T)

    def model_at(self, p: ca.SX) -> RigidBodyModel:
        """The tree with its damping and payload as expressions of the parameters p (np,)."""
        model = self.model
        for k, i in enumerate(self._damped):
            joint = model.joints[i]
            model = model.with_joint(i, replace(joint, damping=ca.repmat(p[k], joint.motion.nv, 1)))
        if self._payload_frame is None:
            return model
        frame = model.frame(self._payload_frame)
        carrier = model.joints[frame.parent]
        payload = Inertia.about_centre(p[len(self._damped)], frame.placement.translation, ca.SX(3, 3))
        return model.with_joint(frame.parent, replace(carrier, inertia=carrier.inertia + payload))

    def _functions(self) -> tuple[ca.Function, ca.Function]:
        """ẋ, and ẋ with its derivatives, (x, u, p) → … over fresh symbols."""
        model = self.model
        x, u, p = ca.SX.sym("x", self.nx), ca.SX.sym("u", self.nu), ca.SX.sym("p", self.np)
        q, v, tau = x[: model.nq], x[model.nq :], self._selection @ u
        q_dot = self._rate(q, v)
        joints = zip(model.joints, model.q_slices, strict=True)
        tangent = ca.diagcat(*(joint.motion.velocity_of_rate(q[at_q]) for joint, at_q in joints))

        present = self.model_at(p)
        v_dot = factorize(crba(present, q), present.velocity_parents).solve(tau - rnea(present, q, v, ca.SX(model.nv, 1)))
        value = [ca.vertcat(q_dot, v_dot)]
        motion = forward_dynamics(present, q, v, tau)
        f = ca.vertcat(q_dot, motion.v_dot)
        f_x = ca.vertcat(ca.jacobian(q_dot, x), ca.horzcat(motion.by_configuration @ tangent, motion.by_velocity))
        f_u = ca.vertcat(ca.SX(model.nq, self.nu), motion.by_effort @ self._selection)
        derivatives = [ca.sparsify(expression) for expression in ca.cse([f, f_x, f_u])]
        # A function of its own in the C code, called once a stage of an integrator: with seven joints, RK4 compiles in a third
        # of the time that it takes inlined, and runs 15 % faster.
        apart = {"never_inline": True}
        return (
            ca.Function("xdot", [x, u, p], ca.cse(value)),
            ca.Function("jacobians", [x, u, p], derivatives, ["x", "u", "p"], ["f", "f_x", "f_u"], apart),
        )

    @cached_property
    def _second_derivatives(self) -> ca.Function:
        """(x, u, p, μ) → ∂²(μᵀẋ)/∂(x, u)², by the implicit function theorem on the inverse dynamics τ(q, v, v̇).

        With ν = M⁻¹μ_v, Λ = ∂²(νᵀτ)/∂(q, v, v̇)² and W = ∂(q, v, v̇)/∂(x, u), it is ∂²(μ_qᵀq̇)/∂(x, u)² − WᵀΛW. Of Λ, the blocks
        of v̇ with v and with itself are zero. Source: Nganga, Wensing, "Accelerating second-order differential dynamic
        programming for rigid-body systems", 2021.
        """
        model = self.model
        x, u, p = ca.SX.sym("x", self.nx), ca.SX.sym("u", self.nu), ca.SX.sym("p", self.np)
        mu, v_dot, nu = ca.SX.sym("mu", self.nx), ca.SX.sym("v_dot", model.nv), ca.SX.sym("nu", model.nv)
        q, v, z = x[: model.nq], x[model.nq :], ca.vertcat(x, u)
        present = self.model_at(p)
        effort = ca.dot(nu, rnea(present, q, v, v_dot))
        by_state, gradient = ca.hessian(effort, x)
        by_q_and_v_dot = ca.jacobian(gradient[: model.nq], v_dot)
        kinematics = ca.hessian(ca.dot(mu[: model.nq], self._rate(q, v)), z)[0]
        parts = ca.Function("parts", [x, p, v_dot, nu, mu], ca.cse([by_state, by_q_and_v_dot, kinematics]))

        f, f_x, f_u = self.jacobians(x, u, p)
        adjoint = factorize(crba(present, q), present.velocity_parents).solve(mu[model.nq :])
        by_state, by_q_and_v_dot, kinematics = parts(x, p, f[model.nq :], adjoint, mu)
        rows = by_q_and_v_dot @ ca.horzcat(f_x, f_u)[model.nq :, :]
        mixed = ca.vertcat(rows, ca.SX(z.numel() - model.nq, z.numel()))
        hessian = kinematics - ca.diagcat(by_state, ca.SX(self.nu, self.nu)) - mixed - mixed.T
        return ca.Function("second_derivatives", [x, u, p, mu], ca.cse([hessian]))

    def _rate(self, q: ca.SX, v: ca.SX) -> ca.SX:
        """q̇ (nq,)."""
        joints = zip(self.model.joints, self.model.q_slices, self.model.v_slices, strict=True)
        return ca.vertcat(*(joint.motion.rate(q[at_q], v[at_v]) for joint, at_q, at_v in joints))


def nominal_parameters(model: RigidBodyModel, payload_frame: str | None = None) -> Parameters:
    """The parameters of RigidBodyDynamics with the values of the model file, and no payload."""
    table: list[Parameter] = []
    for joint in (model.joints[i] for i in _damped(model)):
        unit = "N s/m" if isinstance(joint.motion, Prismatic) else "N m s/rad"
        text = f"viscous friction of {joint.name}"
        table.append(Parameter(f"damping.{joint.name}", float(joint.damping[0]), unit, 0.0, description=text))
    if payload_frame is not None:
        if model.frame(payload_frame).parent == WORLD:
            raise ValueError(f"{model.name}: frame '{payload_frame}' is fixed to the ground; it carries no payload")
        text = f"point mass at {payload_frame}"
        table.append(Parameter("payload_mass", 0.0, "kg", 0.0, description=text))
    return Parameters(tuple(table))


def _damped(model: RigidBodyModel) -> list[int]:
    """The joints that have a friction parameter: all but free-flyers."""
    return [i for i, joint in enumerate(model.joints) if not isinstance(joint.motion, FreeFlyer)]


def _driven(model: RigidBodyModel, actuated: Sequence[str]) -> list[int]:
    """The joints `actuated` by index, in the order given; ValueError for a name that is unknown or given twice."""
    twice = sorted({name for name in actuated if list(actuated).count(name) > 1})
    if twice:
        raise ValueError(f"{model.name}: actuated joints named twice: {twice}; each joint has its controls once")
    return [model.joint_index(name) for name in actuated]


def _names(joints: Sequence[Joint], entries: str) -> tuple[str, ...]:
    """`joint` or `joint_suffix` for every coordinate, velocity or effort of the joints."""
    return tuple(
        f"{joint.name}_{suffix}" if suffix else joint.name for joint in joints for suffix in getattr(joint.motion, entries)
    )


def _columns(model: RigidBodyModel, driven: Sequence[int]) -> ca.SX:
    """(nv, nu): which entries of τ the controls are."""
    chosen = [k for i in driven for k in range(model.v_slices[i].start, model.v_slices[i].stop)]
    return ca.SX.eye(model.nv)[:, chosen]
