"""What every estimator answers: where the robot is now, and what disturbs it."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Observation


@final
@dataclass(frozen=True)
class Estimate:
    """State (nx,) and disturbance (nd,) at `time_ns`.

    covariance (ndx+nd, ndx+nd), of the tangent error and the disturbance, where the estimator knows it. `note` says in one line
    what happened that is worth telling ('' when nothing).
    """

    time_ns: int
    state: Array
    disturbance: Array
    covariance: Array | None = None
    note: str = ""


class Estimator(abc.ABC):
    """Observations in the order of their time → the state now. What it is fed is finite and of the right size."""

    @abc.abstractmethod
    def update(self, observation: Observation, parameters: Array) -> Estimate:
        """The state at the observation's time.

        parameters (np,) are those of the robot's DisturbedDynamics; their disturbance entries are ignored.
        """

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget everything: the next observation starts anew."""
