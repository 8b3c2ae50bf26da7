"""iLQR and DDP, with control limits, gaps in the dynamics and general constraints. The mathematics is in kernels/."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, final, get_args

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.native_program import NativeOptions, NativeProgram
from mpc_controller.solvers.options import check_choice, check_count, check_fraction
from mpc_controller.solvers.real_time_program import RealTimeProgram
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory

Rollout = Literal["multiple-shooting", "single-shooting"]


@final
class DifferentialDynamicProgramming(Solver):
    """iLQR (first-order dynamics) or DDP (`second_order`): steps from a backward recursion of the cost-to-go, rolled out under
    its feedback.

        u = ū + α δu + K (x̂ ⊟ x̄ − α δx)  within the control limits,   x̂⁺ = F(x̂, u) ⊞ −(1 − α) f̄

    With the rollout "multiple-shooting" (FDDP) the guess's gaps f̄ in the dynamics close as steps are taken; with
    "single-shooting" the guess's controls are rolled out first, so that there are none. (δu, δx) solves the linear-quadratic
    problem of the iteration, found by sweeps with a projected Newton method for the hard limits of every stage's controls
    (box-DDP); the gains of controls at their limits are zero. All other constraints are in an augmented Lagrangian, soft ones
    exactly: their multipliers stay within the price l1 + l2 e. A step that the second derivatives spoil is one of iLQR;
    those of a learned residual are left out.

    With `real_time_iteration` a call makes one step from the guess and one update of the multipliers, which the next call
    starts from, and ends with ITERATION_LIMIT; after `reset`, or when the last call failed, it iterates to convergence first.
    Otherwise every call iterates until dynamics and inequalities hold to `tolerance`, complementarity does to tolerance·(1 + λ)
    side by side, and the Lagrangian's gradient is below tolerance times max(1, mean multiplier / 100), at most `max_iterations`
    times. INFEASIBLE when the penalty grew without bound; then `worst_constraint` is what could not be kept. DIVERGED when no
    step improves the merit. `qp_iterations` counts the sweeps.

    Source: Tassa, Mansard, Todorov, "Control-limited differential dynamic programming", 2014; Mastalli et al., "Crocoddyl",
    2020; Howell, Jackson, Manchester, "ALTRO: a fast solver for constrained trajectory optimization", 2019.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        second_order: bool,
        rollout: Rollout = "multiple-shooting",
        real_time_iteration: bool = True,
        max_iterations: int = 500,
        tolerance: float = 1e-6,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        name = "DDP" if second_order else "ILQR"
        check_count(name, max_iterations=max_iterations)
        check_fraction(name, tolerance=tolerance)
        check_choice(name, "rollout", rollout, get_args(Rollout))
        self.problem = problem
        functions = StageFunctions(problem, curvature=True) if second_order else StageFunctions(problem)
        program = NativeProgram(functions, "differential_dynamic_programming", report)
        form = (float(second_order), float(rollout == "single-shooting"))
        to_convergence = NativeOptions(max_iterations, 0.0, tolerance, *form)
        self._program = RealTimeProgram(program, to_convergence, real_time_iteration=real_time_iteration)
        self._one_step = NativeOptions(1.0, 1.0, tolerance, *form)
        self.build_s, self.from_cache = program.build_s, program.from_cache

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or iterations to convergence. See `Solver.solve`."""
        return self._program.solve(x0, parameters, reference, guess, self._one_step, deadline_ns)

    def load_residual(self, residual: Residual) -> None:
        """See `Solver.load_residual`."""
        self._program.load_residual(residual)

    def reset(self) -> None:
        """Forget multipliers and penalties of earlier solves; the next call iterates to convergence."""
        self._program.forget()

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._program.multipliers_of(solution, stage)

    def margins_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """How far the rows of one grid point were tightened, by name; see Constraint.chance."""
        return self._program.margins_of(solution, stage)


ILQR = partial(DifferentialDynamicProgramming, second_order=False)
DDP = partial(DifferentialDynamicProgramming, second_order=True)
