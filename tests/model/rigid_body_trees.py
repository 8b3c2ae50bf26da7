"""Pinocchio models made of chosen joints with random placements and inertias, and random states of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pinocchio

from mpc_controller.arrays import Array
from mpc_controller.model.rigid_body import RigidBodyModel

_AXIS = np.array([1.0, -2.0, 0.5]) / np.linalg.norm([1.0, -2.0, 0.5])


def _unbounded_about(axis: Array) -> Any:
    """Pinocchio's Python lets an axis be given to this joint by a URDF only."""
    text = (
        '<robot name="one"><link name="ground"/><link name="body"/><joint name="joint" type="continuous">'
        f'<parent link="ground"/><child link="body"/><axis xyz="{axis[0]:.17g} {axis[1]:.17g} {axis[2]:.17g}"/></joint></robot>'
    )
    return pinocchio.buildModelFromXML(text).joints[1]


JOINTS = {
    "revolute x": pinocchio.JointModelRX,
    "revolute y": pinocchio.JointModelRY,
    "revolute z": pinocchio.JointModelRZ,
    "revolute unaligned": lambda: pinocchio.JointModelRevoluteUnaligned(_AXIS),
    "revolute unbounded": pinocchio.JointModelRUBZ,
    "revolute unbounded unaligned": lambda: _unbounded_about(_AXIS),
    "prismatic x": pinocchio.JointModelPX,
    "prismatic y": pinocchio.JointModelPY,
    "prismatic z": pinocchio.JointModelPZ,
    "prismatic unaligned": lambda: pinocchio.JointModelPrismaticUnaligned(_AXIS),
    "free flyer": pinocchio.JointModelFreeFlyer,
    "spherical": pinocchio.JointModelSpherical,
}

# (joint, parent): parents come before children, and subtrees are contiguous, as Pinocchio needs it.
CHAINS = {name: ((name, -1), (name, 0), (name, 1)) for name in JOINTS}
TREES = {
    "all joints in a chain": tuple((name, i - 1) for i, name in enumerate(JOINTS)),
    "floating base with three limbs": (
        ("free flyer", -1),
        ("revolute x", 0),
        ("prismatic unaligned", 1),
        ("spherical", 0),
        ("revolute unaligned", 3),
        ("revolute unbounded", 0),
    ),
    "forest": (
        ("prismatic z", -1),
        ("spherical", 0),
        ("prismatic x", 1),
        ("revolute y", -1),
        ("free flyer", 3),
        ("revolute z", 3),
    ),
}
STRUCTURES = CHAINS | TREES


def pinocchio_tree(structure: Sequence[tuple[str, int]], seed: int) -> Any:
    """A model with the joints (kind, parent) of `structure`, armature and damping, and a frame 'tip' on the last body."""
    rng = np.random.default_rng(seed)
    model = pinocchio.Model()
    model.name = "tree"
    model.gravity.linear = np.array([0.3, -0.2, -9.81])
    for i, (kind, parent) in enumerate(structure):
        placement = pinocchio.SE3(_rotation(rng), rng.normal(size=3))
        joint = model.addJoint(parent + 1, JOINTS[kind](), placement, f"joint{i}")
        root = rng.normal(size=(3, 3))
        inertia = pinocchio.Inertia(rng.uniform(0.5, 2.0), 0.3 * rng.normal(size=3), root @ root.T + 0.1 * np.eye(3))
        model.appendBodyToJoint(joint, inertia, pinocchio.SE3.Identity())
    tip = pinocchio.SE3(_rotation(rng), rng.normal(size=3))
    model.addFrame(pinocchio.Frame("tip", model.njoints - 1, 0, tip, pinocchio.FrameType.OP_FRAME))
    model.armature = rng.uniform(0.0, 0.5, model.nv)
    model.damping = np.concatenate([np.full(nv, rng.uniform(0.0, 1.0)) for nv in list(model.nvs)[1:]])
    return model


def random_configuration(model: RigidBodyModel, rng: np.random.Generator) -> Array:
    """q (nq,) with unit quaternions."""
    q = rng.normal(size=model.nq)
    for joint, place in zip(model.joints, model.q_slices, strict=True):
        if joint.motion.quaternion is not None:
            block = q[place][joint.motion.quaternion :]
            block /= np.linalg.norm(block)
    return q


def _rotation(rng: np.random.Generator) -> Array:
    """A random rotation, a quarter turn or none: the generated expressions fold differently for each."""
    kind = rng.integers(3)
    if kind == 0:
        return np.eye(3)
    if kind == 1:
        return np.asarray(pinocchio.utils.rotate("xyz"[rng.integers(3)], np.pi / 2))
    quaternion = rng.normal(size=4)
    return np.asarray(pinocchio.Quaternion(quaternion / np.linalg.norm(quaternion)).toRotationMatrix())
