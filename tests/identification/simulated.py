"""Logs of simulated machines whose parameters, delay and noise are known: finer integration than the fit's, exact delays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.native.function import NativeFunction

# (time [s], state) → command
Law = Callable[[float, Array], Array]


def simulate(
    structure: ModelStructure,
    parameters: Array,
    law: Law,
    x0: Array,
    times: Array,
    delay_s: float = 0.0,
    noise: float = 1.0,
    seed: int = 0,
    name: str = "simulated",
) -> Log:
    """A log of ẋ = f(x, u(t − delay), p) at `times`; `law` sees the true state at each of them, its command is held."""
    d = structure.dynamics
    x, u, p, dt = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("p", d.np), ca.SX.sym("dt")
    step = NativeFunction(
        ca.Function("truth", [x, u, p, dt], [RungeKutta4(2).step(d, x, u, p, dt)]), f"truth of {structure.name}"
    )
    random = np.random.default_rng(seed)
    state = np.array(x0, dtype=float)
    states, controls, events = [], [], []
    for k, now in enumerate(times):
        states.append(state)
        controls.append(np.asarray(law(float(now), state), dtype=float).reshape(d.nu))
        events.append((float(now) + delay_s, controls[-1]))
        if k + 1 == len(times):
            break
        edges = [float(now), *(t for t, _ in events if now < t < times[k + 1]), float(times[k + 1])]
        for a, b in pairwise(edges):
            acting = [value for t, value in events if t <= a + 1e-12] or [controls[0]]
            state = d.manifold.normalized(step(state, acting[-1], parameters, (b - a,))[0])
        events = [e for e in events if e[0] > times[k]] if len(events) < 2 else _recent(events, float(times[k]))
    std = np.zeros(d.manifold.ndx)
    std[list(structure.tangent_indices)] = noise * structure.measurement_std
    X = np.array(states)
    measured = d.manifold.retract(X, std * random.standard_normal((len(X), d.manifold.ndx)))
    return whole(name, np.asarray(times, dtype=float), measured[:, structure.measured_indices], np.array(controls))


def _recent(events: list[tuple[float, Array]], now: float) -> list[tuple[float, Array]]:
    """Those that are still to come, and the last one that has."""
    past = [e for e in events if e[0] <= now]
    return past[-1:] + [e for e in events if e[0] > now]
