"""Direct single shooting: the controls are the only variables. The mathematics is in kernels/single_shooting.h."""

from __future__ import annotations

import math
from collections.abc import Callable
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

Step = Literal["gauss-newton", "gradient", "adam", "lbfgs"]  # in the order of the enum in kernels/first_order.h
_MAX_ITERATIONS = {"gauss-newton": 500, "gradient": 5000, "adam": 5000, "lbfgs": 5000}
_STEPS_PER_CALL = {"gauss-newton": 1, "gradient": 20, "adam": 20, "lbfgs": 20}


@final
class SingleShooting(Solver):
    """Minimises over the controls u_0..u_{N−1} alone; the states of every iterate are x_{k+1} = F(x_k, u_k) from x0.

    The textbook method, and where one sees why the others exist. A change of u_0 goes through the whole horizon, so errors and
    the problem's curvature grow by the product of all A_k: on an unstable model (a pole near upright, a long horizon) a
    rollout runs away and few steps are accepted. And there is no guess of the states to give: the guess's controls are rolled
    out, its states are not looked at.

    `step` chooses how the controls move:

    * "gauss-newton": the linear-quadratic programme along the rollout, with all constraints, then a merit line search over
      rollouts. Converges as multiple shooting does, where the rollouts allow it.
    * "gradient", "adam", "lbfgs": by the gradient alone, which one reverse sweep through the model gives (back-propagation), at
      a cost of a few rollouts. Hard bounds on single controls are kept by projection; all other constraints enter by
      an augmented Lagrangian (soft ones with exactly their price). Steps are measured in the widths of the controls' bounds (1
      where there are none); `learning_rate` is Adam's, in these units. Gradient and Adam converge linearly at best:
      on stiff costs they end with ITERATION_LIMIT. Their gains come from one Riccati sweep at the end.

    With `real_time_iteration` a call after the first makes at most `steps_per_call` steps (1 of Gauss-Newton, 20 of the others,
    unless given) and ends with ITERATION_LIMIT where that did not converge; the estimates of first-order multipliers are kept
    from call to call. It does look at the guess's states: the first rollout follows them under an LQR (Gauss-Newton: follows
    the solution of the programme along them). With the controls alone each plan of a cart-pole's swing-up leads elsewhere than
    the one before, and it never gets up. Without `real_time_iteration`, and after `reset` or a failure, a call iterates to the
    residuals of `tolerance` (as MultipleShooting), at most `max_iterations` times (500 of Gauss-Newton, 5000 of the others).
    A rollout that runs away ends with DIVERGED.

    Source: Hicks, Ray, 1971; Bryson, Ho, "Applied Optimal Control", 1975; Kingma, Ba, 2015; Nocedal, Wright, 2006.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        step: Step = "gauss-newton",
        real_time_iteration: bool = True,
        steps_per_call: int | None = None,
        max_iterations: int | None = None,
        tolerance: float = 1e-6,
        learning_rate: float = 0.02,
        qp_max_iterations: int = 50,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_choice("SingleShooting", "step", step, get_args(Step))
        per_call = _STEPS_PER_CALL[step] if steps_per_call is None else steps_per_call
        limit = _MAX_ITERATIONS[step] if max_iterations is None else max_iterations
        check_count("SingleShooting", steps_per_call=per_call, max_iterations=limit, qp_max_iterations=qp_max_iterations)
        check_fraction("SingleShooting", tolerance=tolerance, learning_rate=learning_rate)
        self.problem = problem
        program = NativeProgram(StageFunctions(problem, adjoint=True), "single_shooting", report)
        kind = float(get_args(Step).index(step))
        # Accuracy of the programmes inside as in MultipleShooting: primal, complementarity, stationarity, gradient.
        primal = 0.1 * min(tolerance, 1e-5)
        accurate = (primal, max(1e-2 * tolerance, 1e-9), 0.1 * tolerance, 0.1 * tolerance)
        quick = (primal, 1e-6, 1e-5, math.inf)
        to_convergence = NativeOptions(kind, limit, 0.0, tolerance, learning_rate, qp_max_iterations, *accurate)
        self._program = RealTimeProgram(program, to_convergence, real_time_iteration=real_time_iteration)
        self._one_call = NativeOptions(kind, per_call, 1.0, tolerance, learning_rate, qp_max_iterations, *quick)
        self.build_s, self.from_cache = program.build_s, program.from_cache

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or steps to convergence, from the guess's controls. See `Solver.solve`."""
        return self._program.solve(x0, parameters, reference, guess, self._one_call, deadline_ns)

    def load_residual(self, residual: Residual) -> None:
        """See `Solver.load_residual`."""
        self._program.load_residual(residual)

    def reset(self) -> None:
        """Forget multipliers of earlier solves; the next call iterates to convergence."""
        self._program.forget()

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._program.multipliers_of(solution, stage)

    def margins_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """How far the rows of one grid point were tightened, by name; see Constraint.chance."""
        return self._program.margins_of(solution, stage)
