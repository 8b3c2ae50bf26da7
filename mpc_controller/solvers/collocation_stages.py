"""The inner states of collocation as unknowns of the native solver: their equations, linearised and ready for elimination."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import casadi as ca
import numpy as np
import numpy.typing as npt

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.layout import padded

Pattern = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True)
class LinearizedInterval:
    """What one interval misses, with derivatives by its inner states w (M,) and over the tangent z = (u, δx).

    `system` (M, ·) is [G_w G 0 G_u G_x], G_w with G and the last two each padded to whole vectors; its `entries` that are not
    structurally zero belong at `places` of the row-major matrix. gap = w_end ⊟ x⁺ (ndx,), gap_w = ∂gap/∂w_end (ndx, nx).
    """

    system: ca.SX
    gap: ca.SX
    gap_w: ca.SX

    @property
    def entries(self) -> ca.SX:
        """(n, 1), dense."""
        return ca.SX(ca.Sparsity.dense(self.system.nnz()), self.system.nz[:])

    @property
    def places(self) -> list[int]:
        """(n,) row · columns + column."""
        pattern = self.system.sparsity()
        return [self.system.shape[1] * row + column for row, column in zip(pattern.row(), pattern.get_col(), strict=True)]


@final
class InnerStates:
    """The unknowns w (M = m·nx,) of a scheme on one interval, in the order in which native/kernels/inner_states.h eliminates
    them from G(x, w, u, p, dt) = 0.

    The order is greedy on the pattern of G_w, with its diagonal for pivots: what nothing else depends on (positions) goes
    first, and leaves nothing to eliminate. An entry below the diagonal costs a whole row of the system, one right of it only
    the right-hand sides: hence the fewest in the column, where Markowitz's rule, which fills in as little, weighs both alike.
    Source: Duff, Erisman, Reid, "Direct Methods for Sparse Matrices", 2017, section 7.2.
    """

    def __init__(self, scheme: CollocationScheme, dynamics: Dynamics) -> None:
        self.scheme = scheme
        self._dynamics = dynamics
        self.size = scheme.inner * dynamics.nx
        self.symbol = ca.SX.sym("w", self.size)

    @property
    def order(self) -> list[int]:
        """Which entry of (w_1 … w_m) every unknown is."""
        return self._elimination[0]

    @property
    def filled(self) -> Pattern:
        """(M, M), in the order of the unknowns: where G_w is not zero, or gets filled in by the elimination."""
        return self._elimination[1]

    @cached_property
    def _elimination(self) -> tuple[list[int], Pattern]:
        nx, nu = self._dynamics.nx, self._dynamics.nu
        x, u, p = ca.SX.sym("x", nx), ca.SX.sym("u", nu), ca.SX.sym("p", self._dynamics.np)
        w = [ca.SX.sym(f"w{i}", nx) for i in range(self.scheme.inner)]
        G_w = ca.sparsify(self.scheme.jacobians(self._dynamics, x, w, [u], p, ca.SX.sym("dt"))[2])
        return eliminated(np.array(ca.DM(G_w.sparsity(), 1)) != 0)

    @property
    def states(self) -> list[int]:
        """Which entry of the state every unknown is."""
        return [i % self._dynamics.nx for i in self.order]

    @property
    def nodes(self) -> list[float]:
        """Where in the interval, 0..1, every unknown is."""
        return [self.scheme.inner_nodes[i // self._dynamics.nx] for i in self.order]

    @property
    def end(self) -> list[int]:
        """Where among the unknowns the state at the interval's end is, entry by entry."""
        first = self.size - self._dynamics.nx
        return [self.order.index(first + i) for i in range(self._dynamics.nx)]

    def residual(self, x: ca.SX, u: ca.SX, x_next: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX]:
        """G (M,), its rows in the order of the unknowns, and the gap (ndx,)."""
        G = self.scheme.residual(self._dynamics, x, self._natural(), [u], p, dt)
        return G[self.order], self._dynamics.manifold.minus(self._natural()[-1], x_next)

    def linearized(self, x: ca.SX, u: ca.SX, x_next: ca.SX, p: ca.SX, dt: ca.SX, lift: ca.SX) -> LinearizedInterval:
        """The equations with their derivatives; `lift` (nx, ndx) is ∂(x ⊞ δ)/∂δ."""
        G, G_x, G_w, G_u = self.scheme.jacobians(self._dynamics, x, self._natural(), [u], p, dt)
        y = ca.SX.sym("y", self._dynamics.nx)
        gap = self._dynamics.manifold.minus(y, x_next)
        gap, gap_w = ca.Function("gap", [y, x_next], [gap, ca.jacobian(gap, y)])(self._natural()[-1], x_next)
        system = ca.horzcat(
            G_w[self.order, self.order],
            ca.densify(G[self.order]),
            ca.SX(self.size, padded(self.size + 1) - self.size - 1),
            G_u[self.order, :],
            (G_x @ lift)[self.order, :],
        )
        unused = padded(G_u.shape[1] + lift.shape[1]) - G_u.shape[1] - lift.shape[1]
        return LinearizedInterval(ca.sparsify(ca.horzcat(system, ca.SX(self.size, unused))), gap, gap_w)

    def _natural(self) -> list[ca.SX]:
        """w_1 … w_m."""
        place = np.argsort(self.order).tolist()
        result: list[ca.SX] = ca.vertsplit(self.symbol[place], self._dynamics.nx)
        return result


def eliminated(pattern: Pattern) -> tuple[list[int], Pattern]:
    """The order of pivots on the diagonal of a square pattern, and the pattern in that order with its fill-in.

    Every pivot is the one with the fewest entries left in its column, and of several the one with the fewest in its row.
    """
    filled = pattern | np.eye(len(pattern), dtype=bool)
    left = list(range(len(pattern)))
    order: list[int] = []
    while left:
        rows, columns = filled[:, left].sum(axis=1) - 1, filled[left].sum(axis=0) - 1
        pivot = min(left, key=lambda i: (columns[i], rows[i]))
        left.remove(pivot)
        order.append(pivot)
        below = [i for i in left if filled[i, pivot]]
        filled[np.ix_(below, left)] |= filled[pivot, left]
    return order, filled[np.ix_(order, order)]
