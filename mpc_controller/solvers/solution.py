"""What a solver gives back: enough to log, to warm-start and to feed back."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import final

from mpc_controller.arrays import Array
from mpc_controller.solvers.trajectory import Trajectory


@final
class Status(enum.IntEnum):
    """How a solve ended. CONVERGED and ITERATION_LIMIT plans may be flown when `Solution.is_usable` says so."""

    CONVERGED = 0
    ITERATION_LIMIT = 1
    DEADLINE = 2
    INFEASIBLE = 3
    DIVERGED = 4
    NUMERICAL_FAILURE = 5


@final
@dataclass(frozen=True)
class Residuals:
    """Max-norms at the returned iterate: of the Lagrangian's gradient, the dynamics' gaps, violated inequalities, and
    complementarity."""

    stationarity: float
    dynamics: float
    inequality: float
    complementarity: float


@final
@dataclass(frozen=True)
class Solution:
    """The result of one solve.

    gains (N, nu, ndx): K_k of u = u_k + K_k (x ⊟ x_k). multipliers (N+1, ng): of the constraints' rows in the order of
    `OptimalControlProblem`, positive where the upper bound presses, negative where the lower one does.
    `worst_constraint` names the row that is violated most ('' when none is), by `violation`. `slack` is the largest soft
    violation.
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

    @property
    def is_usable(self) -> bool:
        """Whether the plan may be published: solved, or cut at the iteration limit as real-time iterations are."""
        return self.status in (Status.CONVERGED, Status.ITERATION_LIMIT)
