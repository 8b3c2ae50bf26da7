"""Feedback gains of a plan by the Riccati recursion in NumPy: offline, or beside solvers that have none of their own."""

from __future__ import annotations

from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.riccati import RegulatorError, finite_horizon_lqr
from mpc_controller.solvers.stage_functions import Row, StageFunctions

# A slack below this counts as this, so that the weights λ/s of active sides stay 1e7 multipliers at most.
_LEAST_SLACK = 1e-7


@final
class LinearFeedback:
    """K_k of u = u_k + K_k (x ⊟ x_k): the optimal feedback of the problem linearised along a plan, in tangent coordinates,

        K = −(R + BᵀPB)⁻¹ (S + BᵀPA),    [R S; Sᵀ Q] = dt ∇²l + Σ_sides w ∇g ∇gᵀ,

    with Gauss-Newton Hessians and the weight w = λ/s of an interior-point method for every side of every row (of a soft side
    with price l1 e + ½ l2 e² less of it), so that an active bound on a control takes that control out. A and B are the
    integrator's, or the collocation's by the implicit function theorem, [A B] = −G_w⁻¹ [G_x G_u] in the last inner state,
    where controls that are free within an interval move together.

    Source: Rawlings, Mayne, Diehl, "Model Predictive Control", 2017, section 8.8.
    """

    def __init__(self, functions: StageFunctions, scheme: CollocationScheme | None) -> None:
        generated = {function.name(): function for function in functions.functions()}
        problem, self._scheme = functions.problem, scheme
        self._nu, self._ndx, self._N = functions.nu, functions.ndx, problem.N
        self._path_rows, self._terminal_rows = _Sides(functions.path_rows), _Sides(functions.terminal_rows)
        self._path, self._terminal = generated["ocp_path"].map(problem.N), generated["ocp_terminal"]
        self._grid = np.array(problem.grid)[None, :]
        if scheme is None:
            return
        dynamics, manifold = problem.dynamics, problem.dynamics.manifold
        x, y, x_next = (ca.SX.sym(name, dynamics.nx) for name in ("x", "y", "x_next"))
        w, p, dt = ca.SX.sym("w", dynamics.nx * scheme.inner), ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("dt")
        d = ca.SX.sym("d", functions.ndx)
        lift = ca.Function("lift", [x, d], [ca.jacobian(manifold.plus(x, d), d)])(x, 0)
        gap = ca.Function("gap", [y, x_next], [ca.jacobian(manifold.minus(y, x_next), y)])(w[-dynamics.nx :], x_next)
        self._interval: dict[int, ca.Function] = {}
        for nodes in {1, len(scheme.nodes)}:
            u = ca.SX.sym("u", dynamics.nu * nodes)
            inner, at_nodes = ca.vertsplit(w, dynamics.nx), ca.vertsplit(u, dynamics.nu)
            _, G_x, G_w, G_u = scheme.jacobians(dynamics, x, inner, at_nodes, p[: dynamics.np], dt)
            together = ca.repmat(ca.SX.eye(dynamics.nu), nodes, 1)
            outputs = [ca.densify(o) for o in (G_w, ca.horzcat(G_u @ together, G_x @ lift), gap)]
            self._interval[nodes] = ca.Function("interval", [x, w, u, x_next, p, dt], ca.cse(outputs)).map(problem.N)

    def gains(
        self,
        states: Array,
        controls: Array,
        inner: Array,
        node_controls: Array,
        parameters: Array,
        reference: Array,
        multipliers: Array,
    ) -> Array:
        """(N, nu, ndx) of a plan; `inner` (N, m, nx) and `node_controls` (N, nodes, nu) matter for a collocation only.

        Zeros where the linearised problem has no unique minimum.
        """
        nu, N, n_path = self._nu, self._N, len(self._path_rows)
        hessian, g, general = (np.asarray(o) for o in self._terminal(states[N], parameters, reference[N])[2:])
        at_end = (g.T, general[None, : self._ndx].transpose(0, 2, 1), multipliers[None, N * n_path :])
        P = hessian[: self._ndx] + self._terminal_rows.hessian(*at_end, parameters, nu)[0]
        p = np.tile(parameters[:, None], N)
        outputs = self._path(states[:-1].T, controls.T, states[1:].T, p, reference[:-1].T, self._grid)
        _, transition, _, _, hessian, g, general = (np.asarray(output) for output in outputs[:7])
        nz = nu + self._ndx
        g, weighted = g.T, multipliers[: N * n_path].reshape(N, n_path)
        H = _by_interval(hessian, N)[:, :nz].copy()
        H += self._path_rows.hessian(g, _by_interval(general, N)[:, :nz].transpose(0, 2, 1), weighted, parameters, 0)
        if self._scheme is None:
            BA = _by_interval(transition, N)[:, :nz].transpose(0, 2, 1)
        else:
            BA = self._collocated(states, inner, node_controls, p)
        A, B, Q, R, S = BA[:, :, nu:], BA[:, :, :nu], H[:, nu:, nu:], H[:, :nu, :nu], H[:, nu:, :nu]
        try:
            return finite_horizon_lqr(A, B, Q, R, P, S=S).gains
        except RegulatorError:
            return np.zeros((N, nu, self._ndx))

    def _collocated(self, states: Array, inner: Array, node_controls: Array, p: Array) -> Array:
        """[B A] (N, ndx, nu + ndx) of all intervals."""
        N, nx = self._N, states.shape[1]
        interval = self._interval[node_controls.shape[1]]
        outputs = interval(states[:-1].T, inner.reshape(N, -1).T, node_controls.reshape(N, -1).T, states[1:].T, p, self._grid)
        G_w, G_z, gap = (_by_interval(np.asarray(output), N) for output in outputs)
        moved: Array = -gap @ np.linalg.solve(G_w, G_z)[:, -nx:]
        return moved


@final
class _Sides:
    """The rows of one kind of stage, as what their active sides add to its Hessian."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._lower, self._upper, self._l1, self._l2 = (
            np.array([getattr(row, name) for row in rows], dtype=int) for name in ("lower", "upper", "l1", "l2")
        )
        self._entries = [row.entry for row in rows if row.entry is not None]

    def __len__(self) -> int:
        return len(self._rows)

    def hessian(self, g: Array, general: Array, multipliers: Array, parameters: Array, first: int) -> Array:
        """Σ w ∇g ∇gᵀ (stages, nz, nz); `general` (stages, rows, nz): ∇g of rows that are no bounds; z starts at `first`."""
        weights = self._weights(g, multipliers, parameters)
        bounds = np.zeros((len(g), len(self._entries), general.shape[2]))
        bounds[:, np.arange(len(self._entries)), np.array(self._entries, dtype=int) - first] = 1.0
        jacobian = np.concatenate([bounds, general], axis=1)
        result: Array = np.einsum("kri,kr,krj->kij", jacobian, weights, jacobian)
        return result

    def _weights(self, g: Array, multipliers: Array, parameters: Array) -> Array:
        """w = λ/s of the side that presses, (stages, rows). Of a soft one w H/(H + w), H = l2 + ν/e with λ + ν = l1 + l2 e."""
        gap = np.where(multipliers > 0, parameters[self._upper] - g, g - parameters[self._lower])
        pressing = np.abs(multipliers)
        weight = pressing / np.maximum(gap, _LEAST_SLACK)
        violation = np.maximum(-gap, 0.0)
        l1, l2 = (np.where(self._l1 >= 0, parameters[price], 0.0) for price in (self._l1, self._l2))
        H = l2 + np.maximum(l1 + l2 * violation - pressing, 0.0) / np.maximum(violation, _LEAST_SLACK)
        soft = (self._l1 >= 0) & (weight > 0)
        weights: Array = np.where(soft, weight * H / np.where(soft, H + weight, 1.0), weight)
        return weights


def _by_interval(columns: Array, N: int) -> Array:
    """The output of a mapped function, matrices side by side, as (N, rows, columns)."""
    return columns.reshape(columns.shape[0], N, -1).transpose(1, 0, 2)
