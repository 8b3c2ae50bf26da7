"""Forward dynamics of the 7-joint arm with all derivatives: operations and time, three ways.

python -m tests.benchmarks.rigid_body
"""

from __future__ import annotations

import ctypes
import time

import casadi as ca
import numpy as np

from mpc_controller.model.rigid_body import aba, crba, forward_dynamics, load_mjcf, rnea
from mpc_controller.native.build import Source, build_library
from mpc_controller.native.codegen import dense, generate_c
from robots import load_robot

REPEATS = 20000


def candidates() -> dict[str, ca.Function]:
    """q̈ and its derivatives by q, v and τ: written out, by AD of RNEA, by AD of ABA."""
    model = load_mjcf(load_robot("arm").mjcf)
    q, v, tau, v_dot = (ca.SX.sym(name, 7) for name in ("q", "v", "tau", "v_dot"))
    written = forward_dynamics(model, q, v, tau)
    analytical = [written.v_dot, written.by_configuration, written.by_velocity, written.by_effort]
    inverse = ca.inv(crba(model, q))
    bias = rnea(model, q, v, v_dot)
    free = ca.Function("rnea", [q, v, v_dot], [ca.jacobian(bias, q), ca.jacobian(bias, v)])
    acceleration = inverse @ (tau - rnea(model, q, v, ca.SX.zeros(7)))
    by_q, by_v = free(q, v, acceleration)
    through_rnea = [acceleration, -inverse @ by_q, -inverse @ by_v, inverse]
    forward = aba(model, q, v, tau)
    through_aba = [forward, *(ca.jacobian(forward, s) for s in (q, v, tau))]
    outputs = {"analytical": analytical, "AD of RNEA": through_rnea, "AD of ABA": through_aba}
    return {name: ca.Function("f", [q, v, tau], ca.cse(list(values))) for name, values in outputs.items()}


def measure(name: str, function: ca.Function) -> str:
    """One row: operations, and the time of a call from C in a loop."""
    loop = (
        "int f(const double **, double **, long long *, double *, int);\n"
        "void repeat(int n, const double **a, double **r, long long *iw, double *w) { while (n--) f(a, r, iw, w, 0); }\n"
    )
    sources = [Source("f.c", generate_c([dense(function, "f")]), "-O1"), Source("loop.c", loop)]
    library = build_library(f"benchmark {name}", function.serialize(), lambda: sources, lambda line: None).library
    inputs = [np.random.default_rng(0).normal(size=7) for _ in range(3)]
    outputs = [np.zeros(function.size_out(i)) for i in range(4)]
    pointers = [np.array([a.ctypes.data for a in arrays] + [0] * 64) for arrays in (inputs, outputs)]
    work = np.zeros(function.sz_w() + 10000), np.zeros(function.sz_iw() + 10000, dtype=np.int64)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        library.repeat(REPEATS, *(a.ctypes.data_as(ctypes.c_void_p) for a in (*pointers, work[1], work[0])))
        times.append((time.perf_counter() - start) / REPEATS * 1e6)
    return f"{name:<12} {function.n_instructions():>10} {np.median(times):>8.2f}"


def main() -> None:
    print(f"{'':<12} {'operations':>10} {'µs':>8}")
    for name, function in candidates().items():
        print(measure(name, function))


if __name__ == "__main__":
    main()
