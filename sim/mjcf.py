"""A robot's MJCF in MuJoCo, and its model's state in MuJoCo's data."""

from __future__ import annotations

from typing import final

import mujoco
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot

_STATE = mujoco.mjtState.mjSTATE_QPOS | mujoco.mjtState.mjSTATE_QVEL | mujoco.mjtState.mjSTATE_ACT


def load_mjcf(robot: Robot) -> mujoco.MjModel:
    """The robot's MJCF, compiled; ValueError where it is missing, malformed or of another size than the model."""
    try:
        model = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    except ValueError as error:
        raise ValueError(f"{robot.mjcf}: not a model that MuJoCo can load: {' '.join(str(error).split())}") from None
    size = model.nq + model.nv + model.na
    if robot.mjcf_adapter is None and size != robot.dynamics.nx:
        raise ValueError(
            f"{robot.mjcf}: qpos, qvel and act have {model.nq} + {model.nv} + {model.na} entries; the model of "
            f"'{robot.name}' has {robot.dynamics.nx} states, so it needs a Robot.mjcf_adapter"
        )
    if model.nu != robot.dynamics.nu:
        raise ValueError(f"{robot.mjcf}: {model.nu} actuators; the model of '{robot.name}' has {robot.dynamics.nu} controls")
    return model


@final
class MjcfState:
    """Reads and writes the model's state x (nx,) in MuJoCo's data."""

    def __init__(self, robot: Robot, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._adapter = robot.mjcf_adapter
        self._model, self._data = model, data
        self._buffer = np.zeros(model.nq + model.nv + model.na)

    def read(self) -> Array:
        """x now; a fresh array."""
        mujoco.mj_getState(self._model, self._data, self._buffer, _STATE)
        return self._buffer.copy() if self._adapter is None else self._adapter.state(self._buffer)

    def write(self, x: Array) -> None:
        """Put x into the data; derived quantities follow with mj_forward or the next step."""
        raw = x if self._adapter is None else self._adapter.mjcf_state(x)
        mujoco.mj_setState(self._model, self._data, np.ascontiguousarray(raw, dtype=float), _STATE)
