"""Which bodies of a model file hang on which joint, and what the fixed ones among them weigh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pinocchio

from mpc_controller.arrays import Array


@final
@dataclass(frozen=True, eq=False)
class CarriedBodies:
    """Of one joint: the name of its own body, that body's frame in the joint's (rotation (3, 3), translation (3,)), and the
    inertial parameters (10,) of all that is fixed to it, about the joint's origin."""

    body: str
    rotation: Array
    translation: Array
    fixed: Array

    def own(self, total: Array) -> Array:
        """Of the joint's sum (10,) about its origin, the body's own part (10,) about the body's origin."""
        return moved(total - self.fixed, self.rotation.T, -self.rotation.T @ self.translation)


def carried_bodies(path: Path) -> dict[str, CarriedBodies]:
    """By the names of the joints of an MJCF or URDF file."""
    build = pinocchio.buildModelFromUrdf if path.suffix == ".urdf" else pinocchio.buildModelFromMJCF
    model = build(str(path))
    fixed = {i: np.zeros(10) for i in range(model.njoints)}
    own: dict[int, Any] = {}
    for frame in model.frames:
        if frame.type == pinocchio.FrameType.FIXED_JOINT and frame.inertia.mass > 0:
            fixed[frame.parentJoint] += frame.placement.act(frame.inertia).toDynamicParameters()
        if frame.type == pinocchio.FrameType.BODY and model.frames[frame.parentFrame].type == pinocchio.FrameType.JOINT:
            own[frame.parentJoint] = frame
    return {
        model.names[i]: CarriedBodies(
            own[i].name, np.array(own[i].placement.rotation), np.array(own[i].placement.translation), fixed[i]
        )
        for i in range(1, model.njoints)
        if i in own
    }


def moved(parameters: Array, rotation: Array, translation: Array) -> Array:
    """Inertial parameters (10,) of a body in a frame in which its old frame is at (rotation, translation)."""
    body = pinocchio.Inertia.FromDynamicParameters(parameters)
    return np.array(pinocchio.SE3(rotation, translation).act(body).toDynamicParameters())
