"""Parameters that a filter estimates beside the state: disturbances, and what is learned of the machine."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot

# Of a walk of 400 s: where a disturbance has no bounds.
_WALK_TO_LIMIT = 20.0


@final
@dataclass(frozen=True)
class SlowParameters:
    """n parameters s of a DisturbedDynamics, disturbances first, each between `lower` and `upper` (n,).

        ṡ = −s/τ + w,     w white of `walk_std` (n,) per √s,  τ = `time_constant_s` (n,): ∞ for a walk

    They begin at `start` with `start_std` (n,). `is_learned` (n,) marks knowledge about the machine among them: it is kept when
    a filter starts anew, stands still where `update` is told not to learn, and its std never rises above `largest_std` (n,).
    """

    names: tuple[str, ...]
    start: Array
    start_std: Array
    largest_std: Array
    walk_std: Array
    time_constant_s: Array
    lower: Array
    upper: Array
    is_learned: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.names)
        for name in ("start", "start_std", "largest_std", "walk_std", "time_constant_s", "lower", "upper", "is_learned"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"slow parameters: {name} has shape {getattr(self, name).shape}; there are {n} names")

    def __add__(self, other: SlowParameters) -> SlowParameters:
        """Both, one after the other."""
        joined = {f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)[1:]}
        return SlowParameters(self.names + other.names, **joined)

    def decaying(self, time_constant_s: float) -> SlowParameters:
        """The same, but drawn to 0: they begin with the spread in which they stay, walk_std √(τ/2)."""
        spread = self.walk_std * np.sqrt(time_constant_s / 2)
        return replace(self, time_constant_s=np.full(len(self.names), time_constant_s), start_std=spread, largest_std=spread)


def disturbances_of(robot: Robot, limit: Array | None = None) -> SlowParameters:
    """The disturbances of a robot's model as walks of Robot.disturbance_std.

    |d| stays within `limit` (nd,); None takes the bounds of the parameters, and where there are none, 20 times the walk.
    """
    channels = robot.dynamics.channels
    walk = checked_std("disturbance_std", robot.disturbance_std, len(channels))
    names = tuple(f"disturbance.{channel}" for channel in channels)
    if limit is None:
        table = [robot.dynamics.parameters[name] for name in names]
        bounds = np.array([min(-q.lower, q.upper) for q in table], dtype=float)
        limit = np.where(np.isfinite(bounds), bounds, _WALK_TO_LIMIT * walk)
    else:
        limit = checked_std("disturbance_limit", limit, len(channels))
    zero, endless = np.zeros(len(channels)), np.full(len(channels), np.inf)
    return SlowParameters(names, zero, walk, endless, walk, endless, -limit, limit, np.zeros(len(channels), dtype=bool))


def checked_std(name: str, std: Array, size: int) -> Array:
    """A copy of standard deviations; ValueError unless they are as many finite numbers of at least 0."""
    values = np.array(std, dtype=float)
    if values.shape != (size,) or not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError(f"estimator: {name} is {std}; it must be {size} finite numbers of at least 0")
    return values
