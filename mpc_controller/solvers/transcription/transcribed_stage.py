"""One interval of a problem as a CasADi function: where it leads, what it must meet and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.tangent_maps import normalized
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.stage_functions import Row, total_cost


@final
@dataclass(frozen=True)
class RowInstance:
    """One row at one node of an interval: `index` is the row's among the solver's, `value` its position among the values of
    the interval, `share` its part in the interval's price, `entry` the entry of (X, U) that it is, None where it is not one."""

    row: Row
    index: int
    value: int
    share: float
    entry: int | None


@final
@dataclass(frozen=True)
class SortedRows:
    """The instances that hold in an interval: bounds on entries of (X, U), other hard ones, and soft ones."""

    bounds: tuple[RowInstance, ...]
    general: tuple[RowInstance, ...]
    soft: tuple[RowInstance, ...]

    @staticmethod
    def of(instances: list[RowInstance]) -> SortedRows:
        """An entry takes one bound; what else is said of it is a general row."""
        bounds: dict[int, RowInstance] = {}
        general, soft = [], []
        for instance in instances:
            if instance.row.l1 >= 0:
                soft.append(instance)
            elif instance.entry is None or instance.entry in bounds:
                general.append(instance)
            else:
                bounds[instance.entry] = instance
        return SortedRows(tuple(bounds.values()), tuple(general), tuple(soft))


@final
@dataclass(frozen=True)
class _Node:
    """A point of an interval where costs and rows may be looked at, with its weight in the quadrature."""

    weight: float
    x: ca.SX
    u: ca.SX
    r: ca.SX


@final
class TranscribedStage:
    """function: (X, U, w, p, r, r⁺, dt) → X⁺, G, cost of the interval, values of the rows' instances.

    X = (x, v) where neighbours share the control at the grid point, v, else x. U holds the controls of the interval other than
    v, node after node, or the one that is held; w the inner states. x⁺ has unit quaternions.
    """

    def __init__(
        self, problem: OptimalControlProblem, scheme: CollocationScheme | None, rows: list[Row], *, free: bool, quadrature: bool
    ) -> None:
        dynamics = problem.dynamics
        self.nx, self.nu = dynamics.nx, dynamics.nu
        self.inner = scheme.inner if scheme else 0
        self.nodes = len(scheme.nodes) if scheme and free else 1
        self.shares_controls = bool(scheme and free and scheme.has_both_ends)
        self.size_X = self.nx + (self.nu if self.shares_controls else 0)
        self.size_U = self.nu * (self.nodes - self.shares_controls)
        X, U = ca.SX.sym("X", self.size_X), ca.SX.sym("U", self.size_U)
        w = ca.SX.sym("w", self.nx * self.inner)
        p, dt = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("dt")
        r, r_next = ca.SX.sym("r", problem.nr), ca.SX.sym("r_next", problem.nr)
        x, controls = X[: self.nx], ca.vertsplit(ca.vertcat(X[self.nx :], U), self.nu)
        physical, states = p[: dynamics.np], [x]
        if scheme:
            inner = ca.vertsplit(w, self.nx)
            following, G = inner[-1], scheme.residual(dynamics, x, inner, controls, physical, dt)
            states = scheme.states(dynamics, x, inner, controls, physical, dt)
        else:
            following, G = problem.integrator.step(dynamics, x, controls[0], physical, dt), ca.SX(0, 1)
        start = [_Node(1.0, x, controls[0], r)]
        nodes = start
        if scheme:
            between = zip(scheme.weights.tolist(), scheme.nodes, states, scheme.controls(controls), strict=True)
            nodes = [_Node(weight, s, u, (1 - c) * r + c * r_next) for weight, c, s, u in between]
        looked_at = nodes if quadrature else start
        stages = [problem.stage(node.x, node.u, p, node.r) for node in looked_at]
        costs = [total_cost(problem, problem.path_costs, stage, p) for stage in stages]
        terms = [node.weight * cost for node, cost in zip(looked_at, costs, strict=True)]
        cost = dt * ca.sum1(ca.vertcat(*terms))
        entries = {symbol.element_hash(): i for i, symbol in enumerate(ca.vertsplit(ca.vertcat(X, U)))}
        values = self._placed(problem, rows, start[0], nodes if free else start, p, entries)
        x_next = normalized(problem.dynamics.manifold, following)
        X_next = ca.vertcat(x_next, controls[-1] if self.shares_controls else ca.SX(0, 1))
        outputs = [X_next, G, cost, ca.vertcat(ca.SX(0, 1), *values)]
        self.function = ca.Function("interval", [X, U, w, p, r, r_next, dt], ca.cse([ca.densify(o) for o in outputs]))

    def _placed(
        self,
        problem: OptimalControlProblem,
        rows: list[Row],
        start: _Node,
        nodes: list[_Node],
        p: ca.SX,
        entries: dict[int, int],
    ) -> list[ca.SX]:
        """Values of all rows, those on states alone at the start, others at every node; sorts out which hold where."""
        first: list[RowInstance] = []
        later: list[RowInstance] = []
        values: list[ca.SX] = []
        for index, row in enumerate(rows):
            for j, node in enumerate([start] if row.on_states_alone else nodes):
                value = _value(row, problem.stage(node.x, node.u, p, node.r))
                entry = _entry(row, value, entries)
                if row.on_states_alone:
                    later.append(RowInstance(row, index, len(values), 1.0, entry))
                else:
                    # The given first state is fixed by its bounds: a row that is one of its entries stays a row.
                    instance = RowInstance(row, index, len(values), node.weight, None if (entry or 0) < self.nx else entry)
                    first.append(instance)
                    if j > 0 or not self.shares_controls:  # a shared node holds as the end of the interval before
                        later.append(instance)
                values.append(value)
        self._first, self._later = SortedRows.of(first), SortedRows.of(later)
        return values

    def rows_at(self, k: int) -> SortedRows:
        """The rows that hold in interval k: those on states alone from k = 1 on."""
        return self._first if k == 0 else self._later


@final
class TranscribedTerminal:
    """function: (X, p, r) → cost at the end, values of the `rows`."""

    def __init__(self, problem: OptimalControlProblem, rows: list[Row], size_X: int) -> None:
        X, u = ca.SX.sym("X", size_X), ca.SX.sym("u", problem.dynamics.nu)
        p, r = ca.SX.sym("p", len(problem.parameters)), ca.SX.sym("r", problem.nr)
        x = X[: problem.dynamics.nx]
        entries = {symbol.element_hash(): i for i, symbol in enumerate(ca.vertsplit(x))}
        stage = problem.stage(x, u, p, r)
        values = [_value(row, stage) for row in rows]
        self.rows = SortedRows.of(
            [
                RowInstance(row, i, i, 1.0, _entry(row, value, entries))
                for i, (row, value) in enumerate(zip(rows, values, strict=True))
            ]
        )
        outputs = [total_cost(problem, problem.terminal_costs, stage, p), ca.vertcat(ca.SX(0, 1), *values)]
        self.function = ca.Function("terminal", [X, p, r], ca.cse([ca.densify(o) for o in outputs]))


def _value(row: Row, stage: Stage) -> ca.SX:
    return row.constraint.expression(stage)[row.index]


def _entry(row: Row, value: ca.SX, entries: dict[int, int]) -> int | None:
    """The entry of (X, U) that a hard inequality is; None where it is an expression, or an equality: a fixed state as a bound
    would be kept at the expense of the dynamics, and the row that cannot hold would not be named."""
    is_equality = row.constraint.lower[row.index] == row.constraint.upper[row.index]
    return entries.get(value.element_hash()) if value.is_symbolic() and row.l1 < 0 and not is_equality else None
