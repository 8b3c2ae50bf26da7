"""The second derivatives that Gauss-Newton leaves out, of one stage of the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import casadi as ca

from mpc_controller.problem.cost import Cost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.layout import pad_rows

if TYPE_CHECKING:
    from mpc_controller.solvers.stage_functions import Row


@final
class StageCurvature:
    """What the Lagrangian's Hessian holds beyond the ∇²l of StageFunctions, over z = (u, δx), in the layout of kernels/.

        curvature(x, u, x⁺, p, r, dt, π, μ)  → ∇²[dt·l + πᵀ(F(x,u) ⊟ x⁺) + μᵀg] − dt·∇²l
        terminal_curvature(x, p, r, μ)       → ∇²[m + μᵀg] − ∇²m                              over δx

    with multipliers π (ndx,) of the dynamics and μ of the rows g, in their order. x⁺ is held: where F(x,u) = x⁺, moving it too
    adds a term in ξ × δx⁺ for every quaternion, ξ the change of F, which vanishes on all steps that keep the dynamics.
    """

    def __init__(self, problem: OptimalControlProblem, path_rows: Sequence[Row], terminal_rows: Sequence[Row]) -> None:
        self._problem = problem
        self._path_rows, self._terminal_rows = path_rows, terminal_rows
        dynamics = problem.dynamics
        self._x, self._u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
        self._p, self._r = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr)
        self._stage = problem.stage(self._x, self._u, self._p, self._r)

    def functions(self) -> list[ca.Function]:
        """`ocp_curvature` and `ocp_terminal_curvature`."""
        return [self._path(), self._terminal()]

    def _path(self) -> ca.Function:
        dynamics, dt = self._problem.dynamics, ca.SX.sym("dt")
        x_next, pi = ca.SX.sym("x_next", dynamics.nx), ca.SX.sym("pi", dynamics.manifold.ndx)
        mu = ca.SX.sym("mu", len(self._path_rows))
        hessian, gradient = self._terms(self._problem.path_costs, dt, self._path_rows, mu)
        of_dynamics, gradient_of_dynamics = self._dynamics(x_next, dt, pi)
        hessian = self._in_tangent_space(hessian + of_dynamics, gradient + gradient_of_dynamics)
        inputs = [self._x, self._u, x_next, self._p, self._r, dt, pi, mu]
        return ca.Function("ocp_curvature", inputs, ca.cse([ca.densify(pad_rows(hessian))]))

    def _terminal(self) -> ca.Function:
        mu = ca.SX.sym("mu", len(self._terminal_rows))
        hessian, gradient = self._terms(self._problem.terminal_costs, ca.SX(1), self._terminal_rows, mu)
        nu = self._problem.dynamics.nu
        hessian = self._in_tangent_space(hessian, gradient)[nu:, nu:]
        inputs = [self._x, self._p, self._r, mu]
        return ca.Function("ocp_terminal_curvature", inputs, ca.cse([ca.densify(pad_rows(hessian))]))

    def _terms(self, costs: tuple[Cost, ...], scale: ca.SX, rows: Sequence[Row], mu: ca.SX) -> tuple[ca.SX, ca.SX]:
        """Of scale·Σ wᵢ rᵢ(x, u) with its factors wᵢ rᵢ held, plus μᵀg: Hessian over (u, x) and gradient by x.

        General costs have no part: their Hessian is exact already.
        """
        pairs = [(mu, ca.vertcat(*(row.constraint.expression(self._stage)[row.index] for row in rows)))]
        for cost in costs:
            if isinstance(cost, LeastSquares):
                residual = cost.residual(self._stage)
                start = self._problem.parameters.index(f"weight.{cost.name}[0]")
                pairs.append((scale * self._p[start : start + len(cost.weights)] * residual, residual))
        factors = [ca.SX.sym("factor", value.numel()) for _, value in pairs]
        total = sum((ca.dot(factor, value) for factor, (_, value) in zip(factors, pairs, strict=True)), start=ca.SX(0))
        hessian = ca.hessian(total, ca.vertcat(self._u, self._x))[0]
        expressions = ca.substitute([hessian, ca.gradient(total, self._x)], factors, [factor for factor, _ in pairs])
        return expressions[0], expressions[1]

    def _dynamics(self, x_next: ca.SX, dt: ca.SX, pi: ca.SX) -> tuple[ca.SX, ca.SX]:
        """Of πᵀ(F(x,u) ⊟ x⁺): Hessian over (u, x) and gradient by x, both in ambient coordinates."""
        dynamics, integrator = self._problem.dynamics, self._problem.integrator
        x, u, p = self._x, self._u, self._p[: self._problem.dynamics.np]
        if not dynamics.manifold.quaternions:
            return _controls_first(integrator.second_derivatives(dynamics, x, u, p, dt, pi), dynamics.nx), ca.SX(dynamics.nx, 1)
        F, F_x, F_u = integrator.linearize(dynamics, x, u, p, dt)
        y = ca.SX.sym("y", dynamics.nx)
        of_gap, gradient = ca.hessian(ca.dot(pi, dynamics.manifold.minus(y, x_next)), y)
        of_gap, multiplier = ca.Function("gap", [y, x_next, pi], [of_gap, gradient])(F, x_next, pi)
        J = ca.horzcat(F_u, F_x)
        hessian = _controls_first(integrator.second_derivatives(dynamics, x, u, p, dt, multiplier), dynamics.nx)
        return hessian + ca.triu2symm(ca.triu(J.T @ of_gap @ J)), F_x.T @ multiplier

    def _in_tangent_space(self, hessian: ca.SX, gradient: ca.SX) -> ca.SX:
        """Over (u, δx) at δx = 0, from the Hessian over (u, x) and the gradient by x: TᵀHT + Σᵢ gᵢ ∂²(x ⊞ δ)ᵢ/∂δ²."""
        manifold, nu = self._problem.dynamics.manifold, self._problem.dynamics.nu
        if not manifold.quaternions:
            return hessian
        dx, g = ca.SX.sym("dx", manifold.ndx), ca.SX.sym("g", manifold.nx)
        moved = manifold.plus(self._x, dx)
        parts = [ca.jacobian(moved, dx), ca.hessian(ca.dot(g, moved), dx)[0]]
        at_zero = ca.Function("lift", [self._x, dx, g], parts)
        lift, bend = at_zero(self._x, ca.SX.zeros(manifold.ndx), gradient)
        T = ca.diagcat(ca.SX.eye(nu), lift)
        return ca.triu2symm(ca.triu(T.T @ hessian @ T)) + ca.diagcat(ca.SX(nu, nu), bend)


def _controls_first(hessian: ca.SX, nx: int) -> ca.SX:
    """Over (u, x) what was over (x, u)."""
    order = [*range(nx, hessian.shape[0]), *range(nx)]
    return hessian[order, order]
