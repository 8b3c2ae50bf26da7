"""URDF and MJCF files as rigid body models."""

from __future__ import annotations

from pathlib import Path

import casadi as ca
import mujoco
import numpy as np
import pinocchio
import pytest

from mpc_controller.model.rigid_body import (
    aba,
    frame_placement,
    from_pinocchio,
    load_mjcf,
    load_urdf,
    to_pinocchio_configuration,
)
from mpc_controller.model.rigid_body.joints import FreeFlyer, Prismatic, Revolute, Spherical

_URDF = """
<robot name="lever">
  <link name="ground"/>
  <link name="boom"><inertial><origin xyz="0.1 0 0"/><mass value="2"/>
    <inertia ixx="0.1" iyy="0.2" izz="0.3" ixy="0.01" ixz="0" iyz="0"/></inertial></link>
  <link name="bucket"><inertial><origin xyz="0 0.2 0"/><mass value="1"/>
    <inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <link name="load"><inertial><mass value="3"/>
    <inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="swing" type="continuous"><parent link="ground"/><child link="boom"/><axis xyz="0 0 1"/>
    <dynamics damping="0.7" friction="0"/></joint>
  <joint name="extend" type="prismatic"><parent link="boom"/><child link="bucket"/>
    <origin xyz="1 0 0" rpy="1.5707963267948966 0 0"/>
    <axis xyz="0 0.6 0.8"/><limit effort="1" velocity="1" lower="0" upper="1"/></joint>
  <joint name="clamp" type="fixed"><parent link="bucket"/><child link="load"/><origin xyz="0 0 0.5"/></joint>
</robot>
"""

_MJCF = """
<mujoco model="machine"><compiler autolimits="true"/><option gravity="0 0 -9.81"><flag contact="disable"/></option>
<worldbody>
 <body name="base" pos="0 0 1"><freejoint name="root"/>
  <inertial pos="0.01 0.02 0.03" mass="2" fullinertia="0.1 0.2 0.25 0.01 0.02 0.03"/>
  <body name="a" pos="0.1 0 0" euler="90 0 0"><joint name="shoulder" type="hinge" axis="1 0 1" armature="0.1" damping="0.5"/>
   <inertial pos="0.01 0.02 0.03" mass="1" diaginertia="0.1 0.2 0.25"/>
   <body name="b" pos="0.1 0 0"><joint name="slider" type="slide" axis="0 1 0" armature="0.1" damping="0.5"/>
    <inertial pos="0.01 0.02 0.03" mass="1" diaginertia="0.1 0.2 0.25"/><site name="tip" pos="0 0 .2"/></body>
  </body>
  <body name="c" pos="0 0.1 0"><joint name="ball" type="ball" armature="0.2"/>
   <inertial pos="0.01 0.02 0.03" mass="1" diaginertia="0.1 0.2 0.25"/></body>
 </body>
</worldbody></mujoco>
"""


@pytest.fixture
def urdf(tmp_path: Path) -> Path:
    path = tmp_path / "lever.urdf"
    path.write_text(_URDF)
    return path


@pytest.fixture
def mjcf(tmp_path: Path) -> Path:
    path = tmp_path / "machine.xml"
    path.write_text(_MJCF)
    return path


def test_a_urdf_gives_joints_axes_damping_and_merged_bodies(urdf: Path) -> None:
    model = load_urdf(urdf)
    swing, extend = model.joints
    assert (swing.name, swing.parent, extend.name, extend.parent) == ("swing", -1, "extend", 0)
    assert isinstance(swing.motion, Revolute)
    assert isinstance(extend.motion, Prismatic)
    np.testing.assert_allclose(extend.motion.axis, [0.0, 0.6, 0.8])
    assert float(swing.damping) == 0.7
    assert float(extend.inertia.mass) == 4.0
    np.testing.assert_array_equal(model.gravity, [0.0, 0.0, -9.81])


def test_rounded_angles_in_a_file_become_structural_zeros(urdf: Path) -> None:
    rotation = load_urdf(urdf).joints[1].placement.rotation
    assert rotation.nnz() == 3


def test_a_floating_urdf_has_a_free_flyer_at_its_root(urdf: Path) -> None:
    model = load_urdf(urdf, floating=True)
    assert model.joints[0].name == "root_joint"
    assert isinstance(model.joints[0].motion, FreeFlyer)
    assert (model.nq, model.nv) == (9, 8)


def test_an_mjcf_gives_its_joints_and_sites(mjcf: Path) -> None:
    model = load_mjcf(mjcf)
    kinds = [type(joint.motion) for joint in model.joints]
    assert kinds == [FreeFlyer, Revolute, Prismatic, Spherical]
    assert [joint.name for joint in model.joints] == ["root", "shoulder", "slider", "ball"]
    assert model.frame("tip").parent == 2


def test_accelerations_of_an_mjcf_are_mujocos(mjcf: Path) -> None:
    """MuJoCo gives the linear velocity of a free joint in the world frame: v_world = R v, v̇_world = R (v̇ + ω × v)."""
    model = load_mjcf(mjcf)
    q, v, tau = ca.SX.sym("q", model.nq), ca.SX.sym("v", model.nv), ca.SX.sym("tau", model.nv)
    base, tip = frame_placement(model, q, "base"), frame_placement(model, q, "tip")
    ours = ca.Function("ours", [q, v, tau], [aba(model, q, v, tau), base.rotation, tip.translation])
    engine = mujoco.MjModel.from_xml_path(str(mjcf))
    data = mujoco.MjData(engine)
    rng = np.random.default_rng(0)
    for _ in range(5):
        q_, v_, tau_ = rng.normal(size=model.nq), rng.normal(size=model.nv), rng.normal(size=model.nv)
        q_[3:7] /= np.linalg.norm(q_[3:7])
        q_[-4:] /= np.linalg.norm(q_[-4:])
        v_dot, R, tip_position = (np.array(value) for value in ours(q_, v_, tau_))
        v_dot = v_dot.ravel()
        data.qpos[:], data.qvel[:], data.qfrc_applied[:] = q_, v_, tau_
        data.qvel[:3] = R @ v_[:3]
        data.qfrc_applied[:3] = R @ tau_[:3]
        mujoco.mj_forward(engine, data)
        expected = v_dot.copy()
        expected[:3] = R @ (v_dot[:3] + np.cross(v_[3:6], v_[:3]))
        np.testing.assert_allclose(data.qacc, expected, atol=1e-8)
        np.testing.assert_allclose(data.site("tip").xpos, tip_position.ravel(), atol=1e-12)


_PENDULUM = """
<mujoco><compiler angle="radian"/><option gravity="0 0 -9.81"/>
<default><joint damping="0.3"/><default class="geared"><joint armature="0.2"/></default></default>
<worldbody><body name="rod"><joint name="hinge" axis="0 1 0"/>
<inertial pos="0.1 0 0" mass="1" diaginertia="0.1 0.1 0.1"/></body></worldbody></mujoco>
"""


def pendulum(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """The file of a pendulum with pieces of its text replaced."""
    text = _PENDULUM
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "pendulum.xml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (('name="hinge"', 'name="hinge" class="geared"'),),
        (('body name="rod"', 'body name="rod" childclass="geared"'),),
        (('name="hinge"', 'name="hinge" ref="0.4" pos="0.1 0.2 0"'),),
        (('name="hinge"', 'name="hinge" stiffness="0" frictionloss="0" springref="0.3"'),),
        (
            (
                '<inertial pos="0.1 0 0" mass="1" diaginertia="0.1 0.1 0.1"/>',
                '<geom type="box" size="0.1 0.2 0.3" pos="0.1 0 0"/>',
            ),
        ),
        (("</worldbody>", '</worldbody><tendon/><actuator><motor joint="hinge"/></actuator>'),),
        (('body name="rod"', 'body name="rod" axisangle="0 0.6 0.8 0.5"'),),
    ],
    ids=str,
)
def test_what_is_read_moves_as_mujoco_moves_it(tmp_path: Path, changes: tuple[tuple[str, str], ...]) -> None:
    path = pendulum(tmp_path, *changes)
    model, engine = load_mjcf(path), mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(engine)
    data.qpos[:], data.qvel[:] = 0.7, -1.5
    mujoco.mj_forward(engine, data)
    q, v = ca.SX.sym("q"), ca.SX.sym("v")
    ours = ca.Function("ours", [q, v], [aba(model, q, v, ca.SX(0))])
    assert float(ours(0.7, -1.5)) == pytest.approx(data.qacc[0], rel=1e-9)


_HINGE, _BODY, _END = 'name="hinge"', 'body name="rod"', "</worldbody>"
_INNER = '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (_HINGE, f'{_HINGE} stiffness="50"', "joint 'hinge' has stiffness=\"50\""),
        ('joint damping="0.3"', 'joint stiffness="50"', "joint 'hinge' has stiffness=\"50\""),
        (_HINGE, f'{_HINGE} springdamper="0.1 1"', "joint 'hinge' has springdamper"),
        (_HINGE, f'{_HINGE} frictionloss="1"', "joint 'hinge' has frictionloss"),
        (_HINGE, f'{_HINGE} damping="1 0.5"', "joint 'hinge' has damping=\"1 0.5\".*one number"),
        (_HINGE, f'{_HINGE} type="ball"', "joint 'hinge' has damping=\"0.3\".*a ball joint moves without friction"),
        ('joint damping="0.3"', 'joint pos="1 0 0"', "joint 'hinge' has pos=\"1 0 0\".*write it at the joint"),
        (_BODY, f'{_BODY} gravcomp="1"', "body 'rod' has gravcomp=\"1\""),
        (_BODY, f'{_BODY} axisangle="0 1 1 0.5"', "body 'rod' has axisangle.*axis must be of length 1"),
        (_BODY, "body", "a body in <worldbody> has no name"),
        ("<joint name", '<joint name="slide" type="slide"/><joint name', "body 'rod' has 2 joints"),
        ("</body>", f"<frame><body name='b'>{_INNER}</body></frame></body>", "<frame> in body 'rod' is not supported"),
        ("</body>", '<include file="more.xml"/></body>', "<include> in body 'rod' is not supported"),
        ('gravity="0 0 -9.81"', 'density="1.2"', '<option> has density="1.2"'),
        ("<default>", "<option/><default>", "more than one <option>"),
        ('gravity="0 0 -9.81"/>', '><flag gravity="disable"/></option>', '<flag> has gravity="disable"'),
        ('angle="radian"', 'eulerseq="XYZ"', "<compiler> has eulerseq=\"XYZ\".*must be 'xyz'"),
        ('angle="radian"', 'inertiagrouprange="0 1"', "<compiler> has inertiagrouprange"),
        ('angle="radian"', 'balanceinertia="true"', "<compiler> has balanceinertia"),
        (_END, f'{_END}<equality><joint name="stop" joint1="hinge"/></equality>', "joint 'stop' in <equality>"),
        (_END, f'{_END}<tendon><fixed name="cable"><joint joint="hinge"/></fixed></tendon>', "fixed 'cable' in <tendon>"),
        (_END, f'{_END}<actuator><motor name="m" armature="1"/></actuator>', "motor 'm' has armature.*give it to the joint"),
        (
            '<inertial pos="0.1 0 0" mass="1" diaginertia="0.1 0.1 0.1"/>',
            '<geom mesh="m"/>',
            "body 'rod' takes its inertia from a",
        ),
        ("</mujoco>", "", "not valid XML"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"pendulum\.xml: {message}"):
        load_mjcf(pendulum(tmp_path, (old, new)))


def test_defaults_that_nobody_uses_do_no_harm(tmp_path: Path) -> None:
    path = pendulum(tmp_path, ('joint armature="0.2"', 'joint stiffness="50" pos="1 0 0"'))
    assert len(load_mjcf(path).joints) == 1


def test_an_unsupported_joint_is_named() -> None:
    model = pinocchio.Model()
    model.name = "table"
    model.addJoint(0, pinocchio.JointModelPlanar(), pinocchio.SE3.Identity(), "slab")
    with pytest.raises(ValueError, match=r"table: joint 'slab' is of type Planar; supported are FreeFlyer"):
        from_pinocchio(model)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model file '.*nothing\.urdf'"):
        load_urdf(tmp_path / "nothing.urdf")
    with pytest.raises(FileNotFoundError, match=r"no model file '.*nothing\.xml'"):
        load_mjcf(tmp_path / "nothing.xml")


def test_configurations_convert_to_pinocchios_order() -> None:
    model = pinocchio.Model()
    ball = model.addJoint(0, pinocchio.JointModelSpherical(), pinocchio.SE3.Identity(), "ball")
    model.addJoint(ball, pinocchio.JointModelRUBZ(), pinocchio.SE3.Identity(), "wheel")
    q = np.array([0.1, 0.2, 0.3, 0.4, np.pi / 2])
    np.testing.assert_allclose(to_pinocchio_configuration(model, q), [0.2, 0.3, 0.4, 0.1, 0.0, 1.0], atol=1e-15)
