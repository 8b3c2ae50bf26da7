"""All rows of a problem, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from launch.bench.contender import Contender
from launch.bench.measure import Bench, Effort, Record
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Mode, Row, times_of
from mpc_controller.solvers.solver import Solver


def measure_problem(
    case: ReferenceProblem, contenders: Sequence[Contender], effort: Effort, progress: Callable[[str], None]
) -> Iterator[Row]:
    """A row for every contender and mode; one without times for a solver that refuses the problem. `progress` hears at every
    solve where things stand."""
    where = ""
    bench = Bench(case, effort, lambda line: progress(f"{where}: {line}"))
    for contender in contenders:
        modes = contender.modes_on(case.name)
        progress(f"{case.name}: building {contender.name}")
        try:
            built = _build(case, contender, modes)
        except ValueError as error:
            for mode in modes:
                yield _refused(case, contender, mode, str(error))
            continue
        for mode in modes:
            where = f"{case.name}: {contender.name}, {mode.value}"
            solver = built.solvers[mode]
            record = bench.cold(solver) if mode is Mode.COLD else bench.loop(solver, mode)
            yield _row(bench, contender, mode, record, built)


@final
@dataclass(frozen=True)
class _Built:
    """A solver for every mode; what the first one took [s] if it was not in the cache, and one that was."""

    solvers: dict[Mode, Solver]
    first_s: float | None
    cached_s: float | None


def _build(case: ReferenceProblem, contender: Contender, modes: Sequence[Mode]) -> _Built:
    """Every time for a copy of the problem: what a problem keeps of itself must not shorten the next build."""
    solvers = {mode: contender.make(replace(case.problem), mode) for mode in modes}
    again = contender.make(replace(case.problem), modes[0])
    first = solvers[modes[0]]
    return _Built(solvers, None if first.from_cache else first.build_s, again.build_s if again.from_cache else None)


def _row(bench: Bench, contender: Contender, mode: Mode, record: Record, built: _Built) -> Row:
    usable = [plan for plan in record.plans if plan.is_usable]
    if contender.has_own_dynamics:
        checked = [(plan.cost, max(plan.residuals.dynamics, plan.residuals.inequality)) for plan in usable]
    else:
        checked = [bench.check(plan.trajectory) for plan in usable]
    costs = [cost for cost, _ in checked] if mode is Mode.COLD else record.costs
    median, p99, largest = times_of(np.array(record.micros))
    return Row(
        problem=bench.case.name,
        solver=contender.name,
        mode=mode,
        median_us=median,
        p99_us=p99,
        max_us=largest,
        iterations=_mean([plan.iterations for plan in record.plans]),
        sweeps=_mean([plan.qp_iterations for plan in record.plans]),
        cost=_mean(costs),
        violation=max((violation for _, violation in checked), default=np.nan),
        failures=record.failures,
        build_s=built.first_s,
        cached_s=built.cached_s,
        peer=contender.is_peer,
        solves=record.solves,
        interrupted=record.watch.interrupted,
        costs=() if mode is Mode.COLD else tuple(record.costs),
        note=f"the last failure: {record.last_failure}" if record.failures else "",
    )


def _refused(case: ReferenceProblem, contender: Contender, mode: Mode, reason: str) -> Row:
    return Row(case.name, contender.name, mode, peer=contender.is_peer, note=f"refused: {reason}")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else np.nan
