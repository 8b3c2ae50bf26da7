"""Direct multiple shooting: Gauss-Newton SQP, to convergence or as real-time iteration. The mathematics is in kernels/."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import final

import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.shooting_library import build_shooting_library
from mpc_controller.solvers.solution import Residuals, Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory

# Fields of the C structs `Options` and `Info`, in their order.
_INFO = (
    "status", "iterations", "sweeps", "cost", "stationarity", "dynamics", "inequality", "complementarity",
    "worst_stage", "worst_row", "slack",
)  # fmt: skip


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
        start = time.monotonic()
        self.problem = problem
        functions = StageFunctions(problem)
        self._path_rows, self._terminal_rows = functions.path_rows, functions.terminal_rows
        build = build_shooting_library(functions, report)
        self._real_time_iteration = real_time_iteration
        self._is_cold = True
        self._manifold = problem.dynamics.manifold
        N, nu, ndx, nr = problem.N, functions.nu, functions.ndx, problem.nr
        self._shapes = ((functions.nx,), (len(problem.parameters),), (N + 1, nr), (N + 1, functions.nx), (N, nu))
        self._grid = np.array(problem.grid)
        self._gains = np.zeros((N, nu, ndx))
        self._multipliers = np.zeros(N * len(self._path_rows) + len(self._terminal_rows))
        self._info = np.zeros(len(_INFO))
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
        self._library = build.library
        self._library.workspace_size.restype = ctypes.c_longlong
        size = self._library.workspace_size()
        self._memory = np.zeros(size + 64, dtype=np.uint8)
        self._workspace = ctypes.c_void_p(-(-self._memory.ctypes.data // 64) * 64)
        self._library.solve.argtypes = [ctypes.c_void_p] * 10 + [ctypes.c_longlong, ctypes.c_void_p]
        self._library.solve.restype = None
        self._library.forget.argtypes = [ctypes.c_void_p]
        self.build_s, self.from_cache = time.monotonic() - start, build.from_cache

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or an SQP to convergence. See `Solver.solve`."""
        start = time.monotonic_ns()
        given = (x0, parameters, reference, guess.states, guess.controls)
        try:
            arrays = [np.ascontiguousarray(a, dtype=np.float64) for a in given]
        except (TypeError, ValueError):
            return self._failed(guess, start)
        if tuple(a.shape for a in arrays) != self._shapes:
            return self._failed(guess, start)
        states, controls = arrays[3].copy(), arrays[4].copy()
        one_step = self._real_time_iteration and not self._is_cold
        self._library.solve(
            self._workspace,
            *map(_address, (*arrays[:3], self._grid, states, controls, self._gains, self._multipliers)),
            _address(self._one_step if one_step else self._to_convergence),
            int(min(deadline_ns, NO_DEADLINE)),
            _address(self._info),
        )
        info = dict(zip(_INFO, self._info.tolist(), strict=True))
        status = Status(int(info["status"]))
        self._is_cold = status not in (Status.CONVERGED, Status.ITERATION_LIMIT)
        return Solution(
            status=status,
            trajectory=Trajectory(guess.manifold, guess.times, states, controls),
            gains=self._gains.copy(),
            multipliers=self._multipliers.copy(),
            cost=info["cost"],
            residuals=Residuals(info["stationarity"], info["dynamics"], info["inequality"], info["complementarity"]),
            iterations=int(info["iterations"]),
            qp_iterations=int(info["sweeps"]),
            worst_constraint=self._row_name(int(info["worst_stage"]), int(info["worst_row"])),
            violation=info["inequality"],
            slack=info["slack"],
            solve_time_ns=time.monotonic_ns() - start,
        )

    def reset(self) -> None:
        """Forget multipliers of earlier solves; the next call iterates to convergence."""
        self._library.forget(self._workspace)
        self._is_cold = True

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        rows = self._path_rows if stage < self.problem.N else self._terminal_rows
        first = stage * len(self._path_rows)
        return {row.name: float(solution.multipliers[first + i]) for i, row in enumerate(rows)}

    def _row_name(self, stage: int, row: int) -> str:
        if row < 0:
            return ""
        rows = self._path_rows if stage < self.problem.N else self._terminal_rows
        return f"{rows[row].name} at k={stage}"

    def _failed(self, guess: Trajectory, start: int) -> Solution:
        """Not numbers, or arrays of the wrong size: nothing is solved, nothing raises."""
        nothing = Residuals(np.inf, np.inf, np.inf, np.inf)
        self.reset()
        return Solution(
            Status.NUMERICAL_FAILURE, guess, np.zeros_like(self._gains), np.zeros_like(self._multipliers), np.inf, nothing,
            0, 0, "", 0.0, 0.0, time.monotonic_ns() - start,
        )  # fmt: skip


def _address(array: npt.NDArray[np.float64]) -> int:
    return int(array.ctypes.data)
