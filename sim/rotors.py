"""Which actuators of an MJCF are rotors, and what their motors and the air do that it does not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import mujoco
import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from sim.hidden_effect import HiddenEffect

# Below half a radius above the ground, Cheeseman's and Bennett's formula is not meant; the gain stays as it is there.
_LOWEST = 0.5


@final
@dataclass(frozen=True)
class Rotors:
    """n rotors of one free body: actuators with a thrust along the axis of a site, as their activation says it.

    actuators, activations (n,): places in the model and in data.act. places, axes (n, 3): of the rotors in the body's frame.
    position, velocity: where the body's free joint begins in qpos and qvel.
    """

    actuators: npt.NDArray[np.intp]
    activations: npt.NDArray[np.intp]
    places: Array
    axes: Array
    position: int
    velocity: int

    @staticmethod
    def of(model: mujoco.MjModel) -> Rotors | None:
        """None where the model has no rotors, or a base that is not free."""
        found = [
            i
            for i in range(model.nu)
            if model.actuator_trntype[i] == mujoco.mjtTrn.mjTRN_SITE
            and model.actuator_gear[i][2] > 0
            and model.actuator_actadr[i] >= 0
        ]
        if not found or model.njnt == 0 or model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
            return None
        sites = [int(model.actuator_trnid[i][0]) for i in found]
        if any(model.site_bodyid[site] != model.jnt_bodyid[0] for site in sites):
            return None
        axes, R = [], np.zeros(9)
        for site in sites:
            mujoco.mju_quat2Mat(R, model.site_quat[site])
            axes.append(R.reshape(3, 3)[:, 2].copy())
        return Rotors(
            np.array(found, dtype=np.intp),
            np.array([model.actuator_actadr[i] for i in found], dtype=np.intp),
            np.array([model.site_pos[site] for site in sites]),
            np.array(axes),
            int(model.jnt_qposadr[0]),
            int(model.jnt_dofadr[0]),
        )


@final
class RotorAir(HiddenEffect):
    """Drag of every rotor, loss of thrust in forward flight, and the ground's cushion under it.

        F_i = −k √T_i w_i + (T_i G_i / (1 + c |w_i|²/T_i) − T_i) a_i,    G_i = 1 / (1 − (R / 4 h_i)²)            [N]

    on rotor i with thrust T_i [N] (in still, free air) along its axis a_i, height h_i above z = 0, and w_i the velocity of its
    hub across a_i [m/s]. √T_i is as its speed, so k w √T is the drag of blades that sweep (Mahony, Kumar, Corke, "Multirotor
    aerial vehicles", 2012), and |w|²/T the square of its advance ratio. G: Cheeseman, Bennett, "The effect of the ground on
    a helicopter rotor in forward flight", 1955; R is the radius of a single rotor that would be cushioned as the whole is.
    """

    def __init__(self, rotors: Rotors, model: mujoco.MjModel, drag: float, loss: float, radius: float) -> None:
        self._rotors, self._model = rotors, model
        self._drag, self._loss, self._radius = drag, loss, radius
        self._R = np.zeros(9)

    def act(self, data: mujoco.MjData) -> None:
        force, torque = self.wrench(data)
        at = self._rotors.velocity
        data.qfrc_applied[at : at + 3] += self._R.reshape(3, 3) @ force
        data.qfrc_applied[at + 3 : at + 6] += torque

    def wrench(self, data: mujoco.MjData) -> tuple[Array, Array]:
        """Force and torque (3,) about the body's origin in its frame."""
        r, q, v = self._rotors, self._rotors.position, self._rotors.velocity
        mujoco.mju_quat2Mat(self._R, data.qpos[q + 3 : q + 7])
        R = self._R.reshape(3, 3)
        thrust = np.maximum(data.act[r.activations] * self._model.actuator_gainprm[r.actuators, 0], 0.0)
        hub = R.T @ data.qvel[v : v + 3] + np.cross(data.qvel[v + 3 : v + 6], r.places)
        across = hub - np.sum(hub * r.axes, axis=1, keepdims=True) * r.axes
        height = data.qpos[q + 2] + r.places @ R[2]
        changed = thrust * self._cushion(height)
        if self._loss:
            changed *= thrust / (thrust + self._loss * np.sum(across**2, axis=1) + 1e-12)
        forces = -self._drag * np.sqrt(thrust)[:, None] * across + (changed - thrust)[:, None] * r.axes
        return forces.sum(axis=0), np.cross(r.places, forces).sum(axis=0)

    def _cushion(self, height: Array) -> Array:
        if not self._radius:
            return np.ones(len(height))
        return 1 / (1 - (self._radius / (4 * np.maximum(height, _LOWEST * self._radius))) ** 2)


@final
class MotorLag(HiddenEffect):
    """Another time constant of the rotors' motors, and a longer one while they slow down: no current brakes a propeller."""

    def __init__(self, rotors: Rotors, model: mujoco.MjModel, scale: float, spin_down_scale: float) -> None:
        self._rotors, self._model = rotors, model
        self._rising = scale * model.actuator_dynprm[rotors.actuators, 0]
        self._falling = spin_down_scale * self._rising

    def act(self, data: mujoco.MjData) -> None:
        r = self._rotors
        slows = data.ctrl[r.actuators] < data.act[r.activations]
        self._model.actuator_dynprm[r.actuators, 0] = np.where(slows, self._falling, self._rising)
