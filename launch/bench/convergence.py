"""How solvers approach an optimum from a cold start: cost, violation and time after every number of iterations."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from launch.bench.contender import has_own_dynamics
from launch.bench.measure import Bench, Effort
from launch.bench.problems.reference_problem import ReferenceProblem
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution, Status

# Every iteration at first, then counts that grow by a fifth; a first-order method gets no further within a page's patience.
_MOST_ITERATIONS = 1000
_EFFORT = Effort(repetitions=5, row_s=2.0)
_QUICK_EFFORT, _QUICK_ITERATIONS = Effort(repetitions=1, row_s=0.1), 3


@final
@dataclass(frozen=True)
class Variant:
    """A solver of the registry with options of its own, under the name that it has in the picture."""

    name: str
    solver: str
    options: Mapping[str, Any] = field(default_factory=dict)


def iterating_solvers() -> list[Variant]:
    """Every solver of the registry that iterates, as it is by default."""
    return [Variant(name, name) for name, make in SOLVERS.items() if "max_iterations" in inspect.signature(make).parameters]


HESSIANS = tuple(Variant(kind, "multiple-shooting", {"hessian": kind}) for kind in ("exact", "gauss-newton"))
STEPS = tuple(Variant(step, "single-shooting", {"step": step}) for step in ("gauss-newton", "lbfgs", "adam", "gradient"))


def convergence_rows(
    cases: Sequence[ReferenceProblem], variants: Sequence[Variant], progress: Callable[[str], None], *, is_quick: bool = False
) -> list[dict[str, Any]]:
    """A row for every problem, variant and number of iterations, until it has converged or failed."""
    rows: list[dict[str, Any]] = []
    for case in cases:
        bench = Bench(case, _QUICK_EFFORT if is_quick else _EFFORT, lambda line: None)
        for variant in variants:
            for count in iteration_counts(_QUICK_ITERATIONS if is_quick else _MOST_ITERATIONS):
                progress(f"{case.name}: {variant.solver}, {variant.name}, {count} iterations")
                solution, micros = _cold(bench, variant, count)
                rows.append(_row(bench, variant, solution, micros))
                if solution.status is not Status.ITERATION_LIMIT:
                    break
    return rows


def iteration_counts(most: int) -> Iterator[int]:
    """1, 2, 3 … and later larger steps, up to `most`."""
    count = 1
    while count <= most:
        yield count
        count = max(count + 1, math.floor(1.2 * count))


def _cold(bench: Bench, variant: Variant, count: int) -> tuple[Solution, float]:
    """The plan after so many iterations from the problem's own start, and the median time [µs]."""
    options = {"real_time_iteration": False, "max_iterations": count, **variant.options}
    record = bench.cold(SOLVERS[variant.solver](bench.case.problem, **options))
    return record.plans[-1], float(np.median(record.micros))


def _row(bench: Bench, variant: Variant, solution: Solution, micros: float) -> dict[str, Any]:
    """`cost` and `violation` are recomputed from the problem, but where the solver has dynamics of its own; `kkt` is the
    largest of the solver's own residuals. A failed solve has none of them: it gives back its guess."""
    residuals = solution.residuals
    own = (solution.cost, max(residuals.dynamics, residuals.inequality))
    cost, violation = own if has_own_dynamics(variant.solver) else bench.check(solution.trajectory)
    kkt = max(residuals.stationarity, residuals.dynamics, residuals.inequality, residuals.complementarity)
    values = (cost, violation, kkt) if solution.is_usable else (None, None, None)
    return {
        "problem": bench.case.name,
        "solver": variant.solver,
        "variant": variant.name,
        "iterations": solution.iterations,
        "status": solution.status.name,
        "median_us": micros,
        **dict(zip(("cost", "violation", "kkt"), values, strict=True)),
    }
