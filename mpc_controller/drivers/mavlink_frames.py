"""From the autopilot's frames, north-east-down and forward-right-down, to ours, east-north-up and forward-left-up, and back.

    p_ENU = (p_E, p_N, −p_D)        ω_FLU = (ω_F, −ω_R, −ω_D)        q_ENU←FLU = q_ENU←NED ⊗ q_NED←FRD ⊗ q_FRD←FLU

Each map is its own inverse, so one function does both ways. Quaternions are (w, x, y, z), body to world.
"""

from __future__ import annotations

import math

import numpy as np

from mpc_controller.arrays import Array

_HALF = math.sqrt(0.5)


def swap_world(vector: Array) -> Array:
    """A vector (3,) in the world: NED to ENU, or ENU to NED."""
    return np.array([vector[1], vector[0], -vector[2]])


def swap_body(vector: Array) -> Array:
    """A vector (3,) in the body: FRD to FLU, or FLU to FRD."""
    return np.array([vector[0], -vector[1], -vector[2]])


def swap_attitude(q: Array) -> Array:
    """An attitude (4,): of FRD in NED to that of FLU in ENU, or the other way round; the sign with w ≥ 0.

    q_ENU←NED = (0, 1, 1, 0)/√2 and q_FRD←FLU = (0, 1, 0, 0), multiplied out.
    """
    w, x, y, z = q
    turned = _HALF * np.array([w + z, x + y, x - y, w - z])
    return turned if turned[0] >= 0 else -turned


def rotate(q: Array, vector: Array) -> Array:
    """A vector (3,) of the body in the world: R(q) v = v + 2 w (r × v) + 2 r × (r × v)."""
    w, r = q[0], q[1:]
    crossed = np.cross(r, vector)
    return np.asarray(vector + 2 * (w * crossed + np.cross(r, crossed)))


def turned_by(q: Array, v: Array) -> Array:
    """q ⊗ (√(1 − |v|²), v): the attitude after a turn whose quaternion has the vector part v (3,), |v| ≤ 1."""
    w, r, s = q[0], q[1:], math.sqrt(max(1.0 - float(v @ v), 0.0))
    return np.array([w * s - r @ v, *(w * v + s * r + np.cross(r, v))])
