"""A compiled solver in the loop: to convergence from cold, in few steps from then on."""

from __future__ import annotations

from typing import final

from mpc_controller.arrays import Array
from mpc_controller.solvers.native_program import NativeOptions, NativeProgram
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.trajectory import Trajectory


@final
class RealTimeProgram:
    """A NativeProgram that knows whether its next call may be a real-time iteration.

    It may not while it is cold: in the first call, after `forget`, and after a solve without a usable plan; nor ever without
    `real_time_iteration`. Such calls take the options `to_convergence`.
    """

    def __init__(self, program: NativeProgram, to_convergence: NativeOptions, *, real_time_iteration: bool) -> None:
        self.build_s, self.from_cache = program.build_s, program.from_cache
        self.multipliers_of, self.margins_of = program.multipliers_of, program.margins_of
        self.load_residual = program.load_residual
        self._program = program
        self._to_convergence = to_convergence
        self._real_time_iteration = real_time_iteration
        self._is_cold = True

    @property
    def is_real_time(self) -> bool:
        """Whether the next call is a real-time iteration."""
        return self._real_time_iteration and not self._is_cold

    def prepare(self, parameters: Array, reference: Array, guess: Trajectory) -> None:
        """NativeProgram.prepare where the next call is a real-time iteration."""
        if self.is_real_time:
            self._program.prepare(parameters, reference, guess)

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, real_time: NativeOptions, deadline_ns: int
    ) -> Solution:
        """A real-time iteration with the options `real_time`, or a solve to convergence."""
        options = real_time if self.is_real_time else self._to_convergence
        solution = self._program.solve(x0, parameters, reference, guess, options, deadline_ns)
        self._is_cold = not solution.is_usable
        return solution

    def forget(self) -> None:
        """Wipe what earlier solves left; the next one is cold."""
        self._program.forget()
        self._is_cold = True
