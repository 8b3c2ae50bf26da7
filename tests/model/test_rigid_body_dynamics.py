"""A tree of rigid bodies as Dynamics: its derivatives, its manifold and what physics conserves."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pinocchio
import pytest

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import curvature
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Manifold
from mpc_controller.model.parameters import Parameter, ParameterError, Parameters
from mpc_controller.model.rigid_body import RigidBodyDynamics, from_pinocchio, to_pinocchio_configuration
from tests.model.rigid_body_trees import TREES, pinocchio_tree, random_configuration

_BODY = "floating base with three limbs"


@pytest.mark.parametrize("structure", TREES)
def test_the_jacobians_are_those_of_automatic_differentiation(structure: str) -> None:
    dynamics = RigidBodyDynamics(from_pinocchio(pinocchio_tree(TREES[structure], seed=3)), payload_frame="tip")
    x, u, p = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu), ca.SX.sym("p", dynamics.np)
    f = dynamics.xdot(x, u, p)
    automatic = ca.Function("automatic", [x, u, p], [f, ca.jacobian(f, x), ca.jacobian(f, u)])
    analytical = ca.Function("analytical", [x, u, p], dynamics.jacobians(x, u, p))
    rng = np.random.default_rng(0)
    for _ in range(3):
        # Off the unit sphere as well: the stages of an integrator leave it.
        sample = rng.normal(size=dynamics.nx), rng.normal(size=dynamics.nu), rng.uniform(0.1, 1.0, dynamics.np)
        for ours, theirs in zip(analytical(*sample), automatic(*sample), strict=True):
            scale = max(1.0, float(ca.norm_inf(theirs)))
            np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("structure", TREES)
def test_the_second_derivatives_are_those_of_automatic_differentiation(structure: str) -> None:
    dynamics = RigidBodyDynamics(from_pinocchio(pinocchio_tree(TREES[structure], seed=3)), payload_frame="tip")
    x, u, p = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu), ca.SX.sym("p", dynamics.np)
    multiplier, z = ca.SX.sym("multiplier", dynamics.nx), ca.vertcat(x, u)
    gradient = ca.gradient(ca.dot(multiplier, dynamics.xdot(x, u, p)), z)
    automatic = ca.Function("automatic", [x, u, p, multiplier], [ca.jacobian(gradient, z)])
    rng = np.random.default_rng(0)
    sample = [rng.normal(size=n) for n in (dynamics.nx, dynamics.nu)]
    sample += [rng.uniform(0.1, 1.0, dynamics.np), rng.normal(size=dynamics.nx)]
    expected = np.array(automatic(*sample))
    analytical = np.array(curvature(dynamics)(*sample))
    np.testing.assert_allclose(analytical, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


def test_the_analytical_jacobians_take_less_than_half_the_operations() -> None:
    dynamics = RigidBodyDynamics(from_pinocchio(pinocchio_tree([("revolute unaligned", i - 1) for i in range(7)], seed=0)))
    x, u, p = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu), ca.SX.sym("p", dynamics.np)
    f = dynamics.xdot(x, u, p)
    automatic = ca.Function("automatic", [x, u, p], ca.cse([f, ca.jacobian(f, x), ca.jacobian(f, u)]))
    analytical = ca.Function("analytical", [x, u, p], dynamics.jacobians(x, u, p))
    assert analytical.n_instructions() < 0.5 * automatic.n_instructions()


def test_state_control_and_manifold_follow_the_joints() -> None:
    dynamics = RigidBodyDynamics(from_pinocchio(pinocchio_tree(TREES[_BODY], seed=3)))
    assert dynamics.manifold == Manifold(28, quaternions=(3, 9))
    assert dynamics.state_names[:8] == (
        *(f"joint0_{s}" for s in ("x", "y", "z", "qw", "qx", "qy", "qz")),
        "joint1",
    )
    assert dynamics.state_names[15:22] == (*(f"joint0_{s}" for s in ("vx", "vy", "vz", "wx", "wy", "wz")), "joint1_dot")
    assert dynamics.control_names[:3] == ("joint1_torque", "joint2_force", "joint3_torque_x")
    assert dynamics.control_units[:3] == ("N m", "N", "N m")
    assert dynamics.parameters.names == tuple(f"damping.joint{i}" for i in range(1, 6))
    assert len(dynamics.state_units) == dynamics.nx


def test_only_the_actuated_joints_are_driven_in_the_order_given() -> None:
    reference = pinocchio_tree(TREES[_BODY], seed=3)
    dynamics = RigidBodyDynamics(from_pinocchio(reference), actuated=("joint4", "joint2"))
    assert dynamics.control_names == ("joint4_torque", "joint2_force")
    assert dynamics.control_units == ("N m", "N")
    rng = np.random.default_rng(1)
    q, v, u = random_configuration(dynamics.model, rng), rng.normal(size=reference.nv), rng.normal(size=2)
    tau = -reference.damping * v
    tau[reference.idx_vs[5]] += u[0]
    tau[reference.idx_vs[3]] += u[1]
    expected = pinocchio.aba(reference, reference.createData(), to_pinocchio_configuration(reference, q), v, tau)
    point = np.concatenate([q, v]), u, dynamics.parameters.values
    np.testing.assert_allclose(np.array(dynamics.function()(*point)).ravel()[len(q) :], expected, atol=1e-9)
    by_control = np.array(dynamics.jacobians(*map(ca.DM, point))[2])
    pushed = np.array(dynamics.function()(point[0], u + np.array([1.0, 0.0]), point[2])).ravel()[len(q) :]
    np.testing.assert_allclose(by_control[len(q) :, 0], pushed - expected, atol=1e-9)  # ẋ is linear in u


@pytest.mark.parametrize("structure", TREES)
def test_configurations_move_as_pinocchios_do(structure: str) -> None:
    """q̇ against the central difference of Pinocchio's integration along v."""
    reference = pinocchio_tree(TREES[structure], seed=3)
    dynamics = RigidBodyDynamics(from_pinocchio(reference))
    rng, step = np.random.default_rng(1), 1e-5
    q, v = random_configuration(dynamics.model, rng), rng.normal(size=reference.nv)
    x_dot = np.array(dynamics.function()(np.concatenate([q, v]), np.zeros(dynamics.nu), dynamics.parameters.values))
    rate = x_dot.ravel()[: len(q)]
    q_pin = to_pinocchio_configuration(reference, q)
    ours = (to_pinocchio_configuration(reference, q + step * rate) - to_pinocchio_configuration(reference, q - step * rate)) / (
        2 * step
    )
    theirs = (pinocchio.integrate(reference, q_pin, step * v) - pinocchio.integrate(reference, q_pin, -step * v)) / (2 * step)
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_energy_is_conserved_without_friction_and_controls() -> None:
    reference = pinocchio_tree(TREES[_BODY], seed=5)
    reference.damping = np.zeros(reference.nv)
    reference.armature = np.zeros(reference.nv)
    dynamics = RigidBodyDynamics(from_pinocchio(reference))
    x, dt = ca.SX.sym("x", dynamics.nx), 1e-3
    next_x = RungeKutta4().step(dynamics, x, ca.SX(dynamics.nu, 1), ca.SX(dynamics.np, 1), ca.SX(dt))
    step = ca.Function("step", [x], [next_x])
    rng = np.random.default_rng(2)
    state = np.concatenate([random_configuration(dynamics.model, rng), 0.5 * rng.normal(size=reference.nv)])
    data = reference.createData()

    def energy(state: Array) -> float:
        q_pin = to_pinocchio_configuration(reference, state[: dynamics.model.nq])
        return float(pinocchio.computeMechanicalEnergy(reference, data, q_pin, state[dynamics.model.nq :]))

    first = energy(state)
    for _ in range(300):
        state = dynamics.manifold.normalized(np.array(step(state)).ravel())
    assert energy(state) == pytest.approx(first, abs=1e-6)


def test_a_payload_is_a_point_mass_at_its_frame() -> None:
    reference = pinocchio_tree(TREES["forest"], seed=4)
    dynamics = RigidBodyDynamics(from_pinocchio(reference), payload_frame="tip")
    values = dynamics.parameters.with_values({"payload_mass": 1.3}).values
    rng = np.random.default_rng(3)
    q, v = random_configuration(dynamics.model, rng), rng.normal(size=reference.nv)
    tip = reference.frames[reference.getFrameId("tip")]
    reference.inertias[tip.parentJoint] += pinocchio.Inertia(1.3, tip.placement.translation, np.zeros((3, 3)))
    q_pin = to_pinocchio_configuration(reference, q)
    expected = pinocchio.aba(reference, reference.createData(), q_pin, v, -reference.damping * v)
    x_dot = np.array(dynamics.function()(np.concatenate([q, v]), np.zeros(dynamics.nu), values)).ravel()
    np.testing.assert_allclose(x_dot[len(q) :], expected, atol=1e-9)


def test_wrong_names_are_refused_with_those_that_exist() -> None:
    model = from_pinocchio(pinocchio_tree(TREES["forest"], seed=4))
    with pytest.raises(ValueError, match=r"no joint 'elbow'; there are joint0, joint1"):
        RigidBodyDynamics(model, actuated=("elbow",))
    with pytest.raises(ValueError, match=r"actuated joints named twice: \['joint1'\]"):
        RigidBodyDynamics(model, actuated=("joint1", "joint0", "joint1"))
    with pytest.raises(ValueError, match=r"no frame 'hand'; there are .*tip"):
        RigidBodyDynamics(model, payload_frame="hand")
    with pytest.raises(ValueError, match="fixed to the ground"):
        RigidBodyDynamics(model, payload_frame="universe")
    with pytest.raises(ParameterError, match=r"must be \('damping.joint0'"):
        RigidBodyDynamics(model, parameters=Parameters((Parameter("mass", 1.0, "kg"),)))
