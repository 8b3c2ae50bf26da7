"""CasADi's IPOPT and FATROP, used as its manual shows: a peer, and the yardstick of this machine's speed."""

from __future__ import annotations

import time
from typing import Any, final

import casadi as ca
import numpy as np

from launch.bench.peers.textbook_terms import TextbookTerms
from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.solution import Residuals, Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory

_QUIET: dict[str, dict[str, Any]] = {
    "ipopt": {"print_time": False, "error_on_fail": False, "ipopt.print_level": 0, "ipopt.sb": "yes"},
    "fatrop": {"print_time": False, "error_on_fail": False, "fatrop.print_level": 0, "structure_detection": "auto"},
}
_SUCCESS = {"Solve_Succeeded", 0}


@final
class TextbookShooting(Solver):
    """Multiple shooting over w = (x_0, u_0, x_1 … x_N) with bounds on w, x_0 fixed by its bounds, every solver option at its
    default; functions of a stage are interpreted, exact Hessians come from AD. The peers' times in published.toml are
    most likely of this form: on cartpole and quadrotor it takes, up to one factor for the machine, the same times.

    For the benchmark's problems only: parameters are the nominal ones, and the deadline is not looked at.
    """

    def __init__(self, problem: OptimalControlProblem, plugin: str) -> None:
        start = time.monotonic()
        self.problem = problem
        self._nx = problem.dynamics.nx
        terms = TextbookTerms(problem)
        options = dict(_QUIET[plugin])
        if plugin == "fatrop":
            options["equality"] = terms.is_equality
        self._terms = terms
        self._solver = ca.nlpsol("textbook", plugin, terms.programme, options)
        self.build_s, self.from_cache = time.monotonic() - start, False

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        start = time.monotonic_ns()
        nx, lower, upper = self._nx, self._terms.lower.copy(), self._terms.upper.copy()
        lower[:nx] = upper[:nx] = x0
        stages = np.hstack([guess.states[:-1], guess.controls])
        w = np.concatenate([stages.ravel(), guess.states[-1]])
        w[:nx] = x0
        result = self._solver(x0=w, lbx=lower, ubx=upper, lbg=self._terms.lower_rows, ubg=self._terms.upper_rows)
        statistics = self._solver.stats()
        status = Status.CONVERGED if statistics["return_status"] in _SUCCESS else Status.NUMERICAL_FAILURE
        w = np.asarray(result["x"]).ravel()
        stages = w[:-nx].reshape(self.problem.N, -1)
        states = np.vstack([stages[:, :nx], w[-nx:]])
        iterations = int(statistics["iter_count"])
        return Solution(
            status=status,
            trajectory=Trajectory(guess.manifold, guess.times, states, stages[:, nx:]),
            gains=np.zeros((self.problem.N, self.problem.dynamics.nu, nx)),
            multipliers=np.asarray(result["lam_g"]).ravel(),
            cost=float(result["f"]),
            residuals=Residuals(np.nan, np.nan, np.nan, np.nan),
            iterations=iterations,
            qp_iterations=iterations,
            worst_constraint="",
            violation=np.nan,
            slack=0.0,
            solve_time_ns=time.monotonic_ns() - start,
        )

    def reset(self) -> None:
        """Nothing is kept between solves."""
