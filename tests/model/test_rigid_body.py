"""Expressions of rigid-body dynamics against Pinocchio, for every joint type, in chains and trees."""

from __future__ import annotations

from functools import cache
from typing import Any

import casadi as ca
import numpy as np
import pinocchio
import pytest

from mpc_controller.arrays import Array
from mpc_controller.model.rigid_body import (
    Inertia,
    RigidBodyModel,
    aba,
    crba,
    forward_dynamics,
    forward_kinematics,
    frame_placement,
    frame_velocity,
    from_pinocchio,
    rnea,
    to_pinocchio_configuration,
)
from tests.model.rigid_body_trees import STRUCTURES, pinocchio_tree, random_configuration

_SAMPLES = 5


class _Case:
    """One structure: Pinocchio's model, ours, and functions of our expressions."""

    def __init__(self, name: str) -> None:
        self.reference: Any = pinocchio_tree(STRUCTURES[name], seed=len(name))
        self.data: Any = self.reference.createData()
        self.model: RigidBodyModel = from_pinocchio(self.reference)
        m = self.model
        q, v, w = ca.SX.sym("q", m.nq), ca.SX.sym("v", m.nv), ca.SX.sym("w", m.nv)
        derivatives = forward_dynamics(m, q, v, w)
        placements = [*forward_kinematics(m, q), frame_placement(m, q, "tip")]
        self.placements = ca.Function("fk", [q], [ca.horzcat(p.rotation, p.translation) for p in placements])
        self.tip_velocity = ca.Function("tip_velocity", [q, v], [frame_velocity(m, q, v, "tip")])
        self.rnea = ca.Function("rnea", [q, v, w], [rnea(m, q, v, w)])
        self.crba = ca.Function("crba", [q], [crba(m, q)])
        self.aba = ca.Function("aba", [q, v, w], [aba(m, q, v, w)])
        self.derivatives = ca.Function(
            "derivatives",
            [q, v, w],
            [
                derivatives.v_dot,
                derivatives.by_configuration,
                derivatives.by_velocity,
                derivatives.by_effort,
            ],
        )

    def samples(self) -> list[tuple[Array, Array, Array, Array]]:
        """Random q, the same for Pinocchio, v, and an acceleration or effort."""
        rng = np.random.default_rng(7)
        result = []
        for _ in range(_SAMPLES):
            q = random_configuration(self.model, rng)
            result.append((q, to_pinocchio_configuration(self.reference, q), *rng.normal(size=(2, self.model.nv))))
        return result


@cache
def _case(name: str) -> _Case:
    return _Case(name)


@pytest.fixture(params=STRUCTURES)
def case(request: pytest.FixtureRequest) -> _Case:
    return _case(request.param)


def _symmetric(upper: Array) -> Array:
    return np.triu(upper) + np.triu(upper, 1).T


def test_forward_kinematics_is_pinocchios(case: _Case) -> None:
    for q, q_pin, _, _ in case.samples():
        pinocchio.framesForwardKinematics(case.reference, case.data, q_pin)
        tip = case.data.oMf[case.reference.getFrameId("tip")]
        expected = [case.data.oMi[i] for i in range(1, case.reference.njoints)] + [tip]
        for ours, theirs in zip(case.placements.call([q]), expected, strict=True):
            np.testing.assert_allclose(np.array(ours), np.column_stack([theirs.rotation, theirs.translation]), atol=1e-9)


def test_the_velocity_of_a_frame_is_pinocchios(case: _Case) -> None:
    for q, q_pin, v, _ in case.samples():
        pinocchio.forwardKinematics(case.reference, case.data, q_pin, v)
        axes = pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED
        tip = case.reference.getFrameId("tip")
        expected = pinocchio.getFrameVelocity(case.reference, case.data, tip, axes).linear
        np.testing.assert_allclose(np.array(case.tip_velocity(q, v)).ravel(), expected, rtol=1e-9, atol=1e-9)


def test_inverse_dynamics_is_pinocchios_plus_damping(case: _Case) -> None:
    for q, q_pin, v, v_dot in case.samples():
        expected = pinocchio.rnea(case.reference, case.data, q_pin, v, v_dot) + case.reference.damping * v
        np.testing.assert_allclose(np.array(case.rnea(q, v, v_dot)).ravel(), expected, rtol=1e-9, atol=1e-9)


def test_mass_matrix_is_pinocchios(case: _Case) -> None:
    for q, q_pin, _, _ in case.samples():
        expected = _symmetric(pinocchio.crba(case.reference, case.data, q_pin))
        np.testing.assert_allclose(np.array(case.crba(q)), expected, rtol=1e-9, atol=1e-9)


def test_articulated_body_algorithm_is_pinocchios(case: _Case) -> None:
    for q, q_pin, v, tau in case.samples():
        expected = pinocchio.aba(case.reference, case.data, q_pin, v, tau - case.reference.damping * v)
        np.testing.assert_allclose(np.array(case.aba(q, v, tau)).ravel(), expected, rtol=1e-9, atol=1e-9)


def test_derivatives_of_forward_dynamics_are_pinocchios(case: _Case) -> None:
    for q, q_pin, v, tau in case.samples():
        effort = tau - case.reference.damping * v
        pinocchio.computeABADerivatives(case.reference, case.data, q_pin, v, effort)
        inverse = _symmetric(case.data.Minv)
        expected = (
            case.data.ddq[:, None],
            case.data.ddq_dq,
            case.data.ddq_dv - inverse @ np.diag(case.reference.damping),
            inverse,
        )
        for ours, theirs in zip(case.derivatives(q, v, tau), expected, strict=True):
            np.testing.assert_allclose(np.array(ours), theirs, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(theirs).max()))


def test_joints_on_different_branches_are_structural_zeros_of_the_mass_matrix() -> None:
    model = _case("floating base with three limbs").model
    pattern = np.array(ca.DM(crba(model, ca.SX.sym("q", model.nq)).sparsity(), 1.0))
    first, second = model.v_slices[2], model.v_slices[4]
    assert not pattern[first, second].any()
    assert pattern[first, model.v_slices[0]].all()


def test_a_planar_pendulum_has_its_closed_form() -> None:
    """J q̈ = τ − b q̇ − m g l sin q, and nothing more than that is computed."""
    reference = pinocchio.Model()
    reference.addJoint(0, pinocchio.JointModelRY(), pinocchio.SE3.Identity(), "pivot")
    inertia = pinocchio.Inertia(2.0, np.array([0.0, 0.0, -0.5]), np.diag([0.1, 0.2, 0.3]))
    reference.appendBodyToJoint(1, inertia, pinocchio.SE3.Identity())
    reference.armature, reference.damping = np.array([0.05]), np.array([0.4])
    q, v, tau = ca.SX.sym("q"), ca.SX.sym("v"), ca.SX.sym("tau")
    expression = aba(from_pinocchio(reference), q, v, tau)
    expected = (tau - 0.4 * v - 2.0 * 9.81 * 0.5 * ca.sin(q)) / (0.2 + 2.0 * 0.5**2 + 0.05)
    both = ca.Function("both", [q, v, tau], [expression, expected])
    for sample in np.random.default_rng(0).normal(size=(5, 3)):
        ours, closed = both(*sample)
        assert float(ours) == pytest.approx(float(closed), rel=1e-12)
    assert ca.Function("count", [q, v, tau], [expression]).n_instructions() < 25


def test_an_inertia_may_be_an_expression_of_parameters() -> None:
    """The effort is linear in the mass of a payload, and equals that of a model which has it built in."""
    case = _case("forest")
    model, mass = case.model, ca.SX.sym("mass")
    last = model.joints[-1]
    point = Inertia.about_centre(mass, ca.SX([0.1, 0.2, -0.3]), ca.SX(3, 3))
    joint = type(last)(**{**last.__dict__, "inertia": last.inertia + point})
    loaded = model.with_joint(len(model.joints) - 1, joint)
    q, v, w = ca.SX.sym("q", model.nq), ca.SX.sym("v", model.nv), ca.SX.sym("w", model.nv)
    effort = ca.Function("effort", [q, v, w, mass], [rnea(loaded, q, v, w)])

    heavier = case.reference.copy()
    heavier.inertias[heavier.njoints - 1] += pinocchio.Inertia(0.7, np.array([0.1, 0.2, -0.3]), np.zeros((3, 3)))
    for q_ours, q_pin, v_, v_dot in case.samples():
        expected = pinocchio.rnea(heavier, heavier.createData(), q_pin, v_, v_dot) + heavier.damping * v_
        np.testing.assert_allclose(np.array(effort(q_ours, v_, v_dot, 0.7)).ravel(), expected, rtol=1e-9, atol=1e-9)
