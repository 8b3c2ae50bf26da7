"""Rotation matrices of unit quaternions."""

from __future__ import annotations

import casadi as ca


def rotation_matrix(quaternion: ca.SX) -> ca.SX:
    """R(q) (3, 3) of a unit quaternion (w, x, y, z): body to world."""
    w, x, y, z = ca.vertsplit(quaternion)
    return ca.vertcat(
        ca.horzcat(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        ca.horzcat(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        ca.horzcat(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
