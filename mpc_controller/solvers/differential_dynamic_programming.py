"""iLQR and DDP, with control limits, gaps in the dynamics and general constraints. The mathematics is in kernels/."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, final

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.native_program import NativeOptions, NativeProgram
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory


@final
class DifferentialDynamicProgramming(Solver):
    """iLQR (first-order dynamics) or DDP (`second_order`): steps from a backward recursion of the cost-to-go, rolled out under
    its feedback.

        u = ū + α δu + K (x̂ ⊟ x̄ − α δx)  within the control limits,   x̂⁺ = F(x̂, u) ⊞ −(1 − α) f̄

    With the rollout "multiple-shooting" (FDDP) the guess's gaps f̄ in the dynamics close as steps are taken; with
    "single-shooting" the guess's controls are rolled out first, so that there are none. (δu, δx) solves the linear-quadratic
    problem of the iteration, found by sweeps with a projected Newton method for the hard limits of every stage's controls
    (box-DDP); the gains of controls at their limits are zero. All other constraints are in an augmented Lagrangian, soft ones
    exactly: their multipliers stay within the price l1 + l2 e. A step that the second derivatives spoil is one of iLQR.

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
        rollout: Literal["multiple-shooting", "single-shooting"] = "multiple-shooting",
        real_time_iteration: bool = True,
        max_iterations: int = 500,
        tolerance: float = 1e-6,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        if max_iterations < 1:
            raise ValueError(f"DifferentialDynamicProgramming: max_iterations is {max_iterations}; it must be at least 1")
        if not 0 < tolerance < 1:
            raise ValueError(f"DifferentialDynamicProgramming: tolerance is {tolerance}; it must be between 0 and 1")
        if rollout not in ("multiple-shooting", "single-shooting"):
            raise ValueError(
                f"DifferentialDynamicProgramming: rollout is {rollout!r}; it must be 'multiple-shooting' or 'single-shooting'"
            )
        self.problem = problem
        functions = StageFunctions(problem, curvature=True) if second_order else StageFunctions(problem)
        self._program = NativeProgram(functions, "differential_dynamic_programming", report)
        self.build_s, self.from_cache = self._program.build_s, self._program.from_cache
        self._real_time_iteration = real_time_iteration
        self._is_cold = True
        form = (float(second_order), float(rollout == "single-shooting"))
        self._to_convergence = NativeOptions(max_iterations, 0.0, tolerance, *form)
        self._one_step = NativeOptions(1.0, 1.0, tolerance, *form)

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or iterations to convergence. See `Solver.solve`."""
        one_step = self._real_time_iteration and not self._is_cold
        options = self._one_step if one_step else self._to_convergence
        solution = self._program.solve(x0, parameters, reference, guess, options, deadline_ns)
        self._is_cold = not solution.is_usable
        return solution

    def reset(self) -> None:
        """Forget multipliers and penalties of earlier solves; the next call iterates to convergence."""
        self._program.forget()
        self._is_cold = True

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._program.multipliers_of(solution, stage)


ILQR = partial(DifferentialDynamicProgramming, second_order=False)
DDP = partial(DifferentialDynamicProgramming, second_order=True)
