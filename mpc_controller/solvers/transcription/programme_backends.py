"""IPOPT and FATROP behind one call. Both come inside CasADi."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.native.build import Source, build_library
from mpc_controller.native.codegen import generate_c
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.transcription.transcription import Transcription

Limits = tuple[Array, Array, Array, Array]  # lower and upper of z, lower and upper of g
_QUIET = {"print_time": False, "error_on_fail": False, "show_eval_warnings": False, "calc_lam_p": False}
_SILENT = {"print_level": 0}


@final
@dataclass(frozen=True)
class ProgrammePoint:
    """Where a back end stopped: z, multipliers of z's bounds and of g (positive where the upper bound presses)."""

    status: Status
    z: Array
    lambda_z: Array
    lambda_g: Array
    iterations: int


@final
@dataclass(frozen=True)
class BackendSettings:
    """How a back end is to work; `options` go to it as they are, and come before what this package would choose."""

    max_iterations: int
    tolerance: float
    compiled: bool
    options: Mapping[str, Any]
    report: Callable[[str], None]


class ProgrammeBackend(abc.ABC):
    """Solves one programme from a start z, for parameters θ and limits. May raise RuntimeError; keeps nothing between calls."""

    from_cache: bool  # whether compiled functions were there already; False where none are compiled

    @abc.abstractmethod
    def solve(self, z: Array, theta: Array, limits: Limits, deadline_ns: int) -> ProgrammePoint:
        """Iterate from z."""


@final
class Ipopt(ProgrammeBackend):
    """IPOPT, with the exact Hessian. It looks at the clock once an iteration.

    Source: Wächter, Biegler, "On the implementation of an interior-point filter line-search algorithm for large-scale
    nonlinear programming", 2006.
    """

    _STATUS: Mapping[str, Status] = {
        "Solve_Succeeded": Status.CONVERGED,
        "Solved_To_Acceptable_Level": Status.ITERATION_LIMIT,
        "Maximum_Iterations_Exceeded": Status.ITERATION_LIMIT,
        "User_Requested_Stop": Status.DEADLINE,
        "Infeasible_Problem_Detected": Status.INFEASIBLE,
        "Diverging_Iterates": Status.DIVERGED,
    }

    def __init__(self, transcription: Transcription, settings: BackendSettings) -> None:
        self._clock = _Clock(transcription.size, transcription.size_g, transcription.nlp["p"].numel())
        own = {"sb": "yes", "bound_relax_factor": 0.0}
        self._solver, self.from_cache = _nlpsol("ipopt", transcription, settings, own, {"iteration_callback": self._clock})

    def solve(self, z: Array, theta: Array, limits: Limits, deadline_ns: int) -> ProgrammePoint:
        self._clock.deadline_ns = deadline_ns
        z_end, lambda_z, lambda_g, _ = _call(self._solver, z, theta, limits)
        stats = self._solver.stats()
        status = self._STATUS.get(stats["return_status"], Status.NUMERICAL_FAILURE)
        return ProgrammePoint(status, z_end, lambda_z, lambda_g, int(stats["iter_count"]))


@final
class Fatrop(ProgrammeBackend):
    """FATROP, with the exact Hessian: an interior-point method on the Riccati recursion over X_k and U_k.

    It offers no way to stop it: a deadline that passes while it runs is seen when it ends, `max_iterations` later at most.

    Source: Vanroye, Sathya, De Schutter, Decré, "FATROP: a fast constrained optimal control problem solver for robot
    trajectory optimization and control", 2023.
    """

    # Rows that are missed by more than this where it gives up, relative to 1 + their size, are what it could not keep.
    _INFEASIBLE = 1e-4
    # It lets bounds be passed by this, relative to their size, and has no option against it: they are given narrower.
    _RELAXATION = 1e-8

    def __init__(self, transcription: Transcription, settings: BackendSettings) -> None:
        self._max_iterations = settings.max_iterations
        structure = {"structure_detection": "manual", **transcription.structure}
        self._make: Callable[[], tuple[ca.Function, bool]] = lambda: _nlpsol("fatrop", transcription, settings, {}, structure)
        self._solver, self.from_cache = self._make()
        self._is_used = False

    def solve(self, z: Array, theta: Array, limits: Limits, deadline_ns: int) -> ProgrammePoint:
        low_z, high_z, low_g, high_g = limits
        narrowed = (*self._narrowed(low_z, high_z), *self._narrowed(low_g, high_g))
        z_end, lambda_z, lambda_g, g = _call(self._solver, z, theta, narrowed)
        stats = self._solver.stats()
        if not stats["success"] and stats["iter_count"] == 0 and self._is_used:
            # Numbers that overflowed in a solve before stay in its memory and end every later one at once: take a new memory.
            self._solver, _ = self._make()
            z_end, lambda_z, lambda_g, g = _call(self._solver, z, theta, narrowed)
            stats = self._solver.stats()
        self._is_used = True
        iterations = int(stats["iter_count"])
        status = Status.CONVERGED if stats["success"] else self._failure(iterations, z_end, g, limits)
        if not all(np.isfinite(part).all() for part in (z_end, lambda_z, lambda_g)):
            status = Status.NUMERICAL_FAILURE
        if status.is_usable and time.monotonic_ns() > deadline_ns:
            status = Status.DEADLINE
        return ProgrammePoint(status, z_end, lambda_z, lambda_g, iterations)

    def _failure(self, iterations: int, z: Array, g: Array, limits: Limits) -> Status:
        """Its own flag is the same for every failure."""
        if iterations > self._max_iterations:
            return Status.ITERATION_LIMIT
        low_z, high_z, low_g, high_g = limits
        missed = max(_missed(z, low_z, high_z), _missed(g, low_g, high_g))
        return Status.INFEASIBLE if missed > self._INFEASIBLE else Status.NUMERICAL_FAILURE

    def _narrowed(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Bounds that are right once relaxed; a range too narrow for that stays as it is."""
        below, above = (
            np.where(np.isfinite(bound), self._RELAXATION * np.maximum(1.0, np.abs(bound)), 0.0) for bound in (lower, upper)
        )
        wide = upper - lower > 4 * (below + above)
        return np.where(wide, lower + below, lower), np.where(wide, upper - above, upper)


PROGRAMME_BACKENDS: Mapping[str, Callable[..., ProgrammeBackend]] = {"ipopt": Ipopt, "fatrop": Fatrop}


@final
class _Clock(ca.Callback):
    """Called by IPOPT once an iteration: 1, which ends the solve, once the deadline has passed."""

    def __init__(self, size: int, rows: int, parameters: int) -> None:
        ca.Callback.__init__(self)
        self.deadline_ns = 0
        self._sizes = {"x": size, "lam_x": size, "g": rows, "lam_g": rows, "f": 1, "lam_p": parameters}
        self.construct("clock", {})

    def get_n_in(self) -> int:
        return int(ca.nlpsol_n_out())

    def get_n_out(self) -> int:
        return 1

    def get_name_in(self, i: int) -> str:
        return str(ca.nlpsol_out(i))

    def get_sparsity_in(self, i: int) -> ca.Sparsity:
        return ca.Sparsity.dense(self._sizes[ca.nlpsol_out(i)], 1)

    def eval(self, arguments: Sequence[ca.DM]) -> list[int]:
        """Past the deadline?"""
        return [int(time.monotonic_ns() > self.deadline_ns)]


def _call(solver: ca.Function, z: Array, theta: Array, limits: Limits) -> tuple[Array, Array, Array, Array]:
    """z, its multipliers, those of g, and g."""
    low_z, high_z, low_g, high_g = limits
    result = solver(x0=z, p=theta, lbx=low_z, ubx=high_z, lbg=low_g, ubg=high_g)
    z_end, lambda_z, lambda_g, g = (np.array(result[name], dtype=float).ravel() for name in ("x", "lam_x", "lam_g", "g"))
    return z_end, lambda_z, lambda_g, g


def _missed(value: Array, lower: Array, upper: Array) -> float:
    """The largest violation of bounds, relative to 1 + the value."""
    return float((np.maximum(lower - value, value - upper) / (1 + np.abs(value))).max(initial=0.0))


def _nlpsol(
    plugin: str, transcription: Transcription, settings: BackendSettings, own: dict[str, Any], interface: dict[str, Any]
) -> tuple[ca.Function, bool]:
    """The back end over the programme's functions, interpreted by CasADi, or compiled and kept in the cache, and whether it was
    there already. `own` are options of this back end alone, `interface` those of CasADi's interface to it."""
    nlp = transcription.nlp
    _check_options(plugin, settings.options)
    common = {"tol": settings.tolerance, "max_iter": settings.max_iterations, **_SILENT}
    options = {plugin: common | own | dict(settings.options), **interface, **_QUIET}
    if not settings.compiled:
        return ca.nlpsol("programme", plugin, nlp, options), False
    oracle = ca.Function("nlp", [nlp["x"], nlp["p"]], [nlp["f"], nlp["g"]], ["x", "p"], ["f", "g"])
    name = f"the nonlinear programme of {transcription.problem.name} for {plugin}"
    build = build_library(name, plugin + oracle.serialize(), lambda: [_source(plugin, oracle, options)], settings.report)
    return ca.nlpsol("programme", plugin, str(build.path), options), build.from_cache


def _check_options(plugin: str, options: Mapping[str, Any]) -> None:
    """ValueError where the back end does not take an option, found by min x²: FATROP says so not before it solves."""
    if not options:
        return
    x = ca.MX.sym("x")
    trial: dict[str, ca.MX] = {"x": x, "f": x**2}
    choices: dict[str, Any] = {plugin: _SILENT | dict(options), **_QUIET}
    if plugin == "fatrop":
        choices |= {"structure_detection": "manual", "N": 0, "nx": [1], "nu": [0], "ng": [0]}
    try:
        ca.nlpsol("trial", plugin, trial, choices)(x0=1.0)
    except RuntimeError as error:
        said = str(error).strip().splitlines()[-1].partition(": ")[2]
        raise ValueError(f"NonlinearProgramme: backend '{plugin}' refuses the options {dict(options)}: {said}") from None


def _source(plugin: str, oracle: ca.Function, options: dict[str, Any]) -> Source:
    """The programme and all functions that the back end calls, as C."""
    solver = ca.nlpsol("programme", plugin, oracle, options)
    derived = [solver.get_function(name) for name in solver.get_function() if name.startswith("nlp_")]
    return Source("programme.c", generate_c([oracle, *derived]), "-O1")
