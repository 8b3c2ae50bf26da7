"""The law with which the quadrotor stays where it is, on board and without a planner."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from robots.quadrotor.dynamics import GRAVITY
from robots.quadrotor.tasks import THRUST_LIMIT, heading

# Errors beyond these are taken as these [m, m/s]: along one axis they ask for a lean of 0.08 and 0.4 rad.
_LARGEST_POSITION_ERROR, _LARGEST_VELOCITY_ERROR = 0.5, 2.0


def hover_gain(dynamics: Dynamics) -> Array:
    """K (4, 12) of thrusts m g/4 + K e, for the error e in position, rotation vector, velocity and angular velocity.

    Thrusts are not measured and lag by t_m, so the poles of a loop through n integrations add up to −1/t_m whatever the gain;
    all of them at −a = −1/(n t_m) is the fastest. Height and heading (n = 3) and the horizontal directions (n = 5), at hover:

        t_m s³ + s² + k₁ s + k₀ = t_m (s + a)³                              k = (a²/3, a)
        t_m s⁵ + s⁴ + k₃ s³ + k₂ s² + g k₁ s + g k₀ = t_m (s + a)⁵           k = (a⁴/5g, a³/g, 2a², 2a)
    """
    mass, inertia_x, inertia_y, inertia_z, arm, kappa, lag = dynamics.parameters.values[:7]
    a, b = 1 / (3 * lag), 1 / (5 * lag)
    k0, k1, k2, k3 = b**4 / (5 * GRAVITY), b**3 / GRAVITY, 2 * b**2, 2 * b
    wrench = np.zeros((4, 12))  # force along z, torques
    wrench[0, [2, 8]] = -mass * a**2 / 3, -mass * a
    wrench[1, [1, 3, 7, 9]] = inertia_x * k0, -inertia_x * k2, inertia_x * k1, -inertia_x * k3
    wrench[2, [0, 4, 6, 10]] = -inertia_y * k0, -inertia_y * k2, -inertia_y * k1, -inertia_y * k3
    wrench[3, [5, 11]] = -inertia_z * a**2 / 3, -inertia_z * a
    lever = arm / 2**0.5
    signs = np.array([[1, 1, 1, 1], [-1, -1, 1, 1], [-1, 1, 1, -1], [-1, 1, -1, 1]])
    allocation = signs * np.array([1, lever, lever, kappa])[:, None]
    return np.asarray(np.linalg.solve(allocation, wrench), dtype=float)


def hover_in_place(dynamics: Dynamics) -> Callable[[Array, Array], Array]:
    """The law (state, planned) → thrusts: hover level at the position and heading that were planned.

    The gain belongs to heading 0, so positions and velocities are turned into the frame of the wanted heading first.
    """
    K = hover_gain(dynamics)
    hover_thrust = dynamics.parameters["mass"].value * GRAVITY / 4

    def hold(state: Array, planned: Array) -> Array:
        yaw = heading(planned[3:7])
        c, s = math.cos(yaw), math.sin(yaw)
        level = state.copy()
        level[:3] = planned[:3]
        level[3:13] = math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        error = dynamics.manifold.difference(state, level)[:12]
        for x, limit in ((0, _LARGEST_POSITION_ERROR), (6, _LARGEST_VELOCITY_ERROR)):
            error[x], error[x + 1] = c * error[x] + s * error[x + 1], c * error[x + 1] - s * error[x]
            error[x : x + 3] = np.minimum(np.maximum(error[x : x + 3], -limit), limit)
        thrusts: Array = np.minimum(np.maximum(hover_thrust + K @ error, 0.0), THRUST_LIMIT)
        return thrusts

    return hold
