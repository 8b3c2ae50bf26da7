"""The shared library of one problem and method: generated stage functions, a header with sizes and tables, and the kernels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import casadi as ca
import numpy as np

from mpc_controller.native.build import Build, Source, build_library
from mpc_controller.native.codegen import generate_c
from mpc_controller.native.lanes import generate_lanes
from mpc_controller.native.residual_code import residual_header
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.stage_functions import FUSED, StageFunctions

# Packages whose code decides what is generated: a change in any of them builds anew.
_GENERATORS = ("model", "problem", "solvers", "native")
# An equality constraint is given this much room, relative to 1 or its value, as interior points need an interior.
_MIN_RANGE = 2e-8
# Fewer than this are evaluated one by one.
_FEW_STAGES = 4


def build_solver_library(functions: StageFunctions, method: str, report: Callable[[str], None]) -> Build:
    """Compile (or take from the cache) the native solver of a problem; `method` names its file in native/kernels.

    Raises CompilerError.
    """
    problem = functions.problem
    key = "\0".join((problem.fingerprint, functions.variant, method, _code_digest()))
    return build_library(
        f"the {method.replace('_', '-')} solver of {problem.name}", key, lambda: _sources(functions, method), report
    )


@cache
def _code_digest() -> str:
    """Hash of this package's own code as far as it shapes the library."""
    digest = hashlib.sha256()
    package = Path(str(files("mpc_controller")))
    for folder in _GENERATORS:
        for path in sorted((package / folder).rglob("*")):
            if path.suffix in (".py", ".h"):
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(functions: StageFunctions, method: str) -> Sequence[Source]:
    problem, generated = functions.problem, functions.functions()
    kernels = Path(str(files("mpc_controller.native") / "kernels"))
    headers = [Source(path.name, path.read_text()) for path in sorted(kernels.glob("*.h"))]
    main = f'#include "problem.h"\n#include "{method}.h"\n#include "entry.h"\n'
    lanes = _lanes(functions, generated)
    curvature = [f for f in generated if f.name().endswith("curvature")]
    fused = [f for f in generated if f.name() in FUSED]
    apart = {f.name() for f in (*curvature, *fused)} | (set() if lanes is None else {"ocp_path"})
    stages = [f for f in generated if f.name() not in apart]
    sources = [
        *headers,
        Source("problem.h", _header(functions, generated) + f"#define STAGE_LANES {int(lanes is not None)}\n"),
        Source("stages.c", generate_c(stages), optimization="-O1"),
        Source("solver.c", main),
    ]
    if problem.residual is not None:
        sources.append(Source("residual_sizes.h", residual_header(problem.residual.shape, problem.N)))
        sources.append(Source("fused.c", generate_c(fused, "fused"), optimization="-O2"))
    if curvature:
        sources.append(Source("curvature.c", generate_c(curvature, "curvature"), optimization="-O1"))
    return sources if lanes is None else [*sources, Source("stage_lanes.c", lanes, optimization="-O1")]


def _lanes(functions: StageFunctions, generated: Sequence[ca.Function]) -> str | None:
    """The path stages' functions for several stages at once; None where there are few, or where they have no translation."""
    if functions.problem.N < _FEW_STAGES or functions.inner is not None:
        return None
    return generate_lanes([f for f in generated if f.name() in ("ocp_path", "ocp_path_value")])


def _header(functions: StageFunctions, generated: Sequence[ca.Function]) -> str:
    """Sizes and tables of the problem as C constants."""
    problem: OptimalControlProblem = functions.problem
    path, terminal = functions.path_rows, functions.terminal_rows
    sizes = {
        "N": problem.N,
        "NX": functions.ndx,
        "NXA": functions.nx,
        "NU": functions.nu,
        "NR": problem.nr,
        "NP": len(problem.parameters),
        "NG": len(path),
        "NB": sum(row.entry is not None for row in path),
        "NC": sum(row.entry is None for row in path),
        "NGT": len(terminal),
        "NBT": sum(row.entry is not None for row in terminal),
        "NCT": sum(row.entry is None for row in terminal),
        "ANY_SOFT": int(any(row.l1 >= 0 for row in path + terminal)),
        "CURVATURE": int(functions.curvature),
        "RESIDUAL": int(problem.residual is not None),
        "BACK_OFFS": int(problem.residual is not None and any(row.back_off >= 0 for row in path + terminal)),
        "WORK_SIZE": max(f.sz_w() for f in generated) + 1,
        "ARG_SIZE": max(f.sz_arg() for f in generated) + 1,
        "RES_SIZE": max(f.sz_res() for f in generated) + 1,
    }
    lines = ["#pragma once", f"#define MIN_RANGE {_MIN_RANGE!r}"]
    lines += [f"#define {name} {size}" for name, size in sizes.items()]
    for suffix, rows, first in (("", path, 0), ("_N", terminal, functions.nu)):
        lines += [
            _table("BOUND_ENTRY" + suffix, [row.entry - first for row in rows if row.entry is not None]),
            _table("LOWER" + suffix, [row.lower for row in rows]),
            _table("UPPER" + suffix, [row.upper for row in rows]),
            _table("SOFT_L1" + suffix, [row.l1 for row in rows]),
            _table("SOFT_L2" + suffix, [row.l2 for row in rows]),
            _table("BACK_OFF" + suffix, [row.back_off for row in rows]),
        ]
    bounds = {index for row in path + terminal for index in (row.lower, row.upper)}
    lines.append(_table("IS_BOUND", [int(i in bounds) for i in range(len(problem.parameters))]))
    lines += _inner_tables(functions)
    quaternions = problem.dynamics.manifold.quaternions
    lines += [f"#define QUATERNIONS {len(quaternions)}", _table("QUATERNION", quaternions)]
    lines.append(_table("ON_STATES_ALONE", [int(row.on_states_alone) for row in path]))
    lines += [f"int {f.name()}(const double **arg, double **res, long long *iw, double *w, int mem);" for f in generated]
    return "\n".join(lines) + "\n"


def _inner_tables(functions: StageFunctions) -> list[str]:
    """The inner states of collocation (kernels/inner_states.h): their number, 0 without any, and where they belong."""
    inner, interval = functions.inner, functions.interval
    if inner is None or interval is None:
        return ["#define INNER 0"]
    below = [(np.flatnonzero(inner.filled[k + 1 :, k]) + k + 1).tolist() for k in range(inner.size)]
    right = [(np.flatnonzero(inner.filled[k, k + 1 :]) + k + 1).tolist() for k in range(inner.size)]
    lines = [f"#define INNER {inner.size}", f"#define SYSTEM_ENTRIES {len(interval.places)}"]
    for name, lists in (("BELOW", below), ("RIGHT", right)):
        starts = np.cumsum([0, *map(len, lists)]).tolist()
        lines += [_table(name, [entry for entries in lists for entry in entries]), _table(f"{name}_START", starts)]
    lines += [
        _table("SYSTEM_PLACE", interval.places),
        _table("INNER_STATE", inner.states),
        _table("INNER_END", inner.end),
        f"static const double INNER_NODE[] = {{{', '.join(map(repr, inner.nodes))}}};",
    ]
    return lines


def _table(name: str, values: Sequence[int]) -> str:
    """A constant array; C wants at least one entry."""
    return f"static const int {name}[] = {{{', '.join(map(str, values or [0]))}}};"
