"""The contract of every solver."""

from __future__ import annotations

import abc

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.trajectory import Trajectory

NO_DEADLINE = 2**63 - 1


class Solver(abc.ABC):
    """Solves one problem again and again, from new states.

    The constructor may take seconds: it differentiates, generates, compiles and allocates. `solve` runs inside the loop: it
    returns by `deadline_ns` with the last iterate, marked DEADLINE, and reports failure as a Status, never by raising.
    """

    problem: OptimalControlProblem
    build_s: float  # what the constructor took
    from_cache: bool  # whether the library was there already

    @abc.abstractmethod
    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """Plan from x0 (nx,).

        parameters (np,) in the order of `problem.parameters`; reference (N+1, nr); `guess` starts at the time for which x0
        holds; `deadline_ns` is on time.monotonic_ns().
        """

    def load_residual(self, residual: Residual) -> None:
        """Weights and guard of the problem's residual, for all solves from the next one on; nothing is compiled.

        Before the first, plans are those of the physics alone. ValueError when the problem has none or one of another shape, or
        where the method knows none.
        """
        raise ValueError(f"{type(self).__name__} plans without learned residuals; given is one of {residual.robot}")

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget what was kept from earlier solves (multipliers, active sets)."""
