"""The residual that a controller plans with: which one, whether another may take its place, and where it does not hold."""

from __future__ import annotations

from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import ResidualError, check_belongs, residual_bytes, residual_from_bytes
from mpc_controller.robot import Robot

# The gate below which a plan's start counts as outside of the training data, and above which as inside again.
_LEFT, _BACK = 0.5, 0.9


@final
class ResidualInUse:
    """Starts with `residual`, or without any. `data` is the file of the one in use, byte for byte (b"": none)."""

    def __init__(self, robot: Robot, residual: Residual | None) -> None:
        self._robot, self._residual = robot, residual
        self.data = b"" if residual is None else residual_bytes(residual)
        self._is_outside = False
        self._plans = self._faded = 0

    @property
    def share_faded(self) -> float:
        """Of the plans judged so far, those whose gate was below 1."""
        return self._faded / max(self._plans, 1)

    def of(self, data: bytes) -> Residual | None:
        """The residual of a message, if it is another one that may take the place of that in use; None for none or the same.

        Raises ResidualError.
        """
        if not data or data == self.data:
            return None
        residual = residual_from_bytes(data, "the update")
        if self._residual is None or self._robot.residual_port is None:
            raise ResidualError("this controller was started without a residual; start it with one that has the same layers")
        if residual.shape != self._residual.shape:
            raise ResidualError(
                f"the residual has the shape {residual.shape}; this controller is built for {self._residual.shape}"
            )
        nominal = self._robot.dynamics.nominal.parameters
        check_belongs(residual, self._robot.name, self._robot.model_hash, nominal, self._robot.residual_port)
        if not residual.accepted:
            raise ResidualError("validation did not find the residual better than physics alone")
        return residual

    def take(self, residual: Residual, data: bytes) -> str:
        """Put it in use; what to say of it."""
        self._residual, self.data = residual, data
        return f"another residual ({residual.family})"

    def judge(self, gate: tuple[float, Array] | None) -> str:
        """What is worth telling of the gate and the features z (nz,) where a plan starts."""
        if gate is None or self._residual is None:
            return ""
        value, z = gate
        self._plans += 1
        self._faded += value < 1.0
        if not self._is_outside and value < _LEFT:
            self._is_outside = True
            return f"outside of what the residual was learned from: {self._farthest(z)}"
        if self._is_outside and value > _BACK:
            self._is_outside = False
            return "back where the residual was learned"
        return ""

    def _farthest(self, z: Array) -> str:
        """The feature that is farthest beyond its range."""
        assert self._residual is not None
        guard, center, scale = self._residual.guard, self._residual.center, self._residual.scale
        normal = (z - center) / scale
        beyond = np.maximum(guard.lower - normal, normal - guard.upper) / guard.fade
        i = int(np.argmax(beyond))
        if not beyond[i] > 0:
            return "no feature is beyond its range, but they never were like this together"
        low, high = center[i] + scale[i] * guard.lower[i], center[i] + scale[i] * guard.upper[i]
        return f"{self._residual.feature_names[i]} is {z[i]:.3g}, and was from {low:.3g} to {high:.3g}"
