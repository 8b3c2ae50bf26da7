"""Any transcription of a problem, solved by IPOPT or FATROP: for offline use, and as a second opinion."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.options import check_choice, check_count, check_fraction
from mpc_controller.solvers.solution import Residuals, Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.stage_functions import Row
from mpc_controller.solvers.trajectory import Trajectory
from mpc_controller.solvers.transcription.linear_feedback import LinearFeedback
from mpc_controller.solvers.transcription.programme_backends import PROGRAMME_BACKENDS, BackendSettings, Limits, ProgrammePoint
from mpc_controller.solvers.transcription.transcription import Controls, Objective, Transcription

# What IPOPT takes for infinite; FATROP was seen to run for ever from states of 1e200.
_INFINITY = 1e19
# At the iteration limit a plan that leaves dynamics or hard rows unmet by more than this much of 1 + the largest state is none.
_WILD = 0.5
# A back end may give up just short of its tolerance: where it holds the conditions to this, relative to 1 + the largest
# multiplier, its point counts as one at the iteration limit. IPOPT's own acceptable level.
_ACCEPTABLE = 1e-6


@final
@dataclass(frozen=True)
class NodalSolution:
    """A solution with what it holds within the intervals: `inner` states (N, m, nx) at the scheme's inner nodes, and
    `controls` (N, nodes, nu), those at its nodes, or the held one alone (nodes = 1)."""

    solution: Solution
    inner: Array
    controls: Array


@final
class NonlinearProgramme(Solver):
    """Solves a Transcription of the problem with the back end "ipopt" or "fatrop", to convergence in every call.

    Without a `scheme` it is multiple shooting with the problem's integrator, else a collocation; see Transcription for
    `controls` and `objective`. Free controls appear in the Solution's trajectory as their mean over the interval by the
    scheme's quadrature; `solve_nodes` gives all of them. Cost, residuals and names are evaluated anew at the point that the
    back end returns, stationarity in ambient coordinates; gains are those of LinearFeedback.

    A deadline is looked at once an iteration by IPOPT, and before and after the solve by FATROP, which cannot be stopped.
    `compiled` compiles the programme's functions, once per machine; otherwise CasADi interprets them. `options` go to the back
    end as they are. Raises CompilerError, and ValueError for an option that the back end does not know.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        scheme: CollocationScheme | None = None,
        backend: str = "ipopt",
        controls: Controls = "held",
        objective: Objective = "grid",
        max_iterations: int = 1000,
        tolerance: float = 1e-8,
        compiled: bool = False,
        options: Mapping[str, Any] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_choice("NonlinearProgramme", "backend", backend, tuple(PROGRAMME_BACKENDS))
        check_count("NonlinearProgramme", max_iterations=max_iterations)
        check_fraction("NonlinearProgramme", tolerance=tolerance)
        if problem.residual is not None:
            raise ValueError(
                f"NonlinearProgramme: problem '{problem.name}' has a residual, which the native solvers alone know"
            )
        start = time.monotonic()
        self.problem = problem
        self._transcription = transcription = Transcription(problem, scheme, controls, objective)
        settings = BackendSettings(max_iterations, tolerance, compiled, options or {}, report)
        self._backend = PROGRAMME_BACKENDS[backend](transcription, settings)
        nlp = transcription.nlp
        lambda_g = ca.MX.sym("lambda_g", transcription.size_g)
        gradient = ca.gradient(nlp["f"] + ca.dot(lambda_g, nlp["g"]), nlp["x"])
        self._evaluate = ca.Function("evaluate", [nlp["x"], nlp["p"], lambda_g], [nlp["f"], nlp["g"], gradient])
        self._feedback = LinearFeedback(transcription.functions, scheme)
        self._path_rows, self._terminal_rows = transcription.functions.path_rows, transcription.functions.terminal_rows
        weights = np.ones(1) if scheme is None or controls == "held" else scheme.weights
        self._weights = weights / weights.sum()
        self.build_s, self.from_cache = time.monotonic() - start, self._backend.from_cache

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        """Iterate to convergence from the guess. See `Solver.solve`."""
        return self.solve_nodes(x0, parameters, reference, guess, deadline_ns).solution

    def solve_nodes(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> NodalSolution:
        """`solve`, with states and controls within the intervals."""
        start = time.monotonic_ns()
        given = self._checked(x0, parameters, reference, guess)
        if given is None:
            return self._failed(Status.NUMERICAL_FAILURE, guess, start)
        x0, parameters, reference, states, controls = given
        limits = self._transcription.limits(x0, parameters)
        reversed_row = self._reversed_bounds(parameters)
        if reversed_row:
            return self._failed(Status.INFEASIBLE, guess, start, *reversed_row)
        z = self._transcription.start(x0, states, controls)
        theta = np.concatenate([parameters, reference.ravel()])
        nothing = ProgrammePoint(Status.DEADLINE, z, np.zeros(len(z)), np.zeros(self._transcription.size_g), 0)
        try:
            late = start >= deadline_ns
            point = nothing if late else self._backend.solve(z, theta, limits, deadline_ns)
            return self._nodal_solution(point, theta, limits, parameters, reference, guess, start)
        except RuntimeError:  # a back end's or CasADi's own
            return self._failed(Status.NUMERICAL_FAILURE, guess, start)

    def reset(self) -> None:
        """Nothing is kept between solves."""

    def multipliers_of(self, solution: Solution, stage: int) -> dict[str, float]:
        """Multipliers of one grid point by constraint row: positive where the upper bound presses, negative the lower one.

        Of free controls, the sum over the interval's nodes.
        """
        first = stage * len(self._path_rows)
        return {row.name: float(solution.multipliers[first + i]) for i, row in enumerate(self._rows(stage))}

    def _checked(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory
    ) -> tuple[Array, Array, Array, Array, Array] | None:
        """Copies of all that was given, states scaled to the manifold; None where sizes are wrong or numbers are none."""
        problem, N, nx = self.problem, self.problem.N, self.problem.dynamics.nx
        shapes = ((nx,), (len(problem.parameters),), (N + 1, problem.nr), (N + 1, nx), (N, problem.dynamics.nu))
        try:
            arrays = [np.array(a, dtype=float) for a in (x0, parameters, reference, guess.states, guess.controls)]
        except (TypeError, ValueError):
            return None
        if any(a.shape != shape or np.isnan(a).any() for a, shape in zip(arrays, shapes, strict=True)):
            return None
        x0, p, reference, states, controls = arrays
        if any(np.abs(a).max(initial=0.0) >= _INFINITY for a in (x0, reference, states, controls)):
            return None
        manifold = problem.dynamics.manifold
        for at in manifold.quaternions:
            if min(np.linalg.norm(x0[at : at + 4]), np.linalg.norm(states[:, at : at + 4], axis=1).min()) < 0.5:
                return None  # too short to mean an attitude
        return manifold.normalized(x0), p, reference, manifold.normalized(states), controls

    def _reversed_bounds(self, parameters: Array) -> tuple[str, float] | None:
        """Name and excess of the first row whose lower bound is above its upper one."""
        for stage in (0, self.problem.N):
            for row in self._rows(stage):
                excess = float(parameters[row.lower] - parameters[row.upper])
                if excess > 0:
                    return f"{row.name} at k={stage}", excess
        return None

    def _nodal_solution(
        self,
        point: ProgrammePoint,
        theta: Array,
        limits: Limits,
        parameters: Array,
        reference: Array,
        guess: Trajectory,
        start: int,
    ) -> NodalSolution:
        t = self._transcription
        cost, g, gradient = (np.asarray(o).ravel() for o in self._evaluate(point.z, theta, point.lambda_g))
        worst, violation, slack = self._violations(point.z, g, limits)
        dynamics = float(np.abs(g[np.concatenate([t.gaps, t.equations])]).max())
        stationarity = float(np.abs(gradient + point.lambda_z).max())
        status = _verified(point, dynamics, violation, stationarity, float(np.abs(point.z[t.states]).max()))
        if status not in (Status.CONVERGED, Status.ITERATION_LIMIT, Status.DEADLINE):
            return self._failed(status, guess, start, worst, violation)
        states = self.problem.dynamics.manifold.normalized(point.z[t.states])
        node_controls, inner = point.z[t.controls], point.z[t.inner]
        controls = np.einsum("j,kju->ku", self._weights, node_controls)
        multipliers = self._multipliers(point)
        residuals = Residuals(
            stationarity,
            dynamics,
            violation,
            _complementarity(point, g, limits),
        )
        gains = np.zeros((self.problem.N, self.problem.dynamics.nu, self.problem.dynamics.manifold.ndx))
        if status.is_usable:
            gains = self._feedback.gains(states, controls, inner, node_controls, parameters, reference, multipliers)
        else:
            multipliers = np.zeros_like(multipliers)
        solution = Solution(
            status=status,
            trajectory=Trajectory(guess.manifold, guess.times, states, controls),
            gains=gains,
            multipliers=multipliers,
            cost=float(cost[0]),
            residuals=residuals,
            iterations=point.iterations,
            qp_iterations=point.iterations,
            worst_constraint=worst,
            violation=violation,
            slack=slack,
            solve_time_ns=time.monotonic_ns() - start,
        )
        return NodalSolution(solution, inner, node_controls)

    def _multipliers(self, point: ProgrammePoint) -> Array:
        """Of all rows, in the order of the native solvers."""
        t = self._transcription
        result = np.zeros(t.multiplier_count)
        np.add.at(result, t.bounds[:, 3], point.lambda_z[t.bounds[:, 0]])
        np.add.at(result, t.hard[:, 3], point.lambda_g[t.hard[:, 0]])
        np.add.at(result, t.soft[:, 7], point.lambda_g[t.soft[:, 0]] + point.lambda_g[t.soft[:, 1]])
        return result

    def _violations(self, z: Array, g: Array, limits: Limits) -> tuple[str, float, float]:
        """The hard row that is violated most, by how much, and the largest violation of a soft one."""
        t = self._transcription
        low_z, high_z, low_g, high_g = limits
        at_z, at_g, above, below = t.bounds[:, 0], t.hard[:, 0], t.soft[:, 0], t.soft[:, 1]
        hard = np.concatenate(
            [
                np.maximum(low_z[at_z] - z[at_z], z[at_z] - high_z[at_z]),
                np.maximum(low_g[at_g] - g[at_g], g[at_g] - high_g[at_g]),
            ]
        )
        value = (g[above] + g[below]) / 2
        soft = np.maximum(low_g[above] - value, value - high_g[below])
        slack = max(0.0, float(soft.max(initial=0.0)))
        worst = int(hard.argmax()) if len(hard) else -1
        if worst < 0 or not hard[worst] > 0:
            return "", 0.0, slack
        return self._row_name(int(np.concatenate([t.bounds[:, 3], t.hard[:, 3]])[worst])), float(hard[worst]), slack

    def _row_name(self, multiplier: int) -> str:
        N, rows_a_stage = self.problem.N, len(self._path_rows)
        stage = min(multiplier // rows_a_stage, N) if rows_a_stage else N
        return f"{self._rows(stage)[multiplier - stage * rows_a_stage].name} at k={stage}"

    def _rows(self, stage: int) -> list[Row]:
        return self._path_rows if stage < self.problem.N else self._terminal_rows

    def _failed(self, status: Status, guess: Trajectory, start: int, worst: str = "", violation: float = 0.0) -> NodalSolution:
        """The guess, with zeros for gains and multipliers."""
        N, dynamics, t = self.problem.N, self.problem.dynamics, self._transcription
        nothing = Residuals(np.inf, np.inf, violation if worst else np.inf, np.inf)
        solution = Solution(
            status, guess, np.zeros((N, dynamics.nu, dynamics.manifold.ndx)), np.zeros(t.multiplier_count), np.inf, nothing,
            0, 0, worst, violation, 0.0, time.monotonic_ns() - start,
        )  # fmt: skip
        return NodalSolution(solution, np.zeros(t.inner.shape), np.zeros(t.controls.shape))


def _verified(point: ProgrammePoint, dynamics: float, violation: float, stationarity: float, largest_state: float) -> Status:
    """The back end's status, or what its point says against it."""
    status, missed = point.status, max(dynamics, violation)
    if status is Status.NUMERICAL_FAILURE:
        multipliers = max(np.abs(part).max(initial=0.0) for part in (point.lambda_z, point.lambda_g))
        is_solved = max(missed, stationarity) <= _ACCEPTABLE * (1 + multipliers)
        return Status.ITERATION_LIMIT if is_solved else status
    if status.is_usable and not np.isfinite(point.z).all():
        return Status.NUMERICAL_FAILURE
    if status.is_usable and missed > _WILD * (1 + largest_state):
        return Status.DIVERGED
    return status


def _complementarity(point: ProgrammePoint, g: Array, limits: Limits) -> float:
    """The largest |λ| times the room to the bound that it presses on, relative to 1 + |λ|; free sides have none."""
    low_z, high_z, low_g, high_g = limits
    value, multiplier = np.concatenate([point.z, g]), np.concatenate([point.lambda_z, point.lambda_g])
    lower, upper = np.concatenate([low_z, low_g]), np.concatenate([high_z, high_g])
    room = np.where(multiplier > 0, upper - value, value - lower)
    product = np.abs(multiplier) * np.abs(np.where(np.isfinite(room), room, 0.0)) / (1 + np.abs(multiplier))
    return float(product.max(initial=0.0))
