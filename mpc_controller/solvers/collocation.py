"""Direct collocation: every interval is a polynomial that obeys the model at nodes. Native, or with IPOPT or FATROP."""

from __future__ import annotations

from collections.abc import Callable
from typing import final, get_args

from mpc_controller.arrays import Array
from mpc_controller.model.residual.residual import Residual
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import COLLOCATION_SCHEMES
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.options import check_choice, check_count, check_fraction
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory
from mpc_controller.solvers.transcription.nonlinear_programme import NonlinearProgramme
from mpc_controller.solvers.transcription.programme_backends import PROGRAMME_BACKENDS
from mpc_controller.solvers.transcription.transcription import Controls, Objective


@final
class Collocation(Solver):
    """Direct collocation on the problem's grid, by a `scheme` of COLLOCATION_SCHEMES instead of the problem's integrator.

    `backend` "native": the SQP of MultipleShooting, real-time iterations included, on a lifted form. The inner states w of an
    interval are iterates of their own, and one Newton elimination of their equations G(x, w, u) = 0 an iteration leaves the
    interval's defect and its [B A] for the Riccati recursion; nothing is iterated inside, and where the SQP has converged the
    equations hold exactly. Controls are held over the interval and the cost is the problem's own sum on the grid. Between
    calls the inner states are kept as what they are off the chords of the plan: the plan given back as the guess is a solution
    still, and one shifted in time nearly.

    "ipopt" and "fatrop" solve the same transcription with a general method, to convergence in every call: offline, and as a
    second opinion. They can also free the `controls` within the interval ("free") and integrate the cost by the scheme's
    quadrature (`objective` "quadrature"); see NonlinearProgramme.

    Max-norms of G count as residuals of the dynamics. Source: kernels/inner_states.h.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        scheme: str = "radau-3",
        backend: str = "native",
        controls: Controls = "held",
        objective: Objective = "grid",
        real_time_iteration: bool = True,
        max_iterations: int = 300,
        tolerance: float = 1e-6,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        natively = backend == "native"
        check_choice("Collocation", "backend", backend, ("native", *PROGRAMME_BACKENDS))
        check_choice("Collocation", "scheme", scheme, tuple(COLLOCATION_SCHEMES))
        where = f"with backend '{backend}' "
        check_choice("Collocation", "controls", controls, ("held",) if natively else get_args(Controls), where)
        check_choice("Collocation", "objective", objective, ("grid",) if natively else get_args(Objective), where)
        check_count("Collocation", max_iterations=max_iterations)
        check_fraction("Collocation", tolerance=tolerance)
        self.problem = problem
        self._solver: MultipleShooting | NonlinearProgramme
        if natively:
            self._solver = MultipleShooting(
                problem,
                real_time_iteration=real_time_iteration,
                max_iterations=max_iterations,
                tolerance=tolerance,
                scheme=COLLOCATION_SCHEMES[scheme],
                report=report,
            )
        else:
            self._solver = NonlinearProgramme(
                problem,
                scheme=COLLOCATION_SCHEMES[scheme],
                backend=backend,
                controls=controls,
                objective=objective,
                max_iterations=max_iterations,
                tolerance=tolerance,
                report=report,
            )
        self.build_s, self.from_cache = self._solver.build_s, self._solver.from_cache

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """One real-time iteration, or iterations to convergence. See `Solver.solve`."""
        return self._solver.solve(x0, parameters, reference, guess, deadline_ns)

    def load_residual(self, residual: Residual) -> None:
        """See `Solver.load_residual`."""
        self._solver.load_residual(residual)

    def reset(self) -> None:
        """Forget multipliers and inner states of earlier solves; the next call iterates to convergence."""
        self._solver.reset()

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one."""
        return self._solver.multipliers_of(solution, stage)

    def margins_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """How far the rows of one grid point were tightened, by name; see Constraint.chance."""
        return {} if isinstance(self._solver, NonlinearProgramme) else self._solver.margins_of(solution, stage)
