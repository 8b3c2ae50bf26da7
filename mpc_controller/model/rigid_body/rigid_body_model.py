"""A tree of rigid bodies as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import casadi as ca

from mpc_controller.arrays import Array
from mpc_controller.model.rigid_body.joints import JointMotion
from mpc_controller.model.rigid_body.spatial import Inertia, Placement

WORLD = -1


@final
@dataclass(frozen=True)
class Joint:
    """A joint with the body that it carries; the body's frame is the joint's child frame.

    `parent` is the index of the joint that carries it (WORLD: none); `placement` is constant, in the parent's frame.
    `armature` (nv,) [kg m² or kg] adds to the diagonal of the mass matrix; `damping` (nv,) [N m s/rad or N s/m] is viscous.
    Inertia, armature and damping may be numbers or expressions of parameters.
    """

    name: str
    motion: JointMotion
    parent: int
    placement: Placement
    inertia: Inertia
    armature: ca.SX
    damping: ca.SX


@final
@dataclass(frozen=True)
class Frame:
    """A named frame fixed to the body of joint `parent` (WORLD: to the ground)."""

    name: str
    parent: int
    placement: Placement


@final
@dataclass(frozen=True)
class RigidBodyModel:
    """Joints in an order in which parents come before their children; gravity (3,) [m/s²] in the world frame.

    Configuration q (nq,) and velocity v (nv,) hold the joints' coordinates one joint after the other.
    """

    name: str
    joints: tuple[Joint, ...]
    frames: tuple[Frame, ...]
    gravity: Array

    def __post_init__(self) -> None:
        for i, joint in enumerate(self.joints):
            if not WORLD <= joint.parent < i:
                raise ValueError(f"{self.name}: joint '{joint.name}' has parent {joint.parent}; parents come before children")

    @property
    def nq(self) -> int:
        return sum(joint.motion.nq for joint in self.joints)

    @property
    def nv(self) -> int:
        return sum(joint.motion.nv for joint in self.joints)

    @cached_property
    def q_slices(self) -> tuple[slice, ...]:
        """Where each joint's coordinates are in q."""
        return _slices([joint.motion.nq for joint in self.joints])

    @cached_property
    def v_slices(self) -> tuple[slice, ...]:
        """Where each joint's velocities are in v."""
        return _slices([joint.motion.nv for joint in self.joints])

    @cached_property
    def velocity_parents(self) -> tuple[int, ...]:
        """For every entry of v, the entry before it on the way to the root (WORLD: none): the mass matrix's structure."""
        parents: list[int] = []
        for joint, place in zip(self.joints, self.v_slices, strict=True):
            first = WORLD if joint.parent == WORLD else self.v_slices[joint.parent].stop - 1
            parents += [first, *range(place.start, place.stop - 1)]
        return tuple(parents)

    @property
    def armature(self) -> ca.SX:
        """(nv,)"""
        return ca.vertcat(*(joint.armature for joint in self.joints))

    @property
    def damping(self) -> ca.SX:
        """(nv,)"""
        return ca.vertcat(*(joint.damping for joint in self.joints))

    def joint_index(self, name: str) -> int:
        for i, joint in enumerate(self.joints):
            if joint.name == name:
                return i
        raise ValueError(f"{self.name}: no joint '{name}'; there are {', '.join(j.name for j in self.joints)}")

    def frame(self, name: str) -> Frame:
        for frame in self.frames:
            if frame.name == name:
                return frame
        raise ValueError(f"{self.name}: no frame '{name}'; there are {', '.join(f.name for f in self.frames)}")

    def with_joint(self, index: int, joint: Joint) -> RigidBodyModel:
        """A copy in which one joint has other properties."""
        return replace(self, joints=(*self.joints[:index], joint, *self.joints[index + 1 :]))


def _slices(sizes: list[int]) -> tuple[slice, ...]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
