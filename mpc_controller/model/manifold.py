"""How states add and subtract: R^n with unit quaternions in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array

# Below this rotation angle [rad] the ratios sin(a)/a and a/sin(a) are 1 to the last digit of a double.
_TINY = 1e-9


@final
@dataclass(frozen=True)
class Manifold:
    """R^n in which the blocks starting at `quaternions` are unit quaternions (w, x, y, z), body to world.

    Tangent vectors have ndx = nx − len(quaternions) entries, in the order of the state; a quaternion's three are a
    rotation vector in the body frame [rad]:

        plus:   q ⊞ δ = q ⊗ exp(δ/2)          minus:  q₁ ⊟ q₀ = 2 log(q₀⁻¹ ⊗ q₁),  ‖·‖ ≤ π

    so that x₀ ⊞ (x₁ ⊟ x₀) = x₁ (up to the sign of q). Source: Solà, Deray, Atchuthan, "A micro Lie theory for state
    estimation in robotics", 2018 (right plus and minus).
    """

    nx: int
    quaternions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.nx < 1:
            raise ValueError(f"Manifold: nx is {self.nx}; a state has at least one entry")
        starts = self.quaternions
        if any(b < a + 4 for a, b in pairwise(starts)) or any(not 0 <= s <= self.nx - 4 for s in starts):
            raise ValueError(
                f"Manifold: quaternions at {starts} do not fit a state of {self.nx} entries; "
                "they must be ascending, four entries apart and inside the state"
            )

    @property
    def ndx(self) -> int:
        """Size of the tangent space."""
        return self.nx - len(self.quaternions)

    def plus(self, x: ca.SX, dx: ca.SX) -> ca.SX:
        """x ⊞ δ as an expression: (nx,), (ndx,) → (nx,)."""
        parts = self._plus([x[i] for i in range(self.nx)], [dx[i] for i in range(self.ndx)], ca)
        result: ca.SX = ca.vertcat(*parts)
        return result

    def minus(self, x1: ca.SX, x0: ca.SX) -> ca.SX:
        """x₁ ⊟ x₀ as an expression: (nx,), (nx,) → (ndx,)."""
        parts = self._minus([x1[i] for i in range(self.nx)], [x0[i] for i in range(self.nx)], ca)
        result: ca.SX = ca.vertcat(*parts)
        return result

    def retract(self, x: Array, dx: Array) -> Array:
        """x ⊞ δ in numbers: (..., nx), (..., ndx) → (..., nx)."""
        if not self.quaternions:
            return np.asarray(x + dx)
        if x.ndim == dx.ndim == 1:  # in the loops: plain floats are several times faster than array scalars
            return np.array(self._plus(x.tolist(), dx.tolist(), np))
        parts = self._plus(list(np.moveaxis(x, -1, 0)), list(np.moveaxis(dx, -1, 0)), np)
        return np.stack(parts, axis=-1)

    def difference(self, x1: Array, x0: Array) -> Array:
        """x₁ ⊟ x₀ in numbers: (..., nx), (..., nx) → (..., ndx)."""
        if not self.quaternions:
            return np.asarray(x1 - x0)
        if x1.ndim == x0.ndim == 1:
            return np.array(self._minus(x1.tolist(), x0.tolist(), np))
        parts = self._minus(list(np.moveaxis(x1, -1, 0)), list(np.moveaxis(x0, -1, 0)), np)
        return np.stack(parts, axis=-1)

    def interpolate(self, x0: Array, x1: Array, fraction: float) -> Array:
        """The geodesic from x0 (fraction 0) to x1 (fraction 1)."""
        return self.retract(x0, fraction * self.difference(x1, x0))

    def normalized(self, x: Array) -> Array:
        """The state with its quaternions scaled back to unit length."""
        if not self.quaternions:
            return x
        result = np.array(x, dtype=float)
        for start in self.quaternions:
            block = result[..., start : start + 4]
            block /= np.linalg.norm(block, axis=-1, keepdims=True)
        return result

    def tangent_indices(self, state_indices: Sequence[int]) -> list[int]:
        """Tangent entries that belong to the named state entries; a quaternion belongs as a whole."""
        owners = self._tangent_owners()
        wanted = set(state_indices)
        for start in self.quaternions:
            block = set(range(start, start + 4))
            if wanted & block and not block <= wanted:
                raise ValueError(f"Manifold: entries {sorted(wanted & block)} take a part of the quaternion at {start}")
        return [k for k, owner in enumerate(owners) if owner in wanted]

    def _tangent_owners(self) -> list[int]:
        """For every tangent entry, a state entry of the block that it moves."""
        owners: list[int] = []
        i = 0
        while i < self.nx:
            if i in self.quaternions:
                owners += [i, i, i]
                i += 4
            else:
                owners.append(i)
                i += 1
        return owners

    def _plus(self, x: list[Any], dx: list[Any], m: Any) -> list[Any]:
        result: list[Any] = []
        i = k = 0
        while i < self.nx:
            if i in self.quaternions:
                result += quaternion_multiply(x[i : i + 4], quaternion_exp(dx[k : k + 3], m))
                i, k = i + 4, k + 3
            else:
                result.append(x[i] + dx[k])
                i, k = i + 1, k + 1
        return result

    def _minus(self, x1: list[Any], x0: list[Any], m: Any) -> list[Any]:
        result: list[Any] = []
        i = 0
        while i < self.nx:
            if i in self.quaternions:
                w, x, y, z = x0[i : i + 4]
                result += quaternion_log(quaternion_multiply([w, -x, -y, -z], x1[i : i + 4]), m)
                i += 4
            else:
                result.append(x1[i] - x0[i])
                i += 1
        return result


def Euclidean(n: int) -> Manifold:
    """R^n."""
    return Manifold(n)


# The quaternion functions take lists of components, so that the same lines serve expressions (m = casadi) and arrays
# (m = numpy).


def quaternion_multiply(a: list[Any], b: list[Any]) -> list[Any]:
    """Hamilton product a ⊗ b of two quaternions (w, x, y, z)."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return [
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ]


def quaternion_exp(rotation: list[Any], m: Any) -> list[Any]:
    """Unit quaternion of a rotation vector [rad]: (cos a/2, r/a · sin a/2), a = ‖r‖."""
    rx, ry, rz = rotation
    angle = m.sqrt(rx * rx + ry * ry + rz * rz + _TINY**2)
    scale = m.sin(angle / 2) / angle
    return [m.cos(angle / 2), scale * rx, scale * ry, scale * rz]


def quaternion_log(q: list[Any], m: Any) -> list[Any]:
    """Rotation vector [rad] of a quaternion, the shorter way round; its length does not matter."""
    w, x, y, z = q
    sign = 1 - 2 * (w < 0)
    norm = m.sqrt(x * x + y * y + z * z + _TINY**2)
    scale = 2 * sign * m.arctan2(norm, sign * w) / norm
    return [scale * x, scale * y, scale * z]
