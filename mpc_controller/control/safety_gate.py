"""The last function before the actuators: finite, right size, in range, within slew. Pure, and small enough to read whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array

# A command on its limit differs from it by rounding; that is no intervention. Relative to the size of the limit.
_ROUNDING = 1e-9


@final
@dataclass(frozen=True)
class CommandLimits:
    """lower ≤ u ≤ upper (nu,), and |Δu| ≤ step (nu,) from one command to the next."""

    lower: Array
    upper: Array
    step: Array

    def __post_init__(self) -> None:
        sizes = self.lower.shape == self.upper.shape == self.step.shape and self.lower.ndim == 1
        if not sizes or not (np.all(np.isfinite(self.lower) & np.isfinite(self.upper) & (self.lower <= self.upper))):
            raise ValueError(f"command limits {self.lower} to {self.upper}: finite, equally many and in ascending order")
        if not np.all(self.step > 0):
            raise ValueError(f"command limits: the largest step is {self.step}; each must be above 0")


def gate(command: Array, last: Array, limits: CommandLimits) -> tuple[Array, tuple[str, ...]]:
    """The nearest safe command, and why it differs from what was asked (empty when it does not).

    `last` (nu,) is the last command that went out; it is repeated when the new one has a wrong shape or is not finite.
    """
    if command.shape != limits.lower.shape:
        return last, (f"shape {command.shape} instead of {limits.lower.shape}",)
    if not np.isfinite(command).all():
        return last, ("not finite",)
    in_range = np.minimum(np.maximum(command, limits.lower), limits.upper)
    safe = np.minimum(np.maximum(in_range, last - limits.step), last + limits.step)
    reasons = []
    if (np.abs(in_range - command) > _ROUNDING * (1 + np.abs(command))).any():
        reasons.append("range")
    if (np.abs(safe - in_range) > _ROUNDING * (1 + np.abs(in_range))).any():
        reasons.append("slew")
    return safe, tuple(reasons)
