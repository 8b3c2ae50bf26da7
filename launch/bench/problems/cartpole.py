"""Swing-up of a pole on a cart with a weak motor: bang-bang, 49 of 50 controls are at a bound."""

from __future__ import annotations

from typing import final

import casadi as ca
import numpy as np

from launch.bench.problems.reference_problem import ReferenceProblem
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import control_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem

_CART_MASS, _POLE_MASS = 1.0, 0.1  # kg
_LENGTH = 0.8  # m, from the hinge to the pole's mass, which is a point
_GRAVITY = 9.81  # m/s²
_FORCE_LIMIT = 20.0  # N
_STATE_WEIGHTS = (2e3, 2e3, 2e-2, 2e-2)


@final
class PointMassCartpole(Dynamics):
    """Cart of mass M, point mass m on a massless rod of length l, with D = M + m sin² θ.

        v̇ = (F + m sin θ (g cos θ − l ω²)) / D                             [m/s²]
        ω̇ = (F cos θ + (M + m) g sin θ − m l cos θ sin θ ω²) / (l D)       [rad/s²]

    x = (p [m], θ [rad, 0 upright], v [m/s], ω [rad/s]);  u = (F [N]). The pendulum on a cart of acados's examples.
    """

    name = "cartpole"
    state_names = ("position", "angle", "velocity", "angular_velocity")
    state_units = ("m", "rad", "m/s", "rad/s")
    control_names, control_units = ("force",), ("N",)
    manifold = Euclidean(4)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        _, theta, v, omega = ca.vertsplit(x)
        M, m, length, g = _CART_MASS, _POLE_MASS, _LENGTH, _GRAVITY
        sin, cos = ca.sin(theta), ca.cos(theta)
        D = M + m * sin**2
        acceleration = (u + m * sin * (g * cos - length * omega**2)) / D
        angular = (u * cos + (M + m) * g * sin - m * length * cos * sin * omega**2) / (length * D)
        return ca.vertcat(v, omega, acceleration, angular)


def swing_up() -> ReferenceProblem:
    """From hanging to upright in 1 s. There is another local minimum at 7668.55."""
    return ReferenceProblem(
        problem=OptimalControlProblem(
            name="cartpole",
            dynamics=PointMassCartpole(),
            integrator=RungeKutta4(),
            grid=(0.02,) * 50,
            path_costs=(LeastSquares("path", lambda s: ca.vertcat(s.x, s.u), (*_STATE_WEIGHTS, 2e-2)),),
            terminal_costs=(LeastSquares("end", lambda s: s.x, _STATE_WEIGHTS),),
            path_constraints=(control_bounds([-_FORCE_LIMIT], [_FORCE_LIMIT]),),
        ),
        optimum=5724.29399867,
        initial_state=np.array([0.0, np.pi, 0.0, 0.0]),
        initial_control=np.zeros(1),
        spread=np.full(4, 0.2),
        noise=np.array([1e-3, 1e-3, 1e-2, 1e-2]),
        episodes=5,
        steps=100,
    )
