"""The optimal control problem: what is wanted, never how."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics, nominal_dynamics
from mpc_controller.model.integrators import Integrator, has_foreign_linearization
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.model.residual.fused import FusedTerm, push
from mpc_controller.problem.constraint import Constraint
from mpc_controller.problem.cost import Cost, LeastSquares, ProblemError, cost_expression
from mpc_controller.problem.reachability import influence_of_controls, steerable_rows
from mpc_controller.problem.stage import Stage


@final
@dataclass(frozen=True)
class OptimalControlProblem:
    """min Σ_k dt_k Σ_j l_j(x_k, u_k) + Σ_j m_j(x_N)   over k = 0..N−1

        s.t. x₀ given,  x_{k+1} = F(x_k, u_k, p, dt_k),  lower ≤ g(x_k, u_k) ≤ upper

    with `path_costs` l_j, `terminal_costs` m_j, `path_constraints` (which hold at N too where they involve states alone)
    and `terminal_constraints` (at N alone). `grid` holds dt_k [s], N of them. `reference_names` names the entries of the
    reference r_k (nr,) that costs and constraints see; it changes with every call of a solver, as `parameters` may. With a
    `residual` F is the fused step (model/residual/fused.py), whose weights a solver is given at run time.
    """

    name: str
    dynamics: Dynamics
    integrator: Integrator
    grid: tuple[float, ...]
    path_costs: tuple[Cost, ...]
    terminal_costs: tuple[Cost, ...] = ()
    path_constraints: tuple[Constraint, ...] = ()
    terminal_constraints: tuple[Constraint, ...] = ()
    reference_names: tuple[str, ...] = ()
    extra_parameters: Parameters = field(default_factory=Parameters)
    residual: FusedTerm | None = None

    def __post_init__(self) -> None:
        if not self.grid or any(not (dt > 0 and math.isfinite(dt)) for dt in self.grid):
            raise ProblemError(f"problem '{self.name}': grid is {self.grid}; it needs at least one step, each above 0 s")
        for what, given in (("reference entries", self.reference_names), ("states", self.dynamics.state_names)):
            if len(set(given)) != len(given):
                raise ProblemError(f"problem '{self.name}': {what} named twice: {_twice(given)}")
        if not self.path_costs and not self.terminal_costs:
            raise ProblemError(f"problem '{self.name}': no cost; give at least one path or terminal cost")
        for terms in ((*self.path_costs, *self.terminal_costs), (*self.path_constraints, *self.terminal_constraints)):
            names = [term.name for term in terms]
            if len(set(names)) != len(names):
                raise ProblemError(f"problem '{self.name}': terms named twice: {_twice(names)}")
        self._check_dynamics()
        self._check_terms()
        self._check_fixed_end()

    @property
    def N(self) -> int:
        """Number of intervals."""
        return len(self.grid)

    @property
    def nr(self) -> int:
        return len(self.reference_names)

    @cached_property
    def times(self) -> Array:
        """(N+1,) seconds from the start of the horizon."""
        return np.concatenate([[0.0], np.cumsum(self.grid)])

    @cached_property
    def parameters(self) -> Parameters:
        """Everything that may change at run time, with nominal values: of the dynamics, then extra ones, then the
        weights `weight.<cost>[i]`, then the bounds `lower.<constraint>[i]`, `upper.<constraint>[i]` and, of soft
        constraints, the prices `soft_l1.<constraint>`, `soft_l2.<constraint>`, and of those with a chance
        `back_off.<constraint>`.

        Weights and prices are finite and at least 0; both prices 0 switch a soft constraint off. Of all parameters, bounds
        alone may be infinite."""
        table: list[Parameter] = []
        for cost in (*self.path_costs, *self.terminal_costs):
            if isinstance(cost, LeastSquares):
                table += [Parameter(f"weight.{cost.name}[{i}]", w, "", lower=0.0) for i, w in enumerate(cost.weights)]
        for constraint in (*self.path_constraints, *self.terminal_constraints):
            for side, bounds in (("lower", constraint.lower), ("upper", constraint.upper)):
                table += [
                    Parameter(f"{side}.{constraint.name}[{i}]", b, "", may_be_infinite=True) for i, b in enumerate(bounds)
                ]
            if constraint.soft:
                table.append(Parameter(f"soft_l1.{constraint.name}", constraint.soft.l1, "", lower=0.0))
                table.append(Parameter(f"soft_l2.{constraint.name}", constraint.soft.l2, "", lower=0.0))
            if constraint.chance is not None:
                table.append(Parameter(f"back_off.{constraint.name}", constraint.back_off, "", lower=0.0))
        return self.dynamics.parameters + self.extra_parameters + Parameters(tuple(table))

    def stage(self, x: ca.SX, u: ca.SX, p: ca.SX, reference: ca.SX) -> Stage:
        """A stage over the problem's parameter vector p (np,)."""
        return Stage(x, u, self.parameters.unpack(p), reference)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that the generated code depends on; values of parameters are not part of it."""
        x, u = ca.SX.sym("x", self.dynamics.nx), ca.SX.sym("u", self.dynamics.nu)
        p, r, dt = ca.SX.sym("p", len(self.parameters)), ca.SX.sym("r", self.nr), ca.SX.sym("dt")
        stage = self.stage(x, u, p, r)
        expressions = [self.integrator.step(self.dynamics, x, u, p[: self.dynamics.np], dt)]
        foreign = has_foreign_linearization(self.integrator, self.dynamics)
        if foreign:
            expressions += self.integrator.linearize(self.dynamics, x, u, p[: self.dynamics.np], dt)
        expressions += [cost_expression(cost, stage) for cost in (*self.path_costs, *self.terminal_costs)]
        constraints = (*self.path_constraints, *self.terminal_constraints)
        expressions += [c.expression(stage) for c in constraints]
        text = ca.Function("problem", [x, u, p, r, dt], expressions).serialize()
        if self.residual is not None:
            text += self._residual_text()
        layout = repr(
            (
                self.N,
                self.dynamics.manifold,
                type(self.dynamics).__qualname__,
                type(self.integrator).__qualname__ if foreign else self.integrator,
                self.parameters.names,
                [(c.name, type(c).__name__) for c in (*self.path_costs, *self.terminal_costs)],
                (len(self.path_costs), len(self.path_constraints)),
                [(c.name, len(c.lower), c.soft is None, c.chance is None) for c in constraints],
            )
        )
        return hashlib.sha256((text + layout).encode()).hexdigest()

    def _residual_text(self) -> str:
        """What of a residual shapes the generated code."""
        assert self.residual is not None
        port, physics = self.residual.port, nominal_dynamics(self.dynamics)
        x, u, p = ca.SX.sym("x", physics.nx), ca.SX.sym("u", physics.nu), ca.SX.sym("p", physics.np)
        r, dt = ca.SX.sym("r", port.nr), ca.SX.sym("dt")
        expressions = [port.features(x, u, p), push(physics, port, x, u, p, dt, r)]
        return str(ca.Function("residual", [x, u, p, dt, r], expressions).serialize()) + repr(self.residual.shape)

    def _check_dynamics(self) -> None:
        """The sizes that the model's names promise are those of its expression and manifold."""
        d = self.dynamics
        f = d.xdot(ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("p", d.np))
        if f.shape != (d.nx, 1):
            raise ProblemError(f"problem '{self.name}': {d.name}: xdot gives shape {f.shape}; expected ({d.nx}, 1)")
        if d.manifold.nx != d.nx:
            raise ProblemError(f"problem '{self.name}': {d.name} has {d.nx} states on a manifold of {d.manifold.nx} entries")

    def _check_fixed_end(self) -> None:
        """States that a hard terminal constraint fixes must be such that the controls can steer them there."""
        x, u = ca.SX.sym("x", self.dynamics.nx), ca.SX.sym("u", self.dynamics.nu)
        stage = self.stage(x, u, ca.SX.sym("p", len(self.parameters)), ca.SX.sym("r", self.nr))
        names: list[str] = []
        rows: list[ca.SX] = []
        for constraint in self.terminal_constraints:
            for i, (low, high) in enumerate(zip(constraint.lower, constraint.upper, strict=True)):
                if low == high and constraint.soft is None:
                    names.append(f"'{constraint.name}' row {i}")
                    rows.append(constraint.expression(stage)[i])
        if not rows:
            return
        influence = influence_of_controls(self.dynamics, self.integrator, self.N)
        unreached, rank = steerable_rows(ca.vertcat(*rows), x, influence)
        if unreached:
            fixed = ", ".join(names[i] for i in unreached)
            raise ProblemError(
                f"problem '{self.name}': terminal constraint {fixed} fixes what no control reaches within {self.N} steps"
            )
        if rank < len(rows):
            raise ProblemError(
                f"problem '{self.name}': the terminal constraints fix {len(rows)} values ({', '.join(names)}), of which "
                f"{self.N} steps with {self.dynamics.nu} controls can steer at most {rank}"
            )

    def _check_terms(self) -> None:
        """Evaluate every term once, so that a wrong size or a misspelt parameter fails here, by name."""
        x, u = ca.SX.sym("x", self.dynamics.nx), ca.SX.sym("u", self.dynamics.nu)
        p, r = ca.SX.sym("p", len(self.parameters)), ca.SX.sym("r", self.nr)
        stage = self.stage(x, u, p, r)
        own = {symbol.element_hash() for symbol in ca.symvar(ca.vertcat(x, u, p, r))}

        def check(term: str, value: ca.SX, rows: int, *, terminal: bool) -> None:
            if value.shape != (rows, 1):
                raise ProblemError(f"problem '{self.name}': {term} gives shape {value.shape}; expected ({rows}, 1)")
            foreign = [symbol.name() for symbol in ca.symvar(value) if symbol.element_hash() not in own]
            if foreign:
                raise ProblemError(
                    f"problem '{self.name}': {term} uses the symbols {foreign}, which are not of the stage; "
                    "it may use its x, u, parameters and reference"
                )
            if not _is_finite(value):
                raise ProblemError(f"problem '{self.name}': {term} holds a constant that is not a finite number")
            if terminal and ca.depends_on(value, u):
                raise ProblemError(f"problem '{self.name}': terminal {term} uses controls; there are none at N")

        for costs, terminal in ((self.path_costs, False), (self.terminal_costs, True)):
            for cost in costs:
                rows = len(cost.weights) if isinstance(cost, LeastSquares) else 1
                check(f"cost '{cost.name}'", cost_expression(cost, stage), rows, terminal=terminal)
        for constraints, terminal in ((self.path_constraints, False), (self.terminal_constraints, True)):
            for c in constraints:
                g = c.expression(stage)
                check(f"constraint '{c.name}'", g, len(c.lower), terminal=terminal)
                for i in range(len(c.lower)):
                    if not ca.depends_on(g[i], ca.vertcat(x, u)):
                        raise ProblemError(
                            f"problem '{self.name}': constraint '{c.name}' row {i} is on no state and no control"
                        )


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if list(names).count(name) > 1})


def _is_finite(expression: ca.SX) -> bool:
    """Whether all constants in an expression are finite numbers."""
    function = ca.Function("constants", ca.symvar(expression), [expression])
    constants = (i for i in range(function.n_instructions()) if function.instruction_id(i) == ca.OP_CONST)
    return all(math.isfinite(function.instruction_constant(i)) for i in constants)
