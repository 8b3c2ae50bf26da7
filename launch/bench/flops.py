"""Floating-point operations of one real-time iteration, and what this core could do in that time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import casadi as ca
import numpy as np

from launch.bench.pinned import pinned
from mpc_controller.native.build import Source, build_library
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.stage_functions import StageFunctions

_PEAK, _CHAINS = Path(__file__).with_name("peak.c"), (2, 4, 5, 6, 8, 10, 12)
_WIDTH = 8  # doubles of a vector in peak.c
_REPETITIONS = 1e6
# Instructions that move or negate numbers.
_FREE = {getattr(ca, f"OP_{name}") for name in ("ASSIGN", "INPUT", "OUTPUT", "CONST", "PARAMETER", "NEG")}


@final
@dataclass(frozen=True)
class Operations:
    """Of one real-time iteration of multiple shooting: additions, multiplications, divisions and roots, one each; of a sine or
    another call of the mathematical library one, too.

    `linearization` and `evaluation` are counted in the generated functions, `factorization` and `substitution` in the formulas
    of the Riccati recursion (kernels/riccati.h) with symmetric matrices counted by half, as if no entry were known to be
    zero. An interior-point sweep has one factorisation and two substitutions. Left out: what it does element by element on
    the sides of constraints.
    """

    linearization: int
    evaluation: int
    factorization: int
    substitution: int

    def total(self, sweeps: float) -> float:
        """With so many sweeps."""
        return self.linearization + self.evaluation + sweeps * (self.factorization + 2 * self.substitution)


def operations(problem: OptimalControlProblem) -> Operations:
    """Of a problem."""
    stage = StageFunctions(problem)
    count = {function.name(): operations_of(function) for function in stage.functions()}
    N, nx, nu = problem.N, stage.ndx, stage.nu
    nz = nx + nu
    product = 2 * nx * nx * nz + nx * nz * (nz + 1)  # P [B A], and the lower half of [B A]ᵀ P [B A]
    cholesky = sum((nz - j) * (nz - j) for j in range(nu))  # a scaled column, and the lower half of a rank-1 update
    backward, forward = 2 * nx * nx + 2 * nx * nz + 2 * nu * nz, 2 * nx * nz + 2 * nu * nz
    return Operations(
        linearization=N * count["ocp_path"] + count["ocp_terminal"],
        evaluation=N * count["ocp_path_value"] + count["ocp_terminal_value"],
        factorization=N * (product + cholesky),
        substitution=N * (backward + forward),
    )


def operations_of(function: ca.Function) -> int:
    """Operations of an SX function, with those of the functions that it calls, as often as it calls them."""
    inner = function.find_functions(1)
    total = 0
    for k in range(function.n_instructions()):
        kind = function.instruction_id(k)
        if kind == ca.OP_CALL:
            sizes = len(function.instruction_input(k)), len(function.instruction_output(k))
            (called,) = {f.name(): f for f in inner if (f.nnz_in(), f.nnz_out()) == sizes}.values()
            total += operations_of(called)
        elif kind not in _FREE:
            total += 1
    return total


def peak_gflops(report: Callable[[str], None]) -> float:
    """What the chosen core reaches with nothing but fused multiply-adds in registers [10⁹ operations/s]."""
    source = Source("peak.c", _PEAK.read_text(encoding="utf-8"))
    library = build_library("the peak of a core", source.text, lambda: [source], report).library
    best = 0.0
    with pinned():
        for chains in _CHAINS:
            repetitions = np.array([_REPETITIONS])
            for _ in range(5):
                values = repetitions.copy()
                start = time.perf_counter_ns()
                library[f"peak_{chains}"](values.ctypes)
                best = max(best, 2 * _WIDTH * chains * repetitions[0] / (time.perf_counter_ns() - start))
    return best
