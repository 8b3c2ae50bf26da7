"""What a solver gives back: enough to log, to warm-start and to feed back."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.solvers.trajectory import Trajectory


@final
class Status(enum.IntEnum):
    """How a solve ended."""

    CONVERGED = 0
    ITERATION_LIMIT = 1
    DEADLINE = 2
    INFEASIBLE = 3
    DIVERGED = 4
    NUMERICAL_FAILURE = 5

    @property
    def is_usable(self) -> bool:
        """Whether the plan may be published: solved, or cut at the iteration limit as real-time iterations are."""
        return self in (Status.CONVERGED, Status.ITERATION_LIMIT)


@final
@dataclass(frozen=True)
class Residuals:
    """Max-norms of the dynamics' gaps and of violated hard inequalities at the returned iterate, of the Lagrangian's gradient,
    and of complementarity (a side's relative to 1 + its multiplier).

    The last two need a linearisation: a real-time iteration gives them at the point that it started from. What was not reached
    is inf.
    """

    stationarity: float
    dynamics: float
    inequality: float
    complementarity: float


@final
@dataclass(frozen=True)
class Solution:
    """The result of one solve.

    gains (N, nu, ndx): K_k of u = u_k + K_k (x ⊟ x_k). multipliers: of the constraints' rows, one grid point after the other
    in the solver's own order (`multipliers_of` of the solver names them), positive where the upper bound presses, negative
    where the lower one does. `worst_constraint` names the hard row that is violated most ('' when none is), by `violation`;
    when INFEASIBLE, the row that cannot be kept. `slack` is the largest soft violation. margins: how far rows with a chance
    were tightened, in the order of the multipliers (`margins_of` names them); violations are of the tightened rows.

    A solve that failed gives back the guess (after a deadline its last iterate), and zeros for gains and multipliers.
    """

    status: Status
    trajectory: Trajectory
    gains: Array
    multipliers: Array
    cost: float
    residuals: Residuals
    iterations: int
    qp_iterations: int
    worst_constraint: str
    violation: float
    slack: float
    solve_time_ns: int
    margins: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def is_usable(self) -> bool:
        """As its status."""
        return self.status.is_usable
