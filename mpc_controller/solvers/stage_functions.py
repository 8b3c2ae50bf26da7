"""From a problem to the functions that become C: one stage of the horizon, linearised in the tangent space."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import nominal_dynamics
from mpc_controller.model.integrators import has_foreign_linearization
from mpc_controller.model.residual.fused import push
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.cost import Cost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.collocation_stages import InnerStates, LinearizedInterval
from mpc_controller.solvers.layout import pad_rows
from mpc_controller.solvers.stage_curvature import StageCurvature

# The functions of a residual; kernels/fused_stages.h calls them.
FUSED = ("ocp_features", "ocp_features_value", "ocp_push", "ocp_push_value")


@final
@dataclass(frozen=True)
class Row:
    """One row of one constraint: lower ≤ g ≤ upper.

    `entry` is the position in z = (u, δx) where the row is that entry itself plus a constant (a bound); None for a row that
    needs its Jacobian. lower, upper, l1, l2, back_off are positions in the parameter vector; l1 = −1 for a hard row,
    back_off = −1 for one without a chance.
    """

    name: str
    constraint: Constraint
    index: int
    entry: int | None
    on_states_alone: bool
    lower: int
    upper: int
    l1: int
    l2: int
    back_off: int


@final
class StageFunctions:
    """CasADi functions of one stage, in the layout of kernels/ (column-major, leading dimensions padded to LANES).

        path(x, u, x⁺, p, r, dt)  → F(x,u) ⊟ x⁺, [B A]ᵀ, l, ∇l, ∇²l, g, ∇g     over z = (u, δx)
        terminal(x, p, r)         → m, ∇m, ∇²m, g, ∇g                            over δx
        path_value, terminal_value: the same without derivatives; plus(x, δ); minus(x, x⁺)

    With `adjoint` also one stage of back-propagation, multipliers π of the next state and μ of g (in its order) given:

        path_adjoint(x, u, x⁺, p, r, dt, π, μ) → ∇[dt·l + πᵀ(F(x,u) ⊟ x⁺) + μᵀg]      over z = (u, δx)
        terminal_adjoint(x, p, r, μ)           → ∇[m + μᵀg]                            over δx

    With a `scheme` of collocation the inner states w of the interval are one more input, of path and path_value, the last one:

        path(x, u, x⁺, p, r, dt, w)       → w_end ⊟ x⁺, entries of [G_w G 0 G_u G_x], l, ∇l, ∇²l, g, ∇g, ∂(w_end ⊟ x⁺)/∂w_end
        path_value(x, u, x⁺, p, r, dt, w) → w_end ⊟ x⁺, l, g, G

    With `curvature` also those of StageCurvature. Of a problem with a residual (kernels/fused_stages.h), whose part none of the
    others has, so that they are those of the physics alone:

        features(x, u, p)    → z, ∂z/∂z'                    push(x, u, p, dt, r)    → γ, ∂γ/∂r, ∂γ/∂z' at fixed r
        features_value, push_value: the same without derivatives                     over z' = (u, δx)

    ∇²l is JᵀWJ for least squares and the exact Hessian for general costs. Rows that are bounds on one entry of z come first
    in g and have no part in ∇g.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        *,
        adjoint: bool = False,
        curvature: bool = False,
        scheme: CollocationScheme | None = None,
    ) -> None:
        self.problem = problem
        self.curvature = curvature
        self.inner = None if scheme is None else InnerStates(scheme, problem.dynamics)
        self._adjoint = adjoint
        dynamics = problem.dynamics
        self.nx, self.ndx, self.nu = dynamics.nx, dynamics.manifold.ndx, dynamics.nu
        self._x, self._u = ca.SX.sym("x", self.nx), ca.SX.sym("u", self.nu)
        self._p, self._r = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr)
        self._next, self._dt = ca.SX.sym("x_next", self.nx), ca.SX.sym("dt")
        self._stage = problem.stage(self._x, self._u, self._p, self._r)
        # ∂(x ⊞ δ)/∂δ at δ = 0, (nx, ndx): from tangent to ambient coordinates.
        dx = ca.SX.sym("dx", self.ndx)
        at_zero = ca.Function("lift", [self._x, dx], [ca.jacobian(dynamics.manifold.plus(self._x, dx), dx)])
        self._lift = at_zero(self._x, ca.SX.zeros(self.ndx)) if self.ndx != self.nx else ca.SX.eye(self.nx)

    @property
    def variant(self) -> str:
        """What these functions hold beyond the problem itself, for the key of the library's cache."""
        transcription = "shooting" if self.inner is None else repr(self.inner.scheme)
        return transcription + ("-adjoint" if self._adjoint else "") + self._curvature_variant()

    @cached_property
    def path_rows(self) -> list[Row]:
        """Rows at k = 0..N−1 (those on states alone from k = 1), bounds first."""
        return self._sorted([row for c in self.problem.path_constraints for row in self._rows(c)])

    @cached_property
    def terminal_rows(self) -> list[Row]:
        """Rows at k = N: the path's rows on states alone and the terminal ones, bounds first."""
        on_states = [row for row in self.path_rows if row.on_states_alone]
        return self._sorted(on_states + [row for c in self.problem.terminal_constraints for row in self._rows(c)])

    def functions(self) -> list[ca.Function]:
        """All that the generated C file holds."""
        dx = ca.SX.sym("dx", self.ndx)
        manifold = self.problem.dynamics.manifold
        moved, gap = manifold.plus(self._x, dx), manifold.minus(self._x, self._next)
        return [
            self._path(),
            self._path_value(),
            self._terminal(),
            self._terminal_value(),
            ca.Function("ocp_plus", [self._x, dx], [ca.densify(moved)]),
            ca.Function("ocp_minus", [self._x, self._next], [ca.densify(gap)]),
            *((self._path_adjoint(), self._terminal_adjoint()) if self._adjoint else ()),
            *self._curvature(),
            *self._fused(),
        ]

    @cached_property
    def interval(self) -> LinearizedInterval | None:
        """The equations of the inner states on one interval, if there are any."""
        if self.inner is None:
            return None
        p = self._p[: self.problem.dynamics.np]
        return self.inner.linearized(self._x, self._u, self._next, p, self._dt, self._lift)

    def _fused(self) -> list[ca.Function]:
        if self.problem.residual is None:
            return []
        dynamics, port = self.problem.dynamics, self.problem.residual.port
        physics = nominal_dynamics(dynamics)
        p, r = self._p[: physics.np], ca.SX.sym("r", port.nr)
        z, gamma = port.features(self._x, self._u, p), push(physics, port, self._x, self._u, p, self._dt, r)
        at, moved = [self._x, self._u, self._p], [self._x, self._u, self._p, self._dt, r]
        z_slope = pad_rows(self._tangent_jacobian(z, with_controls=True).T)
        by_r, by_z = pad_rows(ca.jacobian(gamma, r)), pad_rows(self._tangent_jacobian(gamma, with_controls=True).T)
        return [
            ca.Function(name, inputs, ca.cse([ca.densify(o) for o in outputs]))
            for name, inputs, outputs in zip(
                FUSED, (at, at, moved, moved), ([z, z_slope], [z], [gamma, by_r, by_z], [gamma]), strict=True
            )
        ]

    def _curvature(self) -> list[ca.Function]:
        return StageCurvature(self.problem, self.path_rows, self.terminal_rows).functions() if self.curvature else []

    def _curvature_variant(self) -> str:
        if self.curvature and has_foreign_linearization(self.problem.integrator, self.problem.dynamics):
            # The problem's fingerprint does not know second derivatives that are written by hand.
            return "-curvature-" + hashlib.sha256(self._curvature()[0].serialize().encode()).hexdigest()
        return "-curvature" if self.curvature else ""

    def _path(self) -> ca.Function:
        inner: list[ca.SX] = []
        if self.interval is None:
            defect, transition = self._transition()
        else:
            defect, transition, inner = self.interval.gap, self.interval.entries, [self.interval.gap_w.T]
        cost, gradient, hessian = self._quadratic(self.problem.path_costs, with_controls=True)
        g, general = self._constraints(self.path_rows, with_controls=True)
        dt = self._dt
        outputs = [defect, transition, dt * cost, dt * gradient, pad_rows(dt * hessian), g, pad_rows(general), *inner]
        return self._function("path", outputs)

    def _transition(self) -> tuple[ca.SX, ca.SX]:
        """F(x, u) ⊟ x⁺ and [B A]ᵀ."""
        dynamics, manifold = self.problem.dynamics, self.problem.dynamics.manifold
        F, F_x, F_u = self.problem.integrator.linearize(dynamics, self._x, self._u, self._p[: dynamics.np], self._dt)
        if self.ndx == self.nx:
            return F - self._next, pad_rows(ca.vertcat(F_u.T, F_x.T))
        y = ca.SX.sym("y", self.nx)
        gap = manifold.minus(y, self._next)
        both = ca.Function("gap", [y, self._next], [gap, ca.jacobian(gap, y)])
        defect, d_gap = both(F, self._next)
        return defect, pad_rows(ca.vertcat((d_gap @ F_u).T, (d_gap @ F_x @ self._lift).T))

    def _path_value(self) -> ca.Function:
        dynamics, manifold = self.problem.dynamics, self.problem.dynamics.manifold
        p = self._p[: dynamics.np]
        inner: list[ca.SX] = []
        if self.inner is None:
            F = self.problem.integrator.step(dynamics, self._x, self._u, p, self._dt)
            defect = manifold.minus(F, self._next)
        else:
            G, defect = self.inner.residual(self._x, self._u, self._next, p, self._dt)
            inner = [G]
        g = ca.vertcat(*(self._value(row) for row in self.path_rows))
        return self._function("path_value", [defect, self._dt * self._total(self.problem.path_costs), g, *inner])

    def _terminal(self) -> ca.Function:
        cost, gradient, hessian = self._quadratic(self.problem.terminal_costs, with_controls=False)
        g, general = self._constraints(self.terminal_rows, with_controls=False)
        outputs = [cost, gradient, pad_rows(hessian), g, pad_rows(general)]
        return self._function("terminal", outputs, terminal=True)

    def _terminal_value(self) -> ca.Function:
        g = ca.vertcat(*(self._value(row) for row in self.terminal_rows))
        return self._function("terminal_value", [self._total(self.problem.terminal_costs), g], terminal=True)

    def _path_adjoint(self) -> ca.Function:
        dynamics = self.problem.dynamics
        F = self.problem.integrator.step(dynamics, self._x, self._u, self._p[: dynamics.np], self._dt)
        pi, mu = ca.SX.sym("pi", self.ndx), ca.SX.sym("mu", len(self.path_rows))
        g = ca.vertcat(*(self._value(row) for row in self.path_rows))
        lagrangian = self._dt * self._total(self.problem.path_costs) + ca.dot(mu, g)
        lagrangian += ca.dot(pi, dynamics.manifold.minus(F, self._next))
        # The gradient of a scalar is one reverse sweep through its expression: a few times the work of the value.
        by_u, by_x = ca.gradient(lagrangian, self._u), self._lift.T @ ca.gradient(lagrangian, self._x)
        inputs = [self._x, self._u, self._next, self._p, self._r, self._dt, pi, mu]
        return ca.Function("ocp_path_adjoint", inputs, ca.cse([ca.densify(ca.vertcat(by_u, by_x))]))

    def _terminal_adjoint(self) -> ca.Function:
        mu = ca.SX.sym("mu", len(self.terminal_rows))
        g = ca.vertcat(*(self._value(row) for row in self.terminal_rows))
        lagrangian = self._total(self.problem.terminal_costs) + ca.dot(mu, g)
        gradient = self._lift.T @ ca.gradient(lagrangian, self._x)
        return ca.Function("ocp_terminal_adjoint", [self._x, self._p, self._r, mu], ca.cse([ca.densify(gradient)]))

    def _function(self, name: str, outputs: list[ca.SX], *, terminal: bool = False) -> ca.Function:
        inputs = [self._x, self._p, self._r] if terminal else [self._x, self._u, self._next, self._p, self._r, self._dt]
        if self.inner is not None and not terminal:
            inputs.append(self.inner.symbol)
        return ca.Function(f"ocp_{name}", inputs, ca.cse([ca.densify(o) for o in outputs]))

    def _tangent_jacobian(self, expression: ca.SX, *, with_controls: bool) -> ca.SX:
        """∂e/∂z over z = (u, δx), or over δx alone."""
        on_states = ca.jacobian(expression, self._x) @ self._lift
        return ca.horzcat(ca.jacobian(expression, self._u), on_states) if with_controls else on_states

    def _quadratic(self, costs: tuple[Cost, ...], *, with_controls: bool) -> tuple[ca.SX, ca.SX, ca.SX]:
        """Value, gradient and (Gauss-Newton or exact) Hessian of a sum of costs over z."""
        size = self.ndx + (self.nu if with_controls else 0)
        gradient, hessian = ca.SX(size, 1), ca.SX(size, size)
        for cost in costs:
            if isinstance(cost, LeastSquares):
                residual, weights = cost.residual(self._stage), run_time_weights(self.problem, cost, self._p)
                J = self._tangent_jacobian(residual, with_controls=with_controls)
                WJ = ca.diag(weights) @ J
                gradient += WJ.T @ residual
                hessian += J.T @ WJ
            else:
                general = cost.value(self._stage)
                J = self._tangent_jacobian(general, with_controls=with_controls)
                gradient += J.T
                hessian += self._exact_hessian(general, with_controls=with_controls)
        return self._total(costs), gradient, hessian

    def _exact_hessian(self, value: ca.SX, *, with_controls: bool) -> ca.SX:
        """∂²l(x ⊞ δ, u)/∂z² at δ = 0."""
        dx, du = ca.SX.sym("dx", self.ndx), ca.SX.sym("du", self.nu)
        moved = ca.substitute([value], [self._x, self._u], [self.problem.dynamics.manifold.plus(self._x, dx), self._u + du])[0]
        z = ca.vertcat(du, dx) if with_controls else dx
        hessian = ca.hessian(moved, z)[0]
        return ca.substitute([hessian], [dx, du], [ca.SX.zeros(self.ndx), ca.SX.zeros(self.nu)])[0]

    def _total(self, costs: tuple[Cost, ...]) -> ca.SX:
        return total_cost(self.problem, costs, self._stage, self._p)

    def _constraints(self, rows: list[Row], *, with_controls: bool) -> tuple[ca.SX, ca.SX]:
        """Values of all rows, and transposed Jacobians of the general ones: one column a row."""
        g = ca.vertcat(*(self._value(row) for row in rows))
        general = ca.vertcat(*(self._value(row) for row in rows if row.entry is None))
        return g, self._tangent_jacobian(general, with_controls=with_controls).T

    def _value(self, row: Row) -> ca.SX:
        return row.constraint.expression(self._stage)[row.index]

    def _rows(self, constraint: Constraint) -> list[Row]:
        expression = constraint.expression(self._stage)
        parameters = self.problem.parameters
        rows = []
        on_states_alone = not ca.depends_on(expression, self._u)
        for i in range(len(constraint.lower)):
            J = ca.sparsify(self._tangent_jacobian(expression[i], with_controls=True))
            is_entry = J.nnz() == 1 and J.is_constant() and float(J[J.sparsity().row()[0], J.sparsity().get_col()[0]]) == 1.0
            rows.append(
                Row(
                    name=f"{constraint.name}[{i}]",
                    constraint=constraint,
                    index=i,
                    entry=J.sparsity().get_col()[0] if is_entry else None,
                    on_states_alone=on_states_alone,
                    lower=parameters.index(f"lower.{constraint.name}[{i}]"),
                    upper=parameters.index(f"upper.{constraint.name}[{i}]"),
                    l1=parameters.index(f"soft_l1.{constraint.name}") if constraint.soft else -1,
                    l2=parameters.index(f"soft_l2.{constraint.name}") if constraint.soft else -1,
                    back_off=parameters.index(f"back_off.{constraint.name}") if constraint.chance is not None else -1,
                )
            )
        return rows

    @staticmethod
    def _sorted(rows: list[Row]) -> list[Row]:
        return [r for r in rows if r.entry is not None] + [r for r in rows if r.entry is None]


def total_cost(problem: OptimalControlProblem, costs: tuple[Cost, ...], stage: Stage, p: ca.SX) -> ca.SX:
    """Σ of costs at a stage, with the weights that p holds."""
    value = ca.SX(0)
    for cost in costs:
        if isinstance(cost, LeastSquares):
            residual = cost.residual(stage)
            value += ca.dot(residual, run_time_weights(problem, cost, p) * residual) / 2
        else:
            value += cost.value(stage)
    return value


def run_time_weights(problem: OptimalControlProblem, cost: LeastSquares, p: ca.SX) -> ca.SX:
    """A cost's weights, as the vector of all parameters p holds them."""
    start = problem.parameters.index(f"weight.{cost.name}[0]")
    return p[start : start + len(cost.weights)]
