"""Direct multiple shooting: SQP, to convergence or as real-time iteration. The mathematics is in kernels/."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, final

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import knows_second_derivatives
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.native_program import NativeOptions, NativeProgram
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory

# Phases of a call, as in kernels/multiple_shooting.h.
_TO_CONVERGENCE, _BOTH_PHASES, _FEEDBACK_PHASE = 0.0, 1.0, 2.0


@final
class MultipleShooting(Solver):
    """SQP on the multiple-shooting form, whose programmes are solved on the Riccati recursion.

    With `real_time_iteration` a call makes one whole step from the guess and ends with ITERATION_LIMIT; after `reset`, or when
    the last call failed, it iterates to convergence first. A step that leaves the dynamics or a hard constraint wildly unmet
    ends with DIVERGED instead. Otherwise every call iterates until dynamics and inequalities hold to `tolerance`,
    complementarity does to tolerance·(1 + λ) side by side, and the Lagrangian's gradient is below tolerance times
    max(1, mean multiplier / 100), at most `max_iterations` times. The first state of every plan is x0.

    A real-time iteration has two phases: `prepare` linearises at a guess, `feedback` solves for an x0 and steps (initial value
    embedding). `solve` does both, with x0 for the guess's first state; where that is x0 already, the plans are the same.

    `hessian` "exact" takes second derivatives of dynamics, constraints and residuals into the programmes where Gauss-Newton
    steps converge slowly and the programme stays convex: quadratic convergence also where residuals or multipliers are large,
    at a longer build. By default real-time iterations are "gauss-newton", and solves to convergence "exact" but for dynamics
    that know their second derivatives, such as rigid bodies: for seven joints these build for longer than all the rest.

    With a `scheme` an interval is that collocation's instead of `problem.integrator`'s step, its inner states iterates of their
    own; see Collocation. Its programmes are Gauss-Newton ones.

    Source: Bock, Plitt, "A multiple shooting algorithm for direct solution of optimal control problems", 1984; Diehl et al.,
    "Real-time optimization and nonlinear model predictive control of processes governed by DAEs", 2002.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        real_time_iteration: bool = True,
        hessian: Literal["gauss-newton", "exact"] | None = None,
        max_iterations: int = 100,
        tolerance: float = 1e-6,
        qp_max_iterations: int = 50,
        scheme: CollocationScheme | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        for name, value in (("max_iterations", max_iterations), ("qp_max_iterations", qp_max_iterations)):
            if value < 1:
                raise ValueError(f"MultipleShooting: {name} is {value}; it must be at least 1")
        if not 0 < tolerance < 1:
            raise ValueError(f"MultipleShooting: tolerance is {tolerance}; it must be between 0 and 1")
        if hessian not in (None, "gauss-newton", "exact"):
            raise ValueError(f"MultipleShooting: hessian is {hessian!r}; it must be 'gauss-newton' or 'exact'")
        if hessian == "exact" and scheme is not None:
            raise ValueError(f"MultipleShooting: hessian is 'exact'; with the scheme {scheme.name} it must be 'gauss-newton'")
        plain = not knows_second_derivatives(problem.dynamics)
        exact = hessian == "exact" or (hessian is None and plain and not real_time_iteration and scheme is None)
        self.problem = problem
        functions = StageFunctions(problem, scheme=scheme, curvature=exact)
        self._program = NativeProgram(functions, "multiple_shooting", report)
        self.build_s, self.from_cache = self._program.build_s, self._program.from_cache
        self._real_time_iteration = real_time_iteration
        self._is_cold = True
        self._prepared: tuple[Array, Array, Trajectory] | None = None
        # The programmes inside are solved further than the SQP asks of itself, but not to where the sides' weights λ/s make
        # the factorisation lose the digits again.
        qp = (
            float(qp_max_iterations),
            0.1 * min(tolerance, 1e-5),
            max(1e-2 * tolerance, 1e-9),
            0.1 * tolerance,
            0.1 * tolerance,
        )
        self._to_convergence = NativeOptions(max_iterations, _TO_CONVERGENCE, tolerance, *qp)
        one_step = (tolerance, qp[0], qp[1], 1e-6, 1e-5, math.inf)
        self._both_phases = NativeOptions(1.0, _BOTH_PHASES, *one_step)
        self._feedback_phase = NativeOptions(1.0, _FEEDBACK_PHASE, *one_step)

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or an SQP to convergence. See `Solver.solve`."""
        options = self._both_phases if self._makes_one_step else self._to_convergence
        solution = self._program.solve(x0, parameters, reference, guess, options, deadline_ns)
        self._is_cold = not solution.is_usable
        return solution

    def prepare(self, parameters: Array, reference: Array, guess: Trajectory) -> None:
        """The preparation phase of the next real-time iteration: all that can be done before x0 is known.

        The arguments, as for `solve`, stay as they are until `feedback`; `guess` starts at the time for which x0 will hold.
        """
        self._prepared = (parameters, reference, guess)
        if self._makes_one_step:
            self._program.prepare(parameters, reference, guess)

    def feedback(self, x0: Array, deadline_ns: int = NO_DEADLINE) -> Solution:
        """The feedback phase: the plan from x0 (nx,) for what was prepared. RuntimeError when nothing was."""
        if self._prepared is None:
            raise RuntimeError("MultipleShooting: feedback without prepare; prepare(parameters, reference, guess) comes first")
        options = self._feedback_phase if self._makes_one_step else self._to_convergence
        solution = self._program.solve(x0, *self._prepared, options, deadline_ns)
        self._prepared = None
        self._is_cold = not solution.is_usable
        return solution

    def reset(self) -> None:
        """Forget multipliers of earlier solves; the next call iterates to convergence."""
        self._program.forget()
        self._prepared = None
        self._is_cold = True

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._program.multipliers_of(solution, stage)

    @property
    def _makes_one_step(self) -> bool:
        return self._real_time_iteration and not self._is_cold
