"""The car in its MJCF: joints in the world frame, tyre forces as generalized forces.

MuJoCo does the rigid body; the tyre law is this file's, in plain floats as it runs at every step of the simulation. It is
written apart from the model's expressions, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan, cos, sin, sqrt

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.parameters import Parameters
from mpc_controller.robot import MjcfAdapter
from robots.car.dynamics import GRAVITY


def mjcf_adapter(parameters: Parameters) -> MjcfAdapter:
    """For car.xml: s = (x, y, yaw, ẋ, ẏ, yaw rate, steering), the velocity in the world frame."""
    return MjcfAdapter(_state, _mjcf_state, _tyre_forces(parameters.names))


def _state(s: Array) -> Array:
    x, y, yaw, x_dot, y_dot, yaw_rate, steering = s.tolist()
    c, n = cos(yaw), sin(yaw)
    return np.array([x, y, yaw, c * x_dot + n * y_dot, c * y_dot - n * x_dot, yaw_rate, steering])


def _mjcf_state(state: Array) -> Array:
    x, y, yaw, v, w, yaw_rate, steering = state.tolist()
    c, n = cos(yaw), sin(yaw)
    return np.array([x, y, yaw, c * v - n * w, n * v + c * w, yaw_rate, steering])


def _tyre_forces(names: tuple[str, ...]) -> Callable[[Array, Array], Array]:
    """The force law (x (nx,), p (np,)) → (F_x, F_y [N] in the world frame, yaw torque [N m])."""

    def forces(state: Array, p: Array) -> Array:
        q = dict(zip(names, p.tolist(), strict=True))
        _, _, yaw, v, w, r, steering = state.tolist()
        a, b, shape = q["front_axle"], q["rear_axle"], q["tyre_shape"]
        c, s = cos(steering), sin(steering)
        grip = q["friction"] * q["mass"] * GRAVITY / (a + b)
        along, across = c * v + s * (w + a * r), c * (w + a * r) - s * v
        slip_front = across / sqrt(along * along + q["slip_speed"] ** 2)
        slip_rear = (w - b * r) / sqrt(v * v + q["slip_speed"] ** 2)
        front = -grip * b * sin(shape * atan(q["front_stiffness"] / shape * slip_front))
        rear = -grip * a * sin(shape * atan(q["rear_stiffness"] / shape * slip_rear))
        forward, left = -s * front, c * front + rear
        return np.array([cos(yaw) * forward - sin(yaw) * left, sin(yaw) * forward + cos(yaw) * left, a * c * front - b * rear])

    return forces
