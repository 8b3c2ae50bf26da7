"""`mpc bench solvers`: what the solvers cost on the reference problems, beside what others cost."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from launch.bench.build_table import compare_builds
from launch.bench.builds import empty_cache
from launch.bench.comparison import Comparison, compare, shortfalls
from launch.bench.contender import ITERATION_PROBLEM, Contender, own_contenders
from launch.bench.flop_table import count_flops
from launch.bench.measure import Effort
from launch.bench.peers.box_fddp import PeerError, box_fddp_row
from launch.bench.peers.casadi_peers import casadi_peers
from launch.bench.pinned import chosen_core
from launch.bench.problems import PROBLEMS
from launch.bench.problems.reference_problem import ReferenceProblem
from launch.bench.row import Row
from launch.bench.run import measure_problem
from launch.bench.table import problem_table
from launch.bench.yardstick import machine_scale
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from mpc_controller.native.build import architecture
from mpc_controller.native.compiler import find_compiler

FULL_EFFORT = Effort()
QUICK_EFFORT = Effort(repetitions=2, episodes=1, steps=4, row_s=2.0)


@final
@dataclass(frozen=True)
class SolversRequest:
    """The options of `mpc bench solvers`; no problems or solvers stand for all, `crocoddyl` is a Python that has it."""

    problems: tuple[str, ...]
    solvers: tuple[str, ...]
    is_quick: bool
    crocoddyl: str | None
    compares_builds: bool
    counts_flops: bool
    json: str | None


def bench_solvers(request: SolversRequest) -> ExitCode:
    """Measure what was asked for, print it, and write the rows."""
    check_json_path(request.json)
    own, peers = own_contenders(), casadi_peers()
    _check_names("problem", request.problems, list(PROBLEMS))
    _check_names("solver", request.solvers, [contender.name for contender in (*own, *peers)])
    terminal = Terminal(sys.stderr if request.json == TO_STDOUT else sys.stdout)
    compiler = find_compiler()
    terminal.say(f"{' '.join(compiler.command)} ({compiler.version}), -march={architecture()}; on core {chosen_core()}")
    cases = [PROBLEMS[name]() for name in request.problems or PROBLEMS]
    effort = QUICK_EFFORT if request.is_quick else FULL_EFFORT
    chosen = [contender for contender in (*peers, *own) if not request.solvers or contender.name in request.solvers]
    if request.compares_builds:
        rows = compare_builds(cases, chosen, effort, terminal)
    elif request.counts_flops:
        rows = count_flops(cases, effort, terminal)
    else:
        rows = _measure(cases, chosen, effort, request, terminal)
    write_json(request.json, rows)
    return ExitCode.OK


def _measure(
    cases: Sequence[ReferenceProblem],
    contenders: Sequence[Contender],
    effort: Effort,
    request: SolversRequest,
    terminal: Terminal,
) -> list[dict[str, Any]]:
    """A table a problem; first builds are measured, but for a quick run."""
    found: list[dict[str, Any]] = []
    with contextlib.nullcontext() if request.is_quick else empty_cache():
        for case in cases:
            before = machine_scale(effort.repetitions, terminal.show)
            rows = list(_rows(case, contenders, effort, request, terminal))
            scale = math.sqrt(before * machine_scale(effort.repetitions, terminal.show))
            terminal.end_live()
            terminal.say(f"\n{problem_table(case, rows, scale)}")
            found += [_plain(row, compare(row, rows, scale), scale) for row in rows]
    return found


def _rows(
    case: ReferenceProblem, contenders: Sequence[Contender], effort: Effort, request: SolversRequest, terminal: Terminal
) -> Iterator[Row]:
    if case.name == ITERATION_PROBLEM:
        terminal.show(f"{case.name}: crocoddyl")
        try:
            yield box_fddp_row(case, effort, request.crocoddyl or sys.executable)
        except PeerError as error:
            terminal.say(f"not measured: {error}")
    yield from measure_problem(case, contenders, effort, terminal.show)


def _check_names(kind: str, given: Sequence[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise CommandError(f"no {kind} '{name}'; there are {', '.join(known)}", ExitCode.BAD_INPUT)


def _plain(row: Row, comparison: Comparison | None, scale: float) -> dict[str, Any]:
    """A row with its comparison, for the JSON."""
    compared = {} if comparison is None else asdict(comparison)
    missed = [] if row.peer else shortfalls(row, comparison)
    return {**asdict(row), **compared, "machine_scale": scale, "missed": missed}
