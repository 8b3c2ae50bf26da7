"""Grids that fit a motion: fine where the collocation errs, coarse where it does not. For planning offline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import RADAU_3, CollocationScheme
from mpc_controller.solvers.options import check_count, check_fraction
from mpc_controller.solvers.trajectory import Trajectory
from mpc_controller.solvers.transcription.collocation_polynomial import CollocationPolynomials
from mpc_controller.solvers.transcription.nonlinear_programme import NodalSolution, NonlinearProgramme

# Points per interval at which the error is looked at; it is a polynomial of low degree to its leading order.
_POINTS = 8
# The new grid aims at this part of the tolerance, as what the error does with the step is known to leading order only.
_SAFETY = 0.3
# An interval becomes at most so much shorter or longer in one round: the estimate says nothing of steps far from its own.
_SHORTEST, _LONGEST = 0.2, 3.0


@final
@dataclasses.dataclass(frozen=True)
class RefinedPlan:
    """The problem on its last grid, the solution there with the interval's `errors` (N,), and how many grids were tried."""

    problem: OptimalControlProblem
    nodal: NodalSolution
    errors: Array
    rounds: int


def local_errors(polynomials: CollocationPolynomials) -> Array:
    """What x̃ misses of the motion that starts at each interval's start under ũ: (N, nx), the largest within the interval.

        e(τ) = dt ∫₀^τ (dx̃/dt − f(x̃, ũ)) dσ,

    which is the error to leading order in dt. Source: Betts, "Practical Methods for Optimal Control and Estimation Using
    Nonlinear Programming", 2010, section 4.7.2, with the sign kept under the integral.
    """
    points, _ = np.polynomial.legendre.leggauss(_POINTS)
    tau = (points + 1) / 2
    residuals = np.stack([polynomials.residuals(t) for t in tau])
    # ∫₀^τ of the polynomial through the points, exactly: monomials s^j, j < n, go to s^(j+1)/(j+1).
    powers = np.vander(tau, _POINTS, increasing=True)
    integrated = np.vander(tau, _POINTS + 1, increasing=True)[:, 1:] / np.arange(1, _POINTS + 1)
    integrals = np.linalg.solve(powers.T, integrated.T).T
    errors = np.einsum("ij,jkx->ikx", integrals, residuals) * np.array(polynomials.problem.grid)[:, None]
    largest: Array = np.abs(errors).max(axis=0)
    return largest


def relative_errors(polynomials: CollocationPolynomials) -> Array:
    """(N,): the largest of local_errors over the states, each relative to 1 + the largest |x̃ᵢ| and |dx̃ᵢ/dt| of the horizon."""
    samples = [np.maximum(np.abs(polynomials.states(t)), np.abs(polynomials.rates(t))).max(axis=0) for t in (0.0, 0.5, 1.0)]
    errors: Array = (local_errors(polynomials) / (1 + np.max(samples, axis=0))).max(axis=1)
    return errors


def equidistributed(grid: tuple[float, ...], errors: Array, degree: int, tolerance: float) -> tuple[float, ...]:
    """A grid of the same length on which every interval should err by the same part of the tolerance.

    With an error ∝ dt^(degree + 1) the step wanted at a time is h* = dt (SAFETY tolerance / error)^(1/(degree + 1)); the new
    points divide ∫ dt / h* equally. Source: de Boor, "Good approximation by splines with variable knots", 1973.
    """
    steps = np.array(grid)
    ratio = (_SAFETY * tolerance / np.maximum(errors, np.finfo(float).tiny)) ** (1 / (degree + 1))
    wanted = steps * np.clip(ratio, _SHORTEST, _LONGEST)
    times, needed = np.concatenate([[0.0], np.cumsum(steps)]), np.concatenate([[0.0], np.cumsum(steps / wanted)])
    intervals = max(1, int(np.ceil(needed[-1])))
    points = np.interp(np.linspace(0.0, needed[-1], intervals + 1), needed, times)
    return tuple(np.diff(points).tolist())


def refine(
    problem: OptimalControlProblem,
    x0: Array,
    parameters: Array,
    reference: Callable[[Array], Array],
    guess: Trajectory,
    *,
    tolerance: float,
    scheme: CollocationScheme = RADAU_3,
    max_rounds: int = 10,
    report: Callable[[str], None] = lambda line: None,
    **programme: Any,
) -> RefinedPlan:
    """Solve by collocation, with free controls and the cost as a quadrature, on grids that are made anew until every interval's
    relative error is below `tolerance`, the last solve failed or `max_rounds` grids were tried.

    `reference(times)` gives (N+1, nr) at times (N+1,) [s] from the start of the horizon; `guess` may be on any grid and starts
    every solve but the later ones, which start from the one before, both by time. `programme` goes to NonlinearProgramme.
    """
    check_count("refine", max_rounds=max_rounds)
    check_fraction("refine", tolerance=tolerance)
    choices = {"controls": "free", "objective": "quadrature"} | programme
    for round_number in range(1, max_rounds + 1):
        solver = NonlinearProgramme(problem, scheme=scheme, report=report, **choices)
        nodal = solver.solve_nodes(x0, parameters, reference(problem.times), _resampled(guess, problem))
        if not nodal.solution.is_usable:
            return RefinedPlan(problem, nodal, np.full(problem.N, np.inf), round_number)
        polynomials = CollocationPolynomials(problem, scheme, nodal, parameters)
        errors = relative_errors(polynomials)
        report(f"{problem.name}: {problem.N} intervals, error {errors.max():.1e}")
        if errors.max() <= tolerance or round_number == max_rounds:
            break
        grid = equidistributed(problem.grid, errors, polynomials.degree, tolerance)
        problem, guess = dataclasses.replace(problem, grid=grid), nodal.solution.trajectory
    return RefinedPlan(problem, nodal, errors, round_number)


def _resampled(guess: Trajectory, problem: OptimalControlProblem) -> Trajectory:
    """The guess on the problem's grid, by time."""
    times = guess.times[0] + np.round(problem.times * 1e9).astype(np.int64)
    states, controls = zip(*(guess.at(int(t)) for t in times), strict=True)
    return Trajectory(guess.manifold, times, np.stack(states), np.stack(controls)[:-1])
