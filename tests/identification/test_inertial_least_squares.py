"""Inertias of a 7-joint arm from its torques; the regressor against Pinocchio's."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pinocchio
import pytest

from mpc_controller.identification.filtering import Filtering
from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.identification.inverse_dynamics.base_parameters import base_parameters
from mpc_controller.identification.inverse_dynamics.inertial_data import InertialData, inertial_data
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialLeastSquares, inertial_least_squares
from mpc_controller.identification.inverse_dynamics.inertial_regressor import InertialRegressor, JointTerms
from mpc_controller.identification.log import whole
from mpc_controller.identification.model_structure import IdentificationError, structure_of
from mpc_controller.model.rigid_body import from_pinocchio, rnea, to_pinocchio_configuration
from robots import load_robot
from tests.identification.arms import MJCF, PROBLEM, REGRESSOR, hidden_truth, measured, motion

NOTHING = JointTerms(viscous=False, coulomb=False, offset=False, armature=False)


def floating_tree() -> pinocchio.Model:
    """A floating base with three arms of two joints, of every kind of joint with one direction or three."""
    model = pinocchio.Model()
    random = np.random.default_rng(4)

    def add(parent: int, joint: object, name: str) -> int:
        index = model.addJoint(parent, joint, pinocchio.SE3.Random() if parent else pinocchio.SE3.Identity(), name)
        spread = random.normal(size=(3, 3))
        body = pinocchio.Inertia(random.uniform(0.5, 2.0), 0.2 * random.normal(size=3), 0.02 * spread @ spread.T)
        model.appendBodyToJoint(index, body, pinocchio.SE3.Identity())
        return int(index)

    base = add(0, pinocchio.JointModelFreeFlyer(), "base")
    for k, joint in enumerate((pinocchio.JointModelRX, pinocchio.JointModelPY, pinocchio.JointModelSpherical)):
        add(add(base, joint(), f"upper{k}"), pinocchio.JointModelRZ(), f"lower{k}")
    return model


@pytest.mark.parametrize("model", [pinocchio.buildModelFromMJCF(str(MJCF)), floating_tree()], ids=["arm", "floating tree"])
def test_the_regressor_is_pinocchios(model: pinocchio.Model) -> None:
    regressor = InertialRegressor(from_pinocchio(model), NOTHING)
    random, data = np.random.default_rng(0), model.createData()
    own = regressor.model
    q = random.uniform(-2, 2, (200, own.nq))
    for joint, place in zip(own.joints, own.q_slices, strict=True):
        if joint.motion.quaternion is not None:
            quaternion = q[:, place][:, joint.motion.quaternion :]
            quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    v, a = random.normal(size=(2, 200, own.nv))
    rows = regressor.rows(q, v, a)
    for k in range(0, 200, 7):
        expected = pinocchio.computeJointTorqueRegressor(model, data, to_pinocchio_configuration(model, q[k]), v[k], a[k])
        for j in range(own.nv):
            given = np.zeros(len(regressor))
            given[regressor.columns[j]] = rows[j][k]
            np.testing.assert_allclose(given, expected[j], atol=1e-11)


def test_inertial_parameters_are_pinocchios_and_come_back_from_pseudo_inertias() -> None:
    model = pinocchio.buildModelFromMJCF(str(MJCF))
    theta = inertial_parameters.values(REGRESSOR.model)
    expected = np.concatenate([body.toDynamicParameters() for body in list(model.inertias)[1:]])
    np.testing.assert_allclose(theta, expected, atol=1e-12)
    bodies = theta.reshape(-1, 10)
    for body, given in zip(inertial_parameters.pseudo_inertia(bodies), list(model.inertias)[1:], strict=True):
        np.testing.assert_allclose(body, given.toPseudoInertia().toMatrix(), atol=1e-12)
    np.testing.assert_allclose(
        inertial_parameters.parameters_of(inertial_parameters.pseudo_inertia(bodies)), bodies, atol=1e-12
    )


def test_base_parameters_give_the_torques_of_all_parameters() -> None:
    base, random = PROBLEM.base, np.random.default_rng(1)
    q, v, a = motion(50, random)
    theta = random.normal(size=len(REGRESSOR))
    kept_only = np.zeros_like(theta)
    kept_only[base.kept] = base.matrix @ theta
    np.testing.assert_allclose(REGRESSOR.torques(q, v, a, kept_only), REGRESSOR.torques(q, v, a, theta), atol=1e-6)
    # Gautier's count for this arm: 43 of 70, with the gravity of a base that stands upright.
    assert len(base_parameters(InertialRegressor(REGRESSOR.model, NOTHING)).names) == 43


def test_combinations_that_alone_are_seen_are_named_in_words() -> None:
    names = PROBLEM.base.names
    assert any("joint1.armature" in name and "joint1.inertia_zz" in name for name in names)
    assert any("joint5.mass" in n and "joint6.mass" in n and "joint7.mass" in n for n in names)
    assert "joint1.mass" in PROBLEM.base.unseen


def test_base_parameters_of_a_noisy_arm_are_within_their_intervals() -> None:
    covered = []
    for seed in range(8):
        theta = hidden_truth(np.random.default_rng(seed))
        fit = PROBLEM.fit([measured(theta, 3000, 0.2, 100 + seed)])
        covered.append(np.abs(fit.base_values - PROBLEM.base.matrix @ theta) <= fit.base_half_width)
        np.testing.assert_allclose(fit.torque_std, 0.2, rtol=0.1)
    assert 0.9 < np.mean(covered) <= 1.0


def test_torques_without_noise_give_the_torques_of_other_motions_back() -> None:
    theta = hidden_truth(np.random.default_rng(5))
    fit = PROBLEM.fit([measured(theta, 3000, 0.0, 6)])
    q, v, a = motion(500, np.random.default_rng(7), speed=1.3)
    np.testing.assert_allclose(REGRESSOR.torques(q, v, a, fit.values), REGRESSOR.torques(q, v, a, theta), atol=1e-5)


def test_every_joint_is_weighted_by_its_own_errors() -> None:
    """Ten times the noise on the strong joints must not spoil what the weak ones say."""
    theta = hidden_truth(np.random.default_rng(8))
    clean = measured(theta, 3000, 0.0, 9)
    std = np.array([5.0, 5.0, 5.0, 5.0, 0.05, 0.05, 0.05])
    noisy = InertialData(clean.q, clean.v, clean.a, clean.tau + std * np.random.default_rng(9).normal(size=clean.tau.shape))
    fit = PROBLEM.fit([noisy])
    np.testing.assert_allclose(fit.torque_std, std, rtol=0.1)
    last = [k for k, name in enumerate(PROBLEM.base.names) if name.startswith("joint7.moment")]
    truth = PROBLEM.base.matrix @ theta
    np.testing.assert_allclose(fit.base_values[last], truth[last], atol=0.02)


def test_a_robust_fit_forgets_bumps() -> None:
    theta = hidden_truth(np.random.default_rng(10))
    data = measured(theta, 3000, 0.1, 11)
    tau = data.tau.copy()
    tau[500:620] += 40.0
    bumped = InertialData(data.q, data.v, data.a, tau)
    truth = PROBLEM.base.matrix @ theta
    robust = InertialLeastSquares(REGRESSOR.model, loss="bisquare").fit([bumped])
    plain = PROBLEM.fit([bumped])
    assert np.abs(robust.base_values - truth).max() < 0.2 * np.abs(plain.base_values - truth).max()


def test_friction_that_differs_by_direction_is_found() -> None:
    regressor = InertialRegressor(REGRESSOR.model, JointTerms(asymmetric=True, offset=False))
    theta = hidden_truth(np.random.default_rng(12), regressor=regressor)
    for k, name in enumerate(regressor.names):
        theta[k] = 1.0 if name.endswith("forwards") else 0.4 if name.endswith("backwards") else theta[k]
    data = measured(theta, 6000, 0.02, 13, regressor)
    fit = inertial_least_squares(REGRESSOR.model, [data], JointTerms(asymmetric=True, offset=False))
    for joint in range(1, 8):
        assert fit[f"joint{joint}.coulomb_forwards"] == pytest.approx(1.0, abs=0.05)
        assert fit[f"joint{joint}.coulomb_backwards"] == pytest.approx(0.4, abs=0.05)


def test_the_identified_tree_needs_the_torques_of_the_fit() -> None:
    theta = hidden_truth(np.random.default_rng(14))
    fit = PROBLEM.fit([measured(theta, 2000, 0.05, 15)])
    q, v, a = motion(20, np.random.default_rng(16))
    symbols = [ca.SX.sym(s, 7) for s in "qva"]
    torque = ca.Function("tau", symbols, [rnea(fit.model, *symbols)]).map(20)(q.T, v.T, a.T).full().T
    dry = np.array([fit[f"joint{j}.coulomb"] for j in range(1, 8)]) * np.sign(v)
    offset = np.array([fit[f"joint{j}.offset"] for j in range(1, 8)])
    np.testing.assert_allclose(torque + dry + offset, REGRESSOR.torques(q, v, a, fit.values), atol=1e-9)


def test_logs_of_angles_are_filtered_and_differentiated() -> None:
    structure = structure_of(load_robot("arm"))
    theta = hidden_truth(np.random.default_rng(17))
    data, random = measured(theta, 6000, 0.1, 18), np.random.default_rng(19)
    states = np.hstack([data.q + 1e-5 * random.normal(size=data.q.shape), data.v + 1e-3 * random.normal(size=data.v.shape)])
    log = whole("arm", np.arange(6000) * 2e-3, states, data.tau)
    fit = PROBLEM.fit(inertial_data(structure, [log], Filtering(held=False)))
    q, v, a = motion(500, random)
    wanted, given = (REGRESSOR.torques(q, v, a, t) for t in (theta, fit.values))
    assert np.sqrt(np.mean((wanted - given) ** 2, axis=0)).max() < 0.2


def test_bad_data_are_refused() -> None:
    data = measured(REGRESSOR.nominal, 100, 0.0, 0)
    with pytest.raises(IdentificationError, match="base parameters need many more"):
        PROBLEM.fit([InertialData(data.q[:10], data.v[:10], data.a[:10], data.tau[:10])])
    with pytest.raises(IdentificationError, match="same number"):
        InertialData(data.q, data.v[:-1], data.a, data.tau)
    with pytest.raises(IdentificationError, match="a is not finite in row 3"):
        InertialData(data.q, data.v, np.where(np.arange(100)[:, None] == 3, np.nan, data.a), data.tau)
    with pytest.raises(IdentificationError, match="columns; they must have 7, 7, 7, 7"):
        PROBLEM.fit([InertialData(data.q[:, :6], data.v, data.a, data.tau)])
    with pytest.raises(IdentificationError, match="no data given"):
        PROBLEM.fit([])
