"""Where learned corrections enter: the effect is that of the forces which its names say, in the frames which they say."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import casadi as ca
import mujoco
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.manifold import quaternion_multiply
from mpc_controller.model.residual.fused import push
from mpc_controller.model.residual.port import ResidualPort
from robots import load_robot, load_structure
from robots.arm.dynamics import MJCF
from robots.arm.tasks import TORQUE_LIMIT

NAMES = ("quadrotor", "cartpole", "arm", "car", "crazyflie", "emps", "double_pendulum")


@cache
def structure(name: str) -> ModelStructure:
    return load_structure(name)


def port(name: str) -> ResidualPort:
    found = structure(name).residual_port
    assert found is not None
    return found


@cache
def functions(name: str) -> tuple[ca.Function, ca.Function]:
    """z = φ(x, u, p) and e(x, u, p, r)."""
    d, at = structure(name).dynamics, port(name)
    x, u, p, r = (ca.SX.sym(n, size) for n, size in (("x", d.nx), ("u", d.nu), ("p", d.np), ("r", at.nr)))
    return ca.Function("z", [x, u, p], [at.features(x, u, p)]), ca.Function("e", [x, u, p, r], [at.effect(x, u, p, r)])


def features(name: str, x: Array, u: Array, p: Array) -> Array:
    return np.asarray(functions(name)[0](x, u, p)).ravel()


def effect(name: str, x: Array, u: Array, p: Array, r: Array) -> Array:
    return np.asarray(functions(name)[1](x, u, p, r)).ravel()


def anywhere(name: str, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """A random state, control and residual, and the nominal parameters."""
    d, rng = structure(name).dynamics, np.random.default_rng(seed)
    x = d.manifold.normalized(rng.normal(size=d.nx))
    return x, rng.normal(size=d.nu), d.parameters.values, rng.normal(size=port(name).nr)


def turned(x: Array, by: Array, velocity: slice) -> Array:
    """The state of a flying body in a world that is turned by a quaternion (w, x, y, z)."""
    result, R = x.copy(), matrix(by)
    result[3:7] = quaternion_multiply(by.tolist(), x[3:7].tolist())
    result[velocity] = R @ x[velocity]
    return result


def matrix(q: Array) -> Array:
    R = np.zeros(9)
    mujoco.mju_quat2Mat(R, q)
    return R.reshape(3, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_residual_pushes_velocities_alone_and_its_push_reaches_the_positions_within_a_step(name: str):
    x, u, p, r = anywhere(name)
    d = structure(name).dynamics
    e = effect(name, x, u, p, r)
    np.testing.assert_allclose(effect(name, x, u, p, 3 * r), 3 * e, rtol=1e-12)
    dt = 1e-3
    symbols = [ca.SX.sym(n, size) for n, size in (("x", d.nx), ("u", d.nu), ("p", d.np), ("r", len(r)))]
    gamma = ca.Function("gamma", symbols, [push(d, port(name), *symbols[:3], ca.SX(dt), symbols[3])])
    gamma = np.asarray(gamma(x, u, p, r)).ravel()
    held = np.flatnonzero(e)
    np.testing.assert_allclose(gamma[held], dt * e[held], rtol=1e-12)
    assert 0 < np.abs(np.delete(gamma, held)).max() < dt**2 * 10 * np.abs(e).max()


@pytest.mark.parametrize("name", NAMES)
def test_features_have_the_places_that_conjugates_name(name: str):
    x, u, p, _ = anywhere(name)
    assert features(name, x, u, p).shape == (port(name).nz,)
    assert len(port(name).conjugate) == port(name).nr


def test_a_unit_force_on_the_quadrotor_gives_one_by_mass_along_the_bodys_axis():
    x, u, p, _ = anywhere("quadrotor")
    for axis in range(3):
        e = effect("quadrotor", x, u, p, np.eye(6)[axis])
        np.testing.assert_allclose(e[6:9], matrix(x[3:7])[:, axis] / p[0], atol=1e-9)
        assert not e[:6].any()
        assert not e[9:].any()
        torque = effect("quadrotor", x, u, p, np.eye(6)[3 + axis])
        np.testing.assert_allclose(torque[9:12], np.eye(3)[axis] / p[1:4], rtol=1e-12)


@pytest.mark.parametrize("name", ["quadrotor", "crazyflie"])
def test_a_body_that_flies_in_a_turned_world_has_the_same_features_and_a_turned_push(name: str):
    x, u, p, r = anywhere(name)
    by = np.array([0.5, -0.1, 0.7, 0.3]) / np.linalg.norm([0.5, -0.1, 0.7, 0.3])
    other = turned(x, by, slice(7, 10))
    before, after = features(name, x, u, p), features(name, other, u, p)
    np.testing.assert_allclose(after[:10], before[:10], atol=1e-12)
    np.testing.assert_allclose(before[:3], matrix(x[3:7]).T @ x[7:10], atol=1e-12)
    here, there = effect(name, x, u, p, r), effect(name, other, u, p, r)
    np.testing.assert_allclose(there[6:9], matrix(by) @ here[6:9], atol=1e-9)
    np.testing.assert_allclose(there[9:], here[9:], atol=1e-9)


def test_the_crazyflie_sees_how_it_leans_and_not_where_it_heads():
    x, u, p, _ = anywhere("crazyflie")
    heading = np.array([np.cos(0.8), 0.0, 0.0, np.sin(0.8)])
    np.testing.assert_allclose(features("crazyflie", turned(x, heading, slice(7, 10)), u, p), features("crazyflie", x, u, p))
    up = matrix(x[3:7]).T @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(features("crazyflie", x, u, p)[10:], up[:2], atol=1e-12)


def test_the_ground_is_near_on_it_and_of_no_account_far_above():
    x, u, p, _ = anywhere("quadrotor")
    proximity = []
    for height in (0.0, 0.15, 3.0, 30.0):
        x[2] = height
        proximity.append(features("quadrotor", x, u, p)[-1])
    np.testing.assert_allclose(proximity, [1.0, 0.5, 0.0, 0.0], atol=3e-3)


def test_the_cars_forces_act_where_its_axles_slide():
    """At rest, a force across the front wheels pushes them, and so the axle's slide grows by more than the centre's."""
    _, u, p, _ = anywhere("car")
    x = np.zeros(7)
    e = effect("car", x, u, p, np.array([0.0, 1.0, 0.0]))
    mass, inertia, front = p[0], p[1], p[2]
    np.testing.assert_allclose(e[3:6], [0.0, 1 / mass, front / inertia], rtol=1e-12)
    x[6] = np.pi / 2  # wheels square to the car push it backwards
    np.testing.assert_allclose(effect("car", x, u, p, np.array([0.0, 1.0, 0.0]))[3:6], [-1 / mass, 0.0, 0.0], atol=1e-12)


def flying(x: Array, p: Array) -> float:
    return float(0.5 * p[0] * x[7:10] @ x[7:10] + 0.5 * x[10:13] @ (p[1:4] * x[10:13]))


def flying_by_mass(x: Array, p: Array) -> float:
    return float(0.5 * x[7:10] @ x[7:10] + 0.5 * x[10:13] @ x[10:13])


def driving(x: Array, p: Array) -> float:
    return float(0.5 * p[0] * (x[3] ** 2 + x[4] ** 2) + 0.5 * p[1] * x[5] ** 2)


def cart_and_pole(x: Array, p: Array) -> float:
    model = mujoco.MjModel.from_xml_path(str(load_robot("cartpole").mjcf))
    return simulated(model, x[:2], x[2:])


def simulated(model: Any, q: Array, v: Array) -> float:
    data, momentum = mujoco.MjData(model), np.zeros(model.nv)
    data.qpos[:] = q
    mujoco.mj_forward(model, data)
    mujoco.mj_mulM(model, data, momentum, v)
    return float(0.5 * v @ momentum)


def jointed(x: Array, p: Array) -> float:
    return simulated(mujoco.MjModel.from_xml_path(str(MJCF)), x[:7], x[7:])


def on_a_screw(x: Array, p: Array) -> float:
    return float(0.5 * p[0] * x[1] ** 2)


ENERGIES: dict[str, Callable[[Array, Array], float]] = {
    "quadrotor": flying,
    "crazyflie": flying_by_mass,
    "car": driving,
    "cartpole": cart_and_pole,
    "arm": jointed,
    "emps": on_a_screw,
}


@pytest.mark.parametrize("name", ENERGIES)
def test_what_a_residual_feeds_in_is_its_outputs_times_their_features(name: str):
    """Σ r_i z_{c_i} is the change of the kinetic energy, which others compute."""
    x, u, p, r = anywhere(name, 3)
    at, manifold, energy = port(name), structure(name).dynamics.manifold, ENERGIES[name]
    z = dict(zip(at.feature_names, features(name, x, u, p), strict=True))
    power = sum(float(force) * z[conjugate] for force, conjugate in zip(r, at.conjugate, strict=True))
    e, h = effect(name, x, u, p, r), 1e-4
    gained = (energy(manifold.retract(x, h * e), p) - energy(manifold.retract(x, -h * e), p)) / (2 * h)
    assert gained == pytest.approx(power, rel=1e-5)


def test_what_a_residual_feeds_into_two_point_masses_on_rods_is_its_outputs_times_their_features():
    m1, r1, m2, l1, r2 = 0.7, 0.15, 0.4, 0.2, 0.25
    d = structure("double_pendulum").dynamics
    values = {"inertia_1": m1 * r1**2 + m2 * l1**2, "inertia_2": m2 * r2**2, "armature_2": 0.0, "coupling": m2 * l1 * r2}
    p = d.parameters.with_values(values).values
    x, u, _, r = anywhere("double_pendulum", 4)

    def energy(state: Array) -> float:
        q1, q2, w1, w2 = state
        elbow = l1 * w1 * np.array([np.cos(q1), np.sin(q1)])
        end = elbow + r2 * (w1 + w2) * np.array([np.cos(q1 + q2), np.sin(q1 + q2)])
        return float(0.5 * m1 * (r1 * w1) ** 2 + 0.5 * m2 * end @ end)

    e, h = effect("double_pendulum", x, u, p, r), 1e-6
    gained = (energy(x + h * e) - energy(x - h * e)) / (2 * h)
    assert gained == pytest.approx(r @ x[2:], rel=1e-6)


def test_joint_torques_of_the_arm_accelerate_it_as_its_drives_do():
    x, u, p, r = anywhere("arm", 5)
    f = structure("arm").dynamics.function()
    by_drives = np.asarray(f(x, u + r, p) - f(x, u, p)).ravel()
    np.testing.assert_allclose(effect("arm", x, u, p, r), by_drives, atol=1e-8)
    assert len(TORQUE_LIMIT) == port("arm").nr


def test_the_arm_sees_which_way_its_joints_turn_and_what_holds_it_still():
    x, u, _, _ = anywhere("arm", 6)
    d, at = structure("arm").dynamics, port("arm")
    p = d.parameters.with_values({"payload_mass": 0.0}).values
    seen = dict(zip(at.feature_names, features("arm", x, u, p), strict=True))
    directions = [seen[name] for name in at.feature_names if name.startswith("direction")]
    np.testing.assert_allclose(directions, np.tanh(x[7:] / 0.1), rtol=1e-12)
    model = mujoco.MjModel.from_xml_path(str(MJCF))
    data = mujoco.MjData(model)
    data.qpos[:] = x[:7]
    mujoco.mj_forward(model, data)
    assert data.qfrc_bias[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose([seen[n] for n in at.feature_names if n.startswith("load")], data.qfrc_bias[1:], atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_ports_can_be_sent_to_other_processes(name: str) -> None:
    """Repeated fits run in several; what a structure holds goes with it."""
    at = port(name)
    with ca.global_pickle_context():  # the arm's holds its model
        packed = pickle.dumps(at)
    with ca.global_unpickle_context():
        sent: ResidualPort = pickle.loads(packed)
    assert (sent.feature_names, sent.output_names, sent.conjugate) == (at.feature_names, at.output_names, at.conjugate)
    d = structure(name).dynamics
    x, u, p = (ca.SX(np.linspace(0.2, 0.9, n)) for n in (d.nx, d.nu, d.np))
    np.testing.assert_array_equal(ca.DM(sent.features(x, u, p)), ca.DM(at.features(x, u, p)))
