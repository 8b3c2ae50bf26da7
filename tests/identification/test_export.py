"""Exported files move as the identified model does, and are what they were in all else."""

from __future__ import annotations

import math
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.export.changes import BodyInertia, JointChange, ModelChanges
from mpc_controller.identification.export.inertial_changes import inertial_changes
from mpc_controller.identification.export.mjcf import export_mjcf, export_robot, mjcf_inertia
from mpc_controller.identification.export.urdf import export_urdf
from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.identification.inverse_dynamics.inertial_data import InertialData
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialLeastSquares
from mpc_controller.identification.inverse_dynamics.inertial_regressor import JointTerms
from mpc_controller.identification.inverse_dynamics.physical_consistency import PhysicalPrior, physically_consistent
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameters import Parameters
from mpc_controller.model.rigid_body import load_urdf
from mpc_controller.robot import Robot
from robots import ROBOTS, load_robot
from tests.identification.arms import MJCF, PROBLEM, hidden_truth, measured, motion

EXPORTED = ("cartpole", "quadrotor", "arm", "car")
URDF = """<?xml version="1.0"?>
<robot name="two links">
  <!-- a comment with <mass value="9"/> in it -->
  <link name="base"/>
  <link name="upper">
    <inertial>
      <origin xyz="0 0 0.1" rpy="0.3 0 0"/>
      <mass value="1.0"/>
      <inertia ixx="0.01" ixy="0" ixz="0"
               iyy="0.01" iyz="0" izz="0.01"/>
    </inertial>
  </link>
  <joint name="shoulder" type="revolute">
    <parent link="base"/><child link="upper"/>
    <axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/>
    <dynamics damping="0.1"/>
  </joint>
  <link name="lower"/>
  <joint name="elbow" type="revolute">
    <origin xyz="0 0 0.3"/>
    <parent link="upper"/><child link="lower"/>
    <axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/>
  </joint>
</robot>
"""


def other_parameters(robot: Robot, seed: int = 0) -> Parameters:
    """All of the model's parameters within 20 % of their values and their bounds; where the value is 0, a part of the range."""
    random = np.random.default_rng(seed)
    values = {}
    for p in robot.dynamics.nominal.parameters:
        value = p.value * random.uniform(0.8, 1.2) if p.value else 0.4 * p.upper
        values[p.name] = float(np.clip(value, p.lower, p.upper))
    return robot.dynamics.nominal.parameters.with_values(values)


def random_states(robot: Robot, random: np.random.Generator, count: int = 50) -> list[tuple[Array, Array]]:
    manifold = robot.dynamics.manifold
    start = robot.tasks[robot.default_task]().initial_state
    pairs = []
    for _ in range(count):
        x = manifold.retract(start, random.uniform(-0.4, 0.4, manifold.ndx))
        if robot.name == "quadrotor":
            x[2], x[13:] = 1.0, random.uniform(0.0, 0.15, 4)  # in the air, with thrusts that rotors give
        pairs.append((x, random.uniform(robot.control_lower, robot.control_upper)))
    return pairs


def rates_in_mujoco(robot: Robot, model: mujoco.MjModel, x: Array, u: Array, p: Array) -> Array:
    """ẋ as MuJoCo has it: (q̇ by the model, q̈ and activation rates by MuJoCo), in the model's coordinates."""
    data = mujoco.MjData(model)
    raw = x if robot.mjcf_adapter is None else robot.mjcf_adapter.mjcf_state(x)
    data.qpos[:], data.qvel[:], data.act[:] = np.split(raw, [model.nq, model.nq + model.nv])
    data.ctrl[:] = u
    if robot.mjcf_adapter is not None:
        data.qfrc_applied[:] = robot.mjcf_adapter.forces(x, p)
    if robot.name == "quadrotor":
        data.qfrc_applied[:3] = -model.numeric("drag").data[0] * data.qvel[:3]
    mujoco.mj_forward(model, data)
    if robot.name == "car":
        c, s = math.cos(x[2]), math.sin(x[2])
        forward, left = c * data.qacc[0] + s * data.qacc[1], c * data.qacc[1] - s * data.qacc[0]
        return np.array([*data.qvel, forward + x[5] * x[4], left - x[5] * x[3], data.qacc[2], data.act_dot[0]])
    return np.concatenate([data.qacc, data.act_dot])


@pytest.mark.parametrize("name", EXPORTED)
def test_the_exported_robot_accelerates_in_mujoco_as_its_model_at_the_parameters(name: str, tmp_path: Path) -> None:
    robot = load_robot(name)
    parameters = other_parameters(robot)
    export_robot(robot, parameters, tmp_path / "identified.xml")
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "identified.xml"))
    f, differing = robot.dynamics.nominal.function(), 0.0
    for x, u in random_states(robot, np.random.default_rng(1)):
        expected = f(x, u, parameters.values).full().ravel()
        given = rates_in_mujoco(robot, model, x, u, parameters.values)
        expected = expected if name == "car" else expected[-len(given) :]
        np.testing.assert_allclose(given, expected, rtol=1e-8, atol=1e-8)
        nominal = f(x, u, robot.dynamics.nominal.parameters.values).full().ravel()
        differing = max(differing, float(np.abs(nominal[-len(given) :] - expected).max()))
    assert differing > 0.01


def test_every_robot_that_is_controlled_says_where_its_parameters_are() -> None:
    assert all(load_robot(name).mjcf_changes is not None for name in EXPORTED if name in ROBOTS)


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_at_the_nominal_parameters_the_robot_moves_as_before(name: str, tmp_path: Path) -> None:
    robot = load_robot(name)
    export_robot(robot, robot.dynamics.nominal.parameters, tmp_path / "same.xml")
    before, after = (mujoco.MjModel.from_xml_path(str(path)) for path in (robot.mjcf, tmp_path / "same.xml"))
    for attribute in ("body_mass", "body_inertia", "body_ipos", "dof_damping", "dof_armature", "actuator_gear", "site_pos"):
        np.testing.assert_allclose(getattr(after, attribute), getattr(before, attribute), rtol=1e-12, atol=1e-15)


def test_what_does_not_change_stays_to_the_byte(tmp_path: Path) -> None:
    export_mjcf(MJCF, tmp_path / "arm.xml", ModelChanges(joints={"joint3": JointChange(damping=2.5)}))
    before, after = MJCF.read_text().splitlines(), (tmp_path / "arm.xml").read_text().splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [(a.strip(), b.strip()) for a, b in changed] == [('<joint name="joint3"/>', '<joint name="joint3" damping="2.5"/>')]


def test_joints_of_the_mjcf_take_friction_and_armature(tmp_path: Path) -> None:
    change = JointChange(damping=2.0, friction=0.7, armature=0.2)
    export_mjcf(MJCF, tmp_path / "arm.xml", ModelChanges(joints={"joint5": change}))
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "arm.xml"))
    assert (model.dof_damping[4], model.dof_frictionloss[4], model.dof_armature[4]) == (2.0, 0.7, 0.2)
    assert (model.dof_damping[3], model.dof_frictionloss[3], model.dof_armature[3]) == (1.0, 0.0, 0.1)


@pytest.mark.parametrize("given", ["", '<inertial pos="1 2 3" quat="1 1 0 0" mass="4" diaginertia="1 2 3"/>'])
def test_inertias_that_were_turned_or_taken_from_shapes_are_replaced(given: str, tmp_path: Path) -> None:
    source = tmp_path / "source.xml"
    source.write_text(
        f'<mujoco><worldbody><body name="a"><freejoint/>{given}<geom size="1"/></body></worldbody></mujoco>', encoding="utf-8"
    )
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    body = BodyInertia(2.0, np.array([0.1, -0.2, 0.3]), turned @ np.diag([0.3, 0.4, 0.5]) @ turned.T)
    export_mjcf(source, tmp_path / "changed.xml", ModelChanges(bodies={"a": body}))
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "changed.xml"))
    assert model.body_mass[1] == 2.0
    np.testing.assert_allclose(model.body_ipos[1], body.centre)
    np.testing.assert_allclose(np.sort(model.body_inertia[1]), [0.3, 0.4, 0.5])
    read = mjcf_inertia(tmp_path / "changed.xml", "a")
    np.testing.assert_allclose(read.inertia, body.inertia)
    if given:
        R = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
        np.testing.assert_allclose(mjcf_inertia(source, "a").inertia, R @ np.diag([1, 2, 3]) @ R.T, atol=1e-12)


def test_a_body_with_a_point_mass_has_the_inertia_of_both() -> None:
    one = BodyInertia.of(2.0, (0.1, 0, 0), (0.3, 0.4, 0.5)).with_point(1.0, (0, 0.2, 0.4))
    pin = pinocchio.Inertia(2.0, np.array([0.1, 0, 0]), np.diag([0.3, 0.4, 0.5]))
    both = pin + pinocchio.Inertia(1.0, np.array([0, 0.2, 0.4]), np.zeros((3, 3)))
    assert one.mass == both.mass
    np.testing.assert_allclose(one.centre, both.lever)
    np.testing.assert_allclose(one.inertia, both.inertia)
    again = BodyInertia.about_origin(both.toDynamicParameters())
    np.testing.assert_allclose(again.inertia, both.inertia, atol=1e-12)


def test_the_identified_arm_moves_in_mujoco_as_its_fit_says(tmp_path: Path) -> None:
    """Inertias of all links, with hand and fingers fixed to the last, through the file and back."""
    theta = hidden_truth(np.random.default_rng(0), change=0.03)
    fit = physically_consistent(PROBLEM.fit([measured(theta, 2000, 0.1, 1)]), PhysicalPrior(0.1))
    export_mjcf(MJCF, tmp_path / "identified.xml", inertial_changes(fit, MJCF))
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "identified.xml"))
    data = mujoco.MjData(model)
    q, v, a = motion(20, np.random.default_rng(2))
    offset = np.array([fit[f"joint{j}.offset"] for j in range(1, 8)])
    dry = np.array([fit[f"joint{j}.coulomb"] for j in range(1, 8)]) * np.sign(v)
    torques = PROBLEM.regressor.torques(q, v, a, fit.values) - offset - dry
    model.dof_frictionloss[:] = 0.0  # MuJoCo's is regularised: compared without
    for k in range(20):
        data.qpos[:], data.qvel[:], data.qacc[:] = q[k], v[k], a[k]
        mujoco.mj_inverse(model, data)
        np.testing.assert_allclose(data.qfrc_inverse, torques[k], atol=1e-8)


def test_urdf_comes_back_through_pinocchio_with_the_new_inertias(tmp_path: Path) -> None:
    source, target = tmp_path / "two.urdf", tmp_path / "identified.urdf"
    source.write_text(URDF, encoding="utf-8")
    random = np.random.default_rng(0)
    bodies = {}
    for name in ("upper", "lower"):
        turned = np.linalg.qr(random.normal(size=(3, 3)))[0]
        bodies[name] = BodyInertia(random.uniform(1, 2), random.normal(size=3), turned @ np.diag([0.3, 0.4, 0.5]) @ turned.T)
    joints = {"shoulder": JointChange(damping=0.3, friction=0.2), "elbow": JointChange(damping=0.4)}
    export_urdf(source, target, ModelChanges(bodies=bodies, joints=joints))
    model = pinocchio.buildModelFromUrdf(str(target))
    for index, body in enumerate(bodies.values(), start=1):
        assert model.inertias[index].mass == body.mass
        np.testing.assert_allclose(model.inertias[index].lever, body.centre, atol=1e-14)
        np.testing.assert_allclose(model.inertias[index].inertia, body.inertia, atol=1e-12)
    np.testing.assert_array_equal(model.damping, [0.3, 0.4])
    assert '<!-- a comment with <mass value="9"/> in it -->' in target.read_text()


def test_the_identified_arm_comes_back_from_urdf(tmp_path: Path) -> None:
    """A tool on a fixed joint keeps its inertia; the link that carries it takes the rest."""
    source, target = tmp_path / "two.urdf", tmp_path / "identified.urdf"
    tool = """  <link name="tool"><inertial><origin xyz="0 0.01 0.1"/><mass value="0.2"/>
      <inertia ixx="0.001" ixy="0" ixz="0" iyy="0.002" iyz="0" izz="0.0015"/></inertial></link>
  <joint name="flange" type="fixed"><origin xyz="0 0 0.2" rpy="0.4 0 0.3"/><parent link="lower"/><child link="tool"/></joint>
</robot>"""
    lower = """<link name="lower"><inertial><origin xyz="0.01 0 0.1"/><mass value="1.5"/>
      <inertia ixx="0.02" ixy="0" ixz="0" iyy="0.02" iyz="0" izz="0.01"/></inertial></link>"""
    source.write_text(URDF.replace("</robot>", tool).replace('<link name="lower"/>', lower), encoding="utf-8")
    problem = InertialLeastSquares(load_urdf(source), JointTerms(armature=False, offset=False))
    regressor = problem.regressor
    random = np.random.default_rng(0)
    q, v, a = random.normal(size=(3, 500, 2))
    theta = hidden_truth(random, 0.05, regressor)
    fit = physically_consistent(problem.fit([InertialData(q, v, a, regressor.torques(q, v, a, theta))]), PhysicalPrior(0.1))
    export_urdf(source, target, inertial_changes(fit, source))
    again = load_urdf(target)
    np.testing.assert_allclose(inertial_parameters.values(again), fit.values[:20], atol=1e-12)
    assert float(again.joints[1].damping) == pytest.approx(fit["elbow.viscous"])


def test_files_are_not_replaced_unless_forced_and_never_half_written(tmp_path: Path) -> None:
    target = tmp_path / "arm.xml"
    target.write_text("mine")
    with pytest.raises(IdentificationError, match="exists; give another name"):
        export_mjcf(MJCF, target, ModelChanges())
    assert target.read_text() == "mine"
    with pytest.raises(IdentificationError, match="no <body> named 'link9'; there are link1, link2"):
        export_mjcf(MJCF, target, ModelChanges(bodies={"link9": BodyInertia.of(1, (0, 0, 0), (1, 1, 1))}), force=True)
    assert target.read_text() == "mine"
    export_mjcf(MJCF, target, ModelChanges(), force=True)
    assert target.read_bytes() == MJCF.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["arm.xml"]


def test_what_a_format_or_a_body_cannot_have_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "two.urdf"
    source.write_text(URDF, encoding="utf-8")
    target = tmp_path / "out.urdf"
    with pytest.raises(IdentificationError, match="no place for armature"):
        export_urdf(source, target, ModelChanges(joints={"elbow": JointChange(armature=0.1)}))
    with pytest.raises(IdentificationError, match="no place for friction"):
        export_urdf(source, target, ModelChanges(numbers={"friction": 1.0}))
    with pytest.raises(IdentificationError, match="body 'a': mass 1 kg and principal moments 1, 1, 3"):
        ModelChanges(bodies={"a": BodyInertia.of(1, (0, 0, 0), (1, 1, 3))})
    with pytest.raises(IdentificationError, match="joint 'a': damping is -1"):
        ModelChanges(joints={"a": JointChange(damping=-1.0)})
    with pytest.raises(IdentificationError, match="no folder"):
        export_urdf(source, tmp_path / "nowhere" / "out.urdf", ModelChanges())
    with pytest.raises(IdentificationError, match="no such file"):
        export_urdf(tmp_path / "none.urdf", target, ModelChanges())
    assert not target.exists()


def test_the_laws_parameters_of_the_car_are_kept_as_numbers(tmp_path: Path) -> None:
    robot = load_robot("car")
    parameters = other_parameters(robot)
    export_robot(robot, parameters, tmp_path / "car.xml")
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "car.xml"))
    assert model.numeric("friction").data[0] == parameters["friction"].value
    export_mjcf(tmp_path / "car.xml", tmp_path / "again.xml", ModelChanges(numbers={"friction": 0.5, "new": 2.0}))
    again = mujoco.MjModel.from_xml_path(str(tmp_path / "again.xml"))
    assert (again.numeric("friction").data[0], again.numeric("new").data[0]) == (0.5, 2.0)
