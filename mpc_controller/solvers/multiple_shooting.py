"""Direct multiple shooting: Gauss-Newton SQP, to convergence or as real-time iteration. The mathematics is in kernels/."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.native_program import NativeProgram
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory


@final
class MultipleShooting(Solver):
    """Gauss-Newton SQP on the multiple-shooting form, with an interior-point method on the Riccati recursion inside.

    With `real_time_iteration` a call makes one full step from the guess and ends with ITERATION_LIMIT; after `reset`, or when
    the last call failed, it iterates to convergence first. A full step that leaves the dynamics or a hard constraint wildly
    unmet ends with DIVERGED instead. Otherwise every call iterates until dynamics and inequalities hold to `tolerance`,
    complementarity does to tolerance·(1 + λ) side by side, and the Lagrangian's gradient is below tolerance times
    max(1, mean multiplier / 100), at most `max_iterations` times. The first state of every plan is x0.

    Source: Bock, Plitt, "A multiple shooting algorithm for direct solution of optimal control problems", 1984; Diehl et al.,
    "Real-time optimization and nonlinear model predictive control of processes governed by DAEs", 2002.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        real_time_iteration: bool = True,
        max_iterations: int = 100,
        tolerance: float = 1e-6,
        qp_max_iterations: int = 50,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        for name, value in (("max_iterations", max_iterations), ("qp_max_iterations", qp_max_iterations)):
            if value < 1:
                raise ValueError(f"MultipleShooting: {name} is {value}; it must be at least 1")
        if not 0 < tolerance < 1:
            raise ValueError(f"MultipleShooting: tolerance is {tolerance}; it must be between 0 and 1")
        self.problem = problem
        self._program = NativeProgram(StageFunctions(problem), "multiple_shooting", report)
        self.build_s, self.from_cache = self._program.build_s, self._program.from_cache
        self._real_time_iteration = real_time_iteration
        self._is_cold = True
        # The programmes inside are solved further than the SQP asks of itself, but not to where the sides' weights λ/s make
        # the factorisation lose the digits again.
        qp = (
            float(qp_max_iterations),
            0.1 * min(tolerance, 1e-5),
            max(1e-2 * tolerance, 1e-9),
            0.1 * tolerance,
            0.1 * tolerance,
        )
        self._to_convergence = np.array([max_iterations, 0.0, tolerance, *qp])
        self._one_step = np.array([1.0, 1.0, tolerance, qp[0], qp[1], 1e-6, 1e-5, np.inf])

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or an SQP to convergence. See `Solver.solve`."""
        one_step = self._real_time_iteration and not self._is_cold
        options = self._one_step if one_step else self._to_convergence
        solution = self._program.solve(x0, parameters, reference, guess, options, deadline_ns)
        self._is_cold = not solution.is_usable
        return solution

    def reset(self) -> None:
        """Forget multipliers of earlier solves; the next call iterates to convergence."""
        self._program.forget()
        self._is_cold = True

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._program.multipliers_of(solution, stage)
