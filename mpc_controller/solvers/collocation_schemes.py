"""Collocation: a polynomial that obeys the model at the nodes of an interval, as an implicit step with inner states."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import casadi as ca
import numpy as np
from numpy.polynomial import Polynomial

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics, linearized


@final
@dataclass(frozen=True)
class LinearizedRate:
    """f at one node with its derivatives by x (nx, nx), by all inner states w (nx, m·nx) and by all given controls."""

    f: ca.SX
    f_x: ca.SX
    f_w: ca.SX
    f_u: ca.SX


@dataclass(frozen=True)
class CollocationScheme(abc.ABC):
    """The polynomial x(τ), 0 ≤ τ ≤ 1, of x(0) = x and x'(c_j) = dt f_j at the nodes c_j of an interval, f_j = f(s_j, u_j, p),

        x(τ) = x + dt Σ_j b_j(τ) f_j,    b_j(τ) = ∫₀^τ ℓ_j,    ℓ_j the Lagrange polynomials of the nodes,

    as equations for the inner states w = (w_1 … w_m), (nx,) each, which are its values at `inner_nodes`; the last is 1:

        G_i = w_i − x − dt Σ_j b_j(c_i) f_j = 0,    x⁺ = w_m.

    Controls are a list: of one for a control that is held over the interval, or of one a node. `order` is that of x⁺; that of
    a free control's optimum too. All in ambient coordinates: a quaternion drifts from unit length by the scheme's error.

    Source: Hairer, Wanner, "Solving Ordinary Differential Equations II", 1996, sections IV.3 and IV.5.
    """

    name: str
    order: int
    nodes: tuple[float, ...]
    inner_nodes: tuple[float, ...]

    @abc.abstractmethod
    def stages(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> tuple[list[ca.SX], list[ca.SX]]:
        """The states s_j (nx,) at the nodes, and f_j (nx,) there."""

    @abc.abstractmethod
    def linearized_stages(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> list[LinearizedRate]:
        """f_j with total derivatives, from `linearized` of the model."""

    @property
    def inner(self) -> int:
        """m, the number of inner states."""
        return len(self.inner_nodes)

    @property
    def has_both_ends(self) -> bool:
        """Whether the interval's start and end are nodes, so that neighbours share the node between them."""
        return self.nodes[0] == 0.0 and self.nodes[-1] == 1.0

    @cached_property
    def weights(self) -> Array:
        """(n,) of the quadrature ∫₀¹ g dτ ≈ Σ_j weights_j g(c_j)."""
        return self.integrals(1.0)

    def integrals(self, tau: float) -> Array:
        """b_j(τ), (n,): what the rates at the nodes have brought about by τ."""
        return np.array([float(basis.integ()(tau)) for basis in self._basis])

    def interpolation(self, tau: float) -> Array:
        """ℓ_j(τ), (n,): a control or rate at τ from those at the nodes."""
        return np.array([float(basis(tau)) for basis in self._basis])

    def states(self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX) -> list[ca.SX]:
        """The states s_j (nx,) at the nodes."""
        return self.stages(dynamics, x, w, u, p, dt)[0]

    def controls(self, u: Sequence[ca.SX]) -> list[ca.SX]:
        """The controls at the nodes: those given, or the held one everywhere. ValueError for any other number of them."""
        if len(u) not in (1, len(self.nodes)):
            raise ValueError(f"{self.name}: {len(u)} controls; give 1 that is held, or {len(self.nodes)}, one a node")
        return list(u) if len(u) == len(self.nodes) else list(u) * len(self.nodes)

    def residual(self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX) -> ca.SX:
        """G (m·nx,)."""
        return self._equations(x, w, self.stages(dynamics, x, w, u, p, dt)[1], dt)

    def jacobians(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> tuple[ca.SX, ca.SX, ca.SX, ca.SX]:
        """G (m·nx,), ∂G/∂x (m·nx, nx), ∂G/∂w (m·nx, m·nx), ∂G/∂u (m·nx, nu times the number of given controls)."""
        rates = self.linearized_stages(dynamics, x, w, u, p, dt)
        identity = ca.SX.eye(dynamics.nx)
        G_x, G_u = [], []
        for coefficients in self._matrix:
            G_x.append(-identity - dt * _sum(coefficients, [rate.f_x for rate in rates]))
            G_u.append(-dt * _sum(coefficients, [rate.f_u for rate in rates]))
        G_w = ca.SX.eye(self.inner * dynamics.nx) - dt * ca.vertcat(
            *(_sum(coefficients, [rate.f_w for rate in rates]) for coefficients in self._matrix)
        )
        return self._equations(x, w, [rate.f for rate in rates], dt), ca.vertcat(*G_x), G_w, ca.vertcat(*G_u)

    def _equations(self, x: ca.SX, w: Sequence[ca.SX], rates: Sequence[ca.SX], dt: ca.SX) -> ca.SX:
        pairs = zip(w, self._matrix, strict=True)
        result: ca.SX = ca.vertcat(*(w_i - x - dt * _sum(coefficients, rates) for w_i, coefficients in pairs))
        return result

    @cached_property
    def _matrix(self) -> Array:
        """b_j(c_i), (m, n): Butcher's matrix, less a row of zeros where the first node is the start."""
        return np.stack([self.integrals(tau) for tau in self.inner_nodes])

    @cached_property
    def _basis(self) -> tuple[Polynomial, ...]:
        """The Lagrange polynomials ℓ_j of the nodes."""
        basis = []
        for j, node in enumerate(self.nodes):
            others = self.nodes[:j] + self.nodes[j + 1 :]
            basis.append(Polynomial.fromroots(others) / math.prod(node - other for other in others))
        return tuple(basis)


@final
@dataclass(frozen=True)
class NodalScheme(CollocationScheme):
    """Every node after the start has an inner state of its own, so that G is linear in the f_j."""

    def stages(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> tuple[list[ca.SX], list[ca.SX]]:
        states = [*w] if len(w) == len(self.nodes) else [x, *w]
        return states, [dynamics.xdot(s, v, p) for s, v in zip(states, self.controls(u), strict=True)]

    def linearized_stages(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> list[LinearizedRate]:
        starts = len(self.nodes) - len(w)  # 1 where the first node is the start, whose state is x
        states = [x] * starts + [*w]
        rates = []
        for j, (s, v) in enumerate(zip(states, self.controls(u), strict=True)):
            f, f_s, f_v = linearized(dynamics, s, v, p)
            f_x = f_s if j < starts else ca.SX(dynamics.nx, dynamics.nx)
            f_w = _in_block(f_s, j - starts, len(w)) if j >= starts else ca.SX(dynamics.nx, dynamics.nx * len(w))
            rates.append(LinearizedRate(f, f_x, f_w, _in_block(f_v, j if len(u) > 1 else 0, len(u))))
        return rates


@final
@dataclass(frozen=True)
class CompressedHermiteSimpson(CollocationScheme):
    """Start, middle and end as nodes, of which the end alone is an inner state: the middle lies on Hermite's cubic,

        s_mid = (x + x⁺)/2 + dt/8 (f(x, u_0) − f(x⁺, u_end)),    G = x⁺ − x − dt/6 (f_0 + 4 f_mid + f_end).

    Source: Betts, "Practical Methods for Optimal Control and Estimation Using Nonlinear Programming", 2010, section 4.6.6.
    """

    def stages(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> tuple[list[ca.SX], list[ca.SX]]:
        start, middle, end = self.controls(u)
        f_start, f_end = dynamics.xdot(x, start, p), dynamics.xdot(w[0], end, p)
        s = (x + w[0]) / 2 + dt / 8 * (f_start - f_end)
        return [x, s, w[0]], [f_start, dynamics.xdot(s, middle, p), f_end]

    def linearized_stages(
        self, dynamics: Dynamics, x: ca.SX, w: Sequence[ca.SX], u: Sequence[ca.SX], p: ca.SX, dt: ca.SX
    ) -> list[LinearizedRate]:
        start, middle, end = self.controls(u)
        blocks = range(3) if len(u) == 3 else (0, 0, 0)
        zero, half = ca.SX(dynamics.nx, dynamics.nx), ca.SX.eye(dynamics.nx) / 2
        f_start, start_x, start_u = linearized(dynamics, x, start, p)
        f_end, end_x, end_u = linearized(dynamics, w[0], end, p)
        start_u, end_u = _in_block(start_u, blocks[0], len(u)), _in_block(end_u, blocks[2], len(u))
        s = (x + w[0]) / 2 + dt / 8 * (f_start - f_end)
        f, f_s, f_v = linearized(dynamics, s, middle, p)
        f_u = dt / 8 * f_s @ (start_u - end_u) + _in_block(f_v, blocks[1], len(u))
        return [
            LinearizedRate(f_start, start_x, zero, start_u),
            LinearizedRate(f, f_s @ (half + dt / 8 * start_x), f_s @ (half - dt / 8 * end_x), f_u),
            LinearizedRate(f_end, zero, end_x, end_u),
        ]


def _sum(coefficients: Array, terms: Sequence[ca.SX]) -> ca.SX:
    """Σ_j coefficients_j terms_j."""
    total = ca.SX(*terms[0].shape)
    for coefficient, term in zip(coefficients, terms, strict=True):
        total += float(coefficient) * term
    return total


def _in_block(matrix: ca.SX, block: int, blocks: int) -> ca.SX:
    """The matrix as one of several blocks of columns, the others zero."""
    zero = ca.SX(*matrix.shape)
    result: ca.SX = ca.horzcat(*(matrix if i == block else zero for i in range(blocks)))
    return result


_RADAU_3 = ((4 - math.sqrt(6)) / 10, (4 + math.sqrt(6)) / 10, 1.0)
_SIMPSON = (0.0, 0.5, 1.0)

RADAU_2: CollocationScheme = NodalScheme("radau-2", 3, (1 / 3, 1.0), (1 / 3, 1.0))
RADAU_3: CollocationScheme = NodalScheme("radau-3", 5, _RADAU_3, _RADAU_3)
HERMITE_SIMPSON_SEPARATED: CollocationScheme = NodalScheme("hermite-simpson-separated", 4, _SIMPSON, _SIMPSON[1:])
HERMITE_SIMPSON_COMPRESSED: CollocationScheme = CompressedHermiteSimpson("hermite-simpson", 4, _SIMPSON, _SIMPSON[2:])

COLLOCATION_SCHEMES: Mapping[str, CollocationScheme] = {
    scheme.name: scheme for scheme in (RADAU_2, RADAU_3, HERMITE_SIMPSON_SEPARATED, HERMITE_SIMPSON_COMPRESSED)
}
