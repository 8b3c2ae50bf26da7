"""Direct multiple shooting: SQP, to convergence or as real-time iteration. The mathematics is in kernels/."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, final, get_args

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import knows_second_derivatives
from mpc_controller.model.residual.residual import Residual
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.native_program import NativeOptions, NativeProgram
from mpc_controller.solvers.options import check_choice, check_count, check_fraction
from mpc_controller.solvers.real_time_program import RealTimeProgram
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.trajectory import Trajectory

Hessian = Literal["gauss-newton", "exact"]
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
    at a longer build; those of a learned residual are left out. By default real-time iterations are "gauss-newton", and solves
    to convergence "exact" but for dynamics that know their second derivatives, such as rigid bodies: for seven joints these
    build for longer than all the rest.

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
        hessian: Hessian | None = None,
        max_iterations: int = 100,
        tolerance: float = 1e-6,
        qp_max_iterations: int = 50,
        scheme: CollocationScheme | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_count("MultipleShooting", max_iterations=max_iterations, qp_max_iterations=qp_max_iterations)
        check_fraction("MultipleShooting", tolerance=tolerance)
        if hessian is not None:
            check_choice("MultipleShooting", "hessian", hessian, get_args(Hessian))
        if hessian == "exact" and scheme is not None:
            raise ValueError(f"MultipleShooting: hessian is 'exact'; with the scheme {scheme.name} it must be 'gauss-newton'")
        plain = not knows_second_derivatives(problem.dynamics)
        exact = hessian == "exact" or (hessian is None and plain and not real_time_iteration and scheme is None)
        self.problem = problem
        functions = StageFunctions(problem, scheme=scheme, curvature=exact)
        program = NativeProgram(functions, "multiple_shooting", report)
        self.build_s, self.from_cache = program.build_s, program.from_cache
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
        to_convergence = NativeOptions(max_iterations, _TO_CONVERGENCE, tolerance, *qp)
        self._program = RealTimeProgram(program, to_convergence, real_time_iteration=real_time_iteration)
        one_step = (tolerance, qp[0], qp[1], 1e-6, 1e-5, math.inf)
        self._both_phases = NativeOptions(1.0, _BOTH_PHASES, *one_step)
        self._feedback_phase = NativeOptions(1.0, _FEEDBACK_PHASE, *one_step)

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or an SQP to convergence. See `Solver.solve`."""
        return self._program.solve(x0, parameters, reference, guess, self._both_phases, deadline_ns)

    def prepare(self, parameters: Array, reference: Array, guess: Trajectory) -> None:
        """The preparation phase of the next real-time iteration: all that can be done before x0 is known.

        The arguments, as for `solve`, stay as they are until `feedback`; `guess` starts at the time for which x0 will hold.
        """
        self._prepared = (parameters, reference, guess)
        self._program.prepare(parameters, reference, guess)

    def feedback(self, x0: Array, deadline_ns: int = NO_DEADLINE) -> Solution:
        """The feedback phase: the plan from x0 (nx,) for what was prepared. RuntimeError when nothing was."""
        if self._prepared is None:
            raise RuntimeError("MultipleShooting: feedback without prepare; prepare(parameters, reference, guess) comes first")
        solution = self._program.solve(x0, *self._prepared, self._feedback_phase, deadline_ns)
        self._prepared = None
        return solution

    def load_residual(self, residual: Residual) -> None:
        """See `Solver.load_residual`."""
        self._program.load_residual(residual)

    def reset(self) -> None:
        """Forget multipliers of earlier solves; the next call iterates to convergence."""
        self._program.forget()
        self._prepared = None

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._program.multipliers_of(solution, stage)

    def margins_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """How far the rows of one grid point were tightened, by name; see Constraint.chance."""
        return self._program.margins_of(solution, stage)
