"""Time-varying LQR as a controller: the baseline. The mathematics is in kernels/lqr.h, the closed forms in riccati.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.native_program import NativeOptions, NativeProgram
from mpc_controller.solvers.options import check_fraction
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory


@final
class LinearQuadraticRegulator(Solver):
    """One Riccati sweep over the problem linearised along the guess, and its affine law followed on the model from x0:

        u_k = clip(û_k + K_k (x_k ⊟ x̂_k)),   x_{k+1} = F(x_k, u_k)

    The controls are clipped to their hard bounds on the way. That is all that is kept: other constraints and all soft rows
    have no part in the sweep; they are counted in `cost`, `violation` and `slack` of the solution. There is no line search, so
    a sweep may raise the cost, or run away (DIVERGED).

    Exact in one solve for a linear-quadratic problem without active constraints. CONVERGED says that the rolled-out plan
    fulfils the whole problem's optimality conditions to `tolerance`; otherwise a solve ends with ITERATION_LIMIT, after one
    iteration.

    What that is good for, launched on this package's robots against plants that differ from the model: all tasks of the arm and
    the quadrotor, the car's lane keeping, and the cart-pole's balancing and steps are followed as by multiple shooting, as
    none of their constraints but the controls' presses. The car drives through the obstacle, which the sweep does not see. On
    the cart-pole's swing-up, whose force limit and rail the sweep does not know either, the pole gets up late and stays further
    off, if the cart does not hit the end of the rail before.

    Source: Anderson, Moore, "Optimal Control: Linear Quadratic Methods", 1990, ch. 2 and 3.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        tolerance: float = 1e-6,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_fraction("LinearQuadraticRegulator", tolerance=tolerance)
        self.problem = problem
        self._program = NativeProgram(StageFunctions(problem, adjoint=True), "lqr", report)
        self.build_s, self.from_cache = self._program.build_s, self._program.from_cache
        self._options = NativeOptions(tolerance)

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One sweep along the guess. See `Solver.solve`."""
        return self._program.solve(x0, parameters, reference, guess, self._options, deadline_ns)

    def load_residual(self, residual: Residual) -> None:
        """See `Solver.load_residual`."""
        self._program.load_residual(residual)

    def reset(self) -> None:
        """Nothing is kept between solves."""

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: of controls on their bounds; 0 for all other rows."""
        return self._program.multipliers_of(solution, stage)
