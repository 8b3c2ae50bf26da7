"""The compiled solver of one problem with its memory: one foreign call a solve, on arrays that stay where they are."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual
from mpc_controller.native.residual_code import pack, silent
from mpc_controller.solvers.solution import Residuals, Solution, Status
from mpc_controller.solvers.solver_library import build_solver_library
from mpc_controller.solvers.stage_functions import Row, StageFunctions
from mpc_controller.solvers.trajectory import Trajectory

# Fields of the C struct `Info` (kernels/shooting_point.h), in their order.
_INFO = (
    "status", "iterations", "sweeps", "cost", "stationarity", "dynamics", "inequality", "complementarity",
    "worst_stage", "worst_row", "slack",
)  # fmt: skip


_STATUS = tuple(Status)


@final
class NativeOptions:
    """The C struct Options of a method: its fields, as doubles, in their order."""

    def __init__(self, *fields: float) -> None:
        self._fields = np.array(fields, dtype=np.float64)
        self.address = self._fields.ctypes.data


@final
class NativeProgram:
    """What the native solvers share: the library, its memory, the call, and the names of rows. See kernels/entry.h.

    `method` names the file in native/kernels with the mathematics and the options. Raises CompilerError when the library
    cannot be built.
    """

    def __init__(self, functions: StageFunctions, method: str, report: Callable[[str], None]) -> None:
        start = time.monotonic()
        problem = functions.problem
        self._N = problem.N
        self._path_rows, self._terminal_rows = functions.path_rows, functions.terminal_rows
        build = build_solver_library(functions, method, report)
        self._library = build.library
        self._library.memory_size.restype = ctypes.c_longlong
        self._library.solve.argtypes = self._library.forget.argtypes = [ctypes.c_void_p]
        self._library.solve.restype = self._library.forget.restype = None
        if hasattr(self._library, "prepare"):
            self._library.prepare.argtypes, self._library.prepare.restype = [ctypes.c_void_p], None
        N, nx, nu = problem.N, functions.nx, functions.nu
        shapes = ((nx,), (len(problem.parameters),), (N + 1, problem.nr), (N + 1, nx), (N, nu))
        self._given = tuple((np.zeros(shape), shape) for shape in shapes)
        self._states, self._controls = self._given[3][0], self._given[4][0]
        self._grid = np.array(problem.grid)
        self._gains = np.zeros((N, nu, functions.ndx))
        self._multipliers = np.zeros(N * len(self._path_rows) + len(self._terminal_rows))
        self._margins = np.zeros_like(self._multipliers)
        self._info = np.zeros(len(_INFO))
        size = self._library.memory_size()
        self._memory = np.zeros(size + 64, dtype=np.uint8)
        self._memory_address = -(-self._memory.ctypes.data // 64) * 64
        arrays = (
            *(array for array, _ in self._given[:3]),
            self._grid,
            self._states,
            self._controls,
            self._gains,
            self._multipliers,
        )
        self._name, self._residual = problem.name, problem.residual
        self._packed = None if problem.residual is None else silent(problem.residual.shape)
        weights = (0, 0) if self._packed is None else (self._packed.numbers.ctypes.data, self._packed.weights.ctypes.data)
        addresses = [array.ctypes.data for array in arrays]
        pointers = [self._memory_address, *addresses, 0, self._info.ctypes.data, 0, *weights, self._margins.ctypes.data]
        self._call = np.array(pointers, dtype=np.int64)  # the C struct `Call`
        self._call_address = self._call.ctypes.data
        self.build_s, self.from_cache = time.monotonic() - start, build.from_cache

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, options: NativeOptions, deadline_ns: int
    ) -> Solution:
        """One call into C; NUMERICAL_FAILURE for arrays that are not numbers or of the wrong shape."""
        start = time.monotonic_ns()
        if not self._takes(self._given, (x0, parameters, reference, guess.states, guess.controls)):
            return self._failed(guess, start)
        self._call[9], self._call[11] = options.address, min(deadline_ns, 2**63 - 1)
        self._library.solve(self._call_address)
        (
            status, iterations, sweeps, cost, stationarity, dynamics, inequality, complementarity, stage, row, slack,
        ) = self._info.tolist()  # fmt: skip
        return Solution(
            status=_STATUS[int(status)],
            trajectory=Trajectory(guess.manifold, guess.times, self._states.copy(), self._controls.copy()),
            gains=self._gains.copy(),
            multipliers=self._multipliers.copy(),
            margins=self._margins.copy(),
            cost=cost,
            residuals=Residuals(stationarity, dynamics, inequality, complementarity),
            iterations=int(iterations),
            qp_iterations=int(sweeps),
            worst_constraint=self._row_name(int(stage), int(row)),
            violation=inequality,
            slack=slack,
            solve_time_ns=time.monotonic_ns() - start,
        )

    def prepare(self, parameters: Array, reference: Array, guess: Trajectory) -> None:
        """What a method does of the next solve before x0 is known; that solve, with the same arguments, says how it went."""
        if self._takes(self._given[1:], (parameters, reference, guess.states, guess.controls)):
            self._library.prepare(self._call_address)

    def load_residual(self, residual: Residual) -> None:
        """Its weights and guard for all solves from now on; until then there is no correction. See `Solver.load_residual`."""
        if self._packed is None or self._residual is None:
            raise ValueError(f"problem '{self._name}' has no residual; its field `residual` says where one may enter")
        if residual.shape != self._residual.shape:
            raise ValueError(f"problem '{self._name}' is built for {self._residual.shape}; given is {residual.shape}")
        packed = pack(residual)
        self._packed.numbers[:], self._packed.weights[:] = packed.numbers, packed.weights

    def forget(self) -> None:
        """Wipe what earlier solves left."""
        self._library.forget(self._memory_address)

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        first = stage * len(self._path_rows)
        return {row.name: float(solution.multipliers[first + i]) for i, row in enumerate(self._rows(stage))}

    def margins_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """How far the rows of one grid point were tightened, by name."""
        first = stage * len(self._path_rows)
        return {row.name: float(solution.margins[first + i]) for i, row in enumerate(self._rows(stage))}

    @staticmethod
    def _takes(arrays: Sequence[tuple[Array, tuple[int, ...]]], values: Sequence[Array]) -> bool:
        """Copy values into the arrays; False when one is not of its array's shape."""
        try:
            for (array, shape), value in zip(arrays, values, strict=True):
                if value.shape != shape:
                    return False
                array[...] = value
        except (AttributeError, TypeError, ValueError):
            return False
        return True

    def _rows(self, stage: int) -> list[Row]:
        return self._path_rows if stage < self._N else self._terminal_rows

    def _row_name(self, stage: int, row: int) -> str:
        return f"{self._rows(stage)[row].name} at k={stage}" if row >= 0 else ""

    def _failed(self, guess: Trajectory, start: int) -> Solution:
        """Nothing is solved, nothing raises."""
        nothing = Residuals(np.inf, np.inf, np.inf, np.inf)
        self.forget()
        return Solution(
            Status.NUMERICAL_FAILURE, guess, np.zeros_like(self._gains), np.zeros_like(self._multipliers), np.inf, nothing,
            0, 0, "", 0.0, 0.0, time.monotonic_ns() - start,
        )  # fmt: skip
