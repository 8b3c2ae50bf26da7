"""The curve of fastest descent with an initial speed: an optimal control problem whose solution is a cycloid."""

from __future__ import annotations

import casadi as ca
import numpy as np
import scipy.optimize

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.cost import GeneralCost
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.trajectory import Trajectory

GRAVITY, LENGTH, DROP = 9.81, 1.0, 0.5  # [m/s²], [m] along, [m] down


class Bead(Dynamics):
    """Depth y [m] and time t [s] over the horizontal way s [m], which stands where time does; the control is dy/ds.

    dt/ds = √(1 + (dy/ds)²) / √(2 g y + v₀²)
    """

    name = "bead"
    state_names, state_units = ("y", "t"), ("m", "s")
    control_names, control_units = ("slope",), ("",)
    manifold = Euclidean(2)
    parameters = Parameters()

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(u, ca.sqrt(1 + u**2) / ca.sqrt(2 * GRAVITY * x[0] + self._speed**2))


def brachistochrone(intervals: int, speed: float) -> OptimalControlProblem:
    """Least time at s = LENGTH, at depth DROP, from depth 0 at `speed` v₀ [m/s]."""
    return OptimalControlProblem(
        name="brachistochrone",
        dynamics=Bead(speed),
        integrator=RungeKutta4(),
        grid=(LENGTH / intervals,) * intervals,
        path_costs=(),
        terminal_costs=(GeneralCost("time", lambda stage: stage.x[1]),),
        terminal_constraints=(Constraint("end", lambda stage: stage.x[0], (DROP,), (DROP,)),),
    )


def chord(problem: OptimalControlProblem) -> Trajectory:
    """The straight way, as a guess."""
    times = np.round(problem.times * 1e9).astype(np.int64)
    states = np.stack([problem.times * DROP / LENGTH, np.zeros(problem.N + 1)], axis=1)
    return Trajectory(Euclidean(2), times, states, np.full((problem.N, 1), DROP / LENGTH))


def cycloid(s: Array, speed: float) -> tuple[Array, float]:
    """Depths y (n,) at horizontal ways s (n,), and the least time.

    A start at speed v₀ is a start from rest h = v₀²/2g higher: s = R (θ − sin θ) + c, y + h = R (1 − cos θ), at a rate
    dθ/dt = √(g/R).
    """
    h = speed**2 / (2 * GRAVITY)

    def ends(unknown: Array) -> list[float]:
        R, first, last = unknown
        way = R * (last - np.sin(last) - first + np.sin(first))
        return [R * (1 - np.cos(first)) - h, R * (1 - np.cos(last)) - h - DROP, way - LENGTH]

    R, first, last = scipy.optimize.fsolve(ends, [0.5, 1.2, 2.8], xtol=1e-12)
    assert np.abs(ends([R, first, last])).max() < 1e-12

    def angle(way: float) -> float:
        return scipy.optimize.brentq(
            lambda q: R * (q - np.sin(q) - first + np.sin(first)) - way, first - 1e-6, last + 1e-6, xtol=1e-15
        )

    theta = np.array([angle(way) for way in s])
    return R * (1 - np.cos(theta)) - h, float(np.sqrt(R / GRAVITY) * (last - first))
