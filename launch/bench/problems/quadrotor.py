"""A quadrotor that recovers from a tilt of 60° two metres from where it should be: 28 controls are at a bound."""

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

_MASS, _GRAVITY = 1.0, 9.81  # kg, m/s²
_INERTIA = (0.0085, 0.0085, 0.0145)  # kg m², about the body's axes
_ARM = 0.12  # m: every rotor is this far from the body's axes x and y
_TORQUE_PER_THRUST = 0.016  # m, about z
_THRUST_LIMIT = 5.0  # N, of one rotor
_HOVER = _MASS * _GRAVITY / 4
_STATE_WEIGHTS = (100.0,) * 3 + (10.0,) * 4 + (5.0,) * 3 + (1.0,) * 3
_AT_REST = np.array([0.0, 0.0, 0.0, 1.0] + [0.0] * 9)


@final
class EuclideanQuadrotor(Dynamics):
    """A rigid body with four rotors in an X, without drag.

        m v̇ = R(q) e_z Σ u − m g e_z,   q̇ = ½ q ⊗ (0, ω),   J ω̇ = τ(u) − ω × J ω

    x = (p [m], q (w, x, y, z) body to world, v [m/s, world], ω [rad/s, body]);  u = thrusts [N] of the rotors at
    (+d, −d), (−d, +d), (+d, +d), (−d, −d). The quaternion is four plain numbers here: R(q) is not normalised, and nothing keeps
    its length in the prediction.
    """

    name = "quadrotor"
    state_names = ("x", "y", "z", "qw", "qx", "qy", "qz", "vx", "vy", "vz", "wx", "wy", "wz")
    state_units = ("m",) * 3 + ("",) * 4 + ("m/s",) * 3 + ("rad/s",) * 3
    control_names, control_units = ("thrust_0", "thrust_1", "thrust_2", "thrust_3"), ("N",) * 4
    manifold = Euclidean(13)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        q, v, omega = x[3:7], x[7:10], x[10:]
        w, r = q[0], q[1:]
        J = ca.DM(_INERTIA)
        up = ca.vertcat(2 * (r[0] * r[2] + w * r[1]), 2 * (r[1] * r[2] - w * r[0]), w**2 - r[0] ** 2 - r[1] ** 2 + r[2] ** 2)
        acceleration = up * ca.sum1(u) / _MASS - ca.vertcat(0, 0, _GRAVITY)
        rate = ca.vertcat(-ca.dot(r, omega), w * omega + ca.cross(r, omega)) / 2
        a, b, c, d = ca.vertsplit(u)
        torque = ca.vertcat(_ARM * (-a + b + c - d), _ARM * (-a + b - c + d), _TORQUE_PER_THRUST * (-a - b + c + d))
        return ca.vertcat(v, rate, acceleration, (torque - ca.cross(omega, J * omega)) / J)


def recovery() -> ReferenceProblem:
    """To the origin, level and at rest. Gauss-Newton steps converge slowly: the residuals at the optimum are large."""
    initial = np.zeros(13)
    initial[:2] = 1.2, -1.6
    initial[3:5] = np.cos(np.pi / 6), np.sin(np.pi / 6)
    hover = np.full(4, _HOVER)
    return ReferenceProblem(
        problem=OptimalControlProblem(
            name="quadrotor",
            dynamics=EuclideanQuadrotor(),
            integrator=RungeKutta4(),
            grid=(0.05,) * 20,
            path_costs=(
                LeastSquares("path", lambda s: ca.vertcat(s.x - _AT_REST, s.u - hover), (*_STATE_WEIGHTS, *(0.5,) * 4)),
            ),
            terminal_costs=(LeastSquares("end", lambda s: s.x - _AT_REST, _STATE_WEIGHTS),),
            path_constraints=(control_bounds([0.0] * 4, [_THRUST_LIMIT] * 4),),
        ),
        optimum=147.76412309,
        initial_state=initial,
        initial_control=hover,
        spread=np.array([0.3] * 3 + [0.0] + [0.1] * 3 + [0.3] * 6),
        noise=np.array([1e-3] * 3 + [0.0] * 4 + [1e-2] * 6),
        episodes=4,
        steps=60,
        quaternion=slice(3, 7),
    )
