"""Friction and elasticity of the gears between an arm's motors and its links."""

from __future__ import annotations

import math
from typing import final

import mujoco
import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from sim.hidden_effect import HiddenEffect

# How many radians of a motor's oscillation a step may be, for which symplectic Euler is stable and true to a few per mille.
_PHASE = 0.1


def driven_joints(model: mujoco.MjModel) -> npt.NDArray[np.intp]:
    """Actuators that are the only one of a hinge or a slide, and drive it directly; () where there are none."""
    simple = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
    found = [
        i
        for i in range(model.nu)
        if model.actuator_trntype[i] == mujoco.mjtTrn.mjTRN_JOINT and model.jnt_type[model.actuator_trnid[i][0]] in simple
    ]
    return np.array(found, dtype=np.intp)


def dofs_of(model: mujoco.MjModel, actuators: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Degrees of freedom that these actuators drive."""
    return np.array([model.jnt_dofadr[model.actuator_trnid[i][0]] for i in actuators], dtype=np.intp)


@final
class StribeckFriction(HiddenEffect):
    """Dry friction that falls from its static value with the speed, in every driven joint:

        |f| ≤ F_c + (F_s − F_c) exp(−(q̇ / v_s)²)                                                        [N m]

    as MuJoCo's friction loss, so that joints stick. Beside the MJCF's own. Source: Armstrong-Hélouvry, Dupont, Canudas de Wit,
    "A survey of models, analysis tools and compensation methods for the control of machines with friction", 1994.
    """

    def __init__(self, model: mujoco.MjModel, own: Array, coulomb: float, static: float, speed: float) -> None:
        """own (nv,): the friction loss that is there without."""
        self._model, self._dofs = model, dofs_of(model, driven_joints(model))
        self._coulomb, self._static, self._speed = coulomb, static, speed
        self._own = own[self._dofs]

    def act(self, data: mujoco.MjData) -> None:
        fall = np.exp(-((data.qvel[self._dofs] / self._speed) ** 2))
        self._model.dof_frictionloss[self._dofs] = self._own + self._coulomb + (self._static - self._coulomb) * fall


@final
class ElasticJoints(HiddenEffect):
    """A spring between every motor and its joint, whose armature becomes the motor's own inertia B:

        B θ̈ = u − τ,    τ = k (θ − q) + d (θ̇ − q̇)                                                       [N m]

    in place of a rigid armature (`without_armature`), with motor angles θ seen through the gear, and τ what drives the link.
    d damps the motor against a link that is held by `damping` of critical. Sensors see the links. Between two steps of the
    simulation, the links go on at their speeds. Source: Spong, "Modeling and control of elastic joint robots", 1987.
    """

    def __init__(self, model: mujoco.MjModel, stiffness: float, damping: float) -> None:
        self._model, self._actuators = model, driven_joints(model)
        self._dofs = dofs_of(model, self._actuators)
        self._joints = np.array([model.jnt_qposadr[model.actuator_trnid[i][0]] for i in self._actuators], dtype=np.intp)
        self._stiffness = stiffness
        self._inertia = model.dof_armature[self._dofs].copy()
        self._damping = 2 * damping * np.sqrt(stiffness * self._inertia)
        is_limited = model.actuator_ctrllimited[self._actuators].astype(bool)
        self._limits = np.where(is_limited, model.actuator_ctrlrange[self._actuators].T, [[-np.inf], [np.inf]])
        self._gear = model.actuator_gear[self._actuators, 0].copy()
        self._fastest = float(np.sqrt(stiffness / self._inertia.min()))
        self._angle: Array | None = None
        self._rate = np.zeros(len(self._dofs))

    def act(self, data: mujoco.MjData) -> None:
        """Commands go to the motors; what their springs give on average goes to the links."""
        q, q_dot = data.qpos[self._joints].copy(), data.qvel[self._dofs].copy()
        command = np.clip(data.ctrl[self._actuators], *self._limits)
        drive = self._gear * self._model.actuator_gainprm[self._actuators, 0] * command
        if self._angle is None:
            self._angle, self._rate = q + drive / self._stiffness, q_dot.copy()
        parts = max(1, math.ceil(self._fastest * self._model.opt.timestep / _PHASE))
        dt, total = self._model.opt.timestep / parts, np.zeros(len(self._dofs))
        for _ in range(parts):
            spring = self._stiffness * (self._angle - q) + self._damping * (self._rate - q_dot)
            self._rate += dt * (drive - spring) / self._inertia
            self._angle = self._angle + dt * self._rate
            q += dt * q_dot
            total += spring
        data.ctrl[self._actuators] = 0.0
        data.qfrc_applied[self._dofs] += total / parts


def without_armature(model: mujoco.MjModel) -> None:
    """The links of driven joints alone; derived quantities follow with mj_setConst."""
    model.dof_armature[dofs_of(model, driven_joints(model))] = 0.0
