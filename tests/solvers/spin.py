"""A small problem on the sphere, with everything that a solver may be given: reference, bounds, an uneven grid."""

from __future__ import annotations

from functools import cache

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.problem.constraint import control_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from tests.solvers.test_stage_functions import RigidSpin

TORQUE_LIMIT = 0.6


def make_spin(weights: tuple[float, float, float] = (5.0, 1.0, 0.2), limit: float = TORQUE_LIMIT) -> OptimalControlProblem:
    """Turn a body to an attitude at a rate about x that the reference asks for; weights of attitude, rate and torque."""
    attitude, rate, torque = weights
    return OptimalControlProblem(
        name="spin, every solver",
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.04,) * 10 + (0.08,) * 10,
        path_costs=(
            LeastSquares("attitude", lambda s: 2 * s.x[1:4], (attitude,) * 3),
            LeastSquares("rate", lambda s: s.x[4:] - ca.vertcat(s.reference, 0, 0), (rate,) * 3),
            LeastSquares("torque", lambda s: s.u, (torque,) * 3),
        ),
        terminal_costs=(LeastSquares("end", lambda s: 2 * s.x[1:4], (2 * attitude,) * 3),),
        path_constraints=(control_bounds((-limit,) * 3, (limit,) * 3),),
        reference_names=("rate_x",),
    )


@cache
def spin() -> OptimalControlProblem:
    """Nominally."""
    return make_spin()


def at_rest(problem: OptimalControlProblem) -> Array:
    """The reference (N+1, 1) of no rate at all."""
    return np.zeros((problem.N + 1, 1))


def spinning(seed: int = 0) -> Array:
    """A state, turned and turning."""
    manifold = RigidSpin.manifold
    upright = np.r_[1.0, np.zeros(6)]
    return manifold.normalized(manifold.retract(upright, 0.5 * np.random.default_rng(seed).normal(size=6)))
