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

    covariance (ndx+nd+na, ndx+nd+na), of the tangent error, the disturbance and `learned` (na,), where the estimator knows it;
    `learned` are parameters that it estimates, too. `note` says in one line what happened that is worth telling ('' when
    nothing).
    """

    time_ns: int
    state: Array
    disturbance: Array
    covariance: Array | None = None
    note: str = ""
    learned: Array | None = None


class Estimator(abc.ABC):
    """Observations in the order of their time → the state now. What it is fed is finite and of the right size."""

    @abc.abstractmethod
    def update(self, observation: Observation, parameters: Array) -> Estimate:
        """The state at the observation's time.

        parameters (np,) are those of the robot's DisturbedDynamics; those that it estimates itself are ignored.
        """

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget everything: the next observation starts anew."""
