"""From URDF or MJCF files, through Pinocchio, to a RigidBodyModel. The only place that knows Pinocchio's conventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import casadi as ca
import numpy as np
import pinocchio

from mpc_controller.arrays import Array
from mpc_controller.model.rigid_body.joints import FreeFlyer, JointMotion, Prismatic, Revolute, Spherical
from mpc_controller.model.rigid_body.mjcf_check import refuse_unread
from mpc_controller.model.rigid_body.rigid_body_model import Frame, Joint, RigidBodyModel
from mpc_controller.model.rigid_body.spatial import Inertia, Placement

# Files give angles with 6 to 17 digits; what is this close to 0 or ±1 was meant to be exactly that.
_ROUNDING = 1e-12

_REVOLUTE = {"RX", "RY", "RZ", "RevoluteUnaligned", "RUBX", "RUBY", "RUBZ", "RevoluteUnboundedUnaligned"}
_PRISMATIC = {"PX", "PY", "PZ", "PrismaticUnaligned"}


def load_urdf(path: Path, floating: bool = False) -> RigidBodyModel:
    """The model in a URDF file; with `floating`, its root link gets a free-flyer joint called 'root_joint'.

    Left out: joint limits, dry friction, mimic (such a joint moves freely), transmissions.
    """
    if floating:
        return from_pinocchio(pinocchio.buildModelFromUrdf(_existing(path), pinocchio.JointModelFreeFlyer()))
    return from_pinocchio(pinocchio.buildModelFromUrdf(_existing(path)))


def load_mjcf(path: Path) -> RigidBodyModel:
    """The model in an MJCF file; sites become frames.

    Read: gravity, the tree of bodies, one joint a body (hinge, slide, ball, free) with its axis, ref, armature and, of hinges
    and slides, viscous damping, inertias given or taken from geoms, and defaults of all these. Left out: joint limits,
    contacts, actuators, sensors, and what is for looking at.

    Refused with a ValueError that names element and attribute, as its forces or inertia would be lost: joint springs and
    dry friction, damping of ball and free joints or of more than one number, gravcomp, density and viscosity, equalities,
    tendons, flexible parts, plugins, armature or damping of actuators, switched-off gravity or damping; and what Pinocchio
    reads otherwise than MuJoCo: bodies without a name, several joints in one body, a joint's pos in a default, axisangle with
    an axis not of length 1, eulerseq, inertiagrouprange, settotalmass, balanceinertia, alignfree, inertia from meshes or
    shells, <frame>, <replicate>, <attach>, <include>, and sections given twice.
    """
    file = _existing(path)
    refuse_unread(path)
    return from_pinocchio(pinocchio.buildModelFromMJCF(file))


def from_pinocchio(model: Any) -> RigidBodyModel:
    """The tree in a `pinocchio.Model`; bodies behind fixed joints are merged into the body that carries them."""
    joints = []
    for i in range(1, model.njoints):
        velocities = slice(model.idx_vs[i], model.idx_vs[i] + model.nvs[i])
        body = model.inertias[i]
        joints.append(
            Joint(
                name=model.names[i],
                motion=_motion(model, i),
                parent=model.parents[i] - 1,
                placement=_placement(model.jointPlacements[i]),
                inertia=Inertia.about_centre(body.mass, ca.SX(ca.DM(body.lever)), ca.SX(ca.DM(body.inertia))),
                armature=ca.SX(ca.DM(model.armature[velocities])),
                damping=ca.SX(ca.DM(model.damping[velocities])),
            )
        )
    frames = tuple(Frame(f.name, f.parentJoint - 1, _placement(f.placement)) for f in model.frames)
    return RigidBodyModel(model.name, tuple(joints), frames, np.array(model.gravity.linear))


def to_pinocchio_configuration(model: Any, q: Array) -> Array:
    """Our q (nq,) as Pinocchio wants it: quaternions (x, y, z, w), unbounded angles as (cos, sin)."""
    parts: list[Array] = []
    start = 0
    for i in range(1, model.njoints):
        motion = _motion(model, i)
        entries = q[start : start + motion.nq]
        start += motion.nq
        if motion.quaternion is not None:
            entries = np.concatenate([entries[:-4], entries[-3:], entries[-4:-3]])
        elif motion.nq < model.nqs[i]:
            entries = np.array([np.cos(entries[0]), np.sin(entries[0])])
        parts.append(entries)
    return np.concatenate(parts)


def _motion(model: Any, index: int) -> JointMotion:
    joint = model.joints[index]
    kind = joint.shortname().removeprefix("JointModel")
    if kind == "FreeFlyer":
        return FreeFlyer()
    if kind == "Spherical":
        return Spherical()
    if kind in _REVOLUTE:
        return Revolute(_rounded(_direction(joint)[3:]))
    if kind in _PRISMATIC:
        return Prismatic(_rounded(_direction(joint)[:3]))
    known = sorted({"FreeFlyer", "Spherical"} | _REVOLUTE | _PRISMATIC)
    raise ValueError(f"{model.name}: joint '{model.names[index]}' is of type {kind}; supported are {', '.join(known)}")


def _direction(joint: Any) -> Array:
    """Pinocchio's motion subspace of a joint with one degree of freedom: (6,), linear first."""
    data = joint.createData()
    joint.calc(data, pinocchio.neutral(_alone(joint)))
    return np.array(data.S, dtype=float).reshape(6)


def _alone(joint: Any) -> Any:
    """A model with nothing but this joint: the way to its neutral configuration."""
    model = pinocchio.Model()
    model.addJoint(0, joint, pinocchio.SE3.Identity(), "joint")
    return model


def _placement(placement: Any) -> Placement:
    return Placement.constant(_rounded(placement.rotation), _rounded(placement.translation))


def _rounded(values: Array) -> Array:
    nearest = np.round(values)
    return np.where(np.abs(values - nearest) < _ROUNDING, nearest, values)


def _existing(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"no model file '{path}'")
    return str(path)
