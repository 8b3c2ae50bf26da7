"""From a problem to a nonlinear programme whose variables and rows stand interval by interval, with the map back."""

from __future__ import annotations

from typing import Literal, final, get_args

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.options import check_choice
from mpc_controller.solvers.stage_functions import StageFunctions
from mpc_controller.solvers.transcription.transcribed_stage import (
    RowInstance,
    SortedRows,
    TranscribedStage,
    TranscribedTerminal,
)

Controls = Literal["held", "free"]
Objective = Literal["grid", "quadrature"]


@final
class Transcription:
    """min f(z, θ) over z = (X_0, U_0, X_1, U_1 … X_N, U_N), θ = (p, r_0 … r_N), subject to, interval after interval,

        X_{k+1} − Φ(X_k, U_k) = 0,    G(X_k, U_k) = 0,    lower ≤ g(X_k, U_k) ≤ upper,

    the form that FATROP eliminates by a Riccati recursion; `structure` holds the sizes that it wants to know. X_k is the
    state; U_k holds controls, inner states of the collocation and slacks of soft rows. Without a `scheme` Φ is the problem's
    integrator (multiple shooting); with one it is the last inner state, and G are the collocation equations. Either is scaled
    back to unit quaternions.

    `controls`: "held" over the interval, or "free" at every node of the scheme. Then rows on controls hold at every node, and
    where start and end of an interval are nodes, neighbours share the control between them, which X_k carries. `objective`:
    the problem's own sum over the "grid", or ∫ l dt by the scheme's "quadrature", where references run linearly between grid
    points. Hard rows that are a state or control itself are bounds on z; a soft row is two, value + e ≥ lower and
    value − e ≤ upper with e ≥ 0 in U_k, whose price a node counts by its weight.

    Tables of positions, one row each: `bounds` (entry of z, lower, upper, multiplier), `hard` (row of g, lower, upper,
    multiplier), `soft` (two rows of g, entry of e, lower, upper, l1, l2, multiplier): lower … l2 are positions in p, and
    multiplier one in `Solution.multipliers`. `states` (N+1, nx), `controls` (N, nodes, nu) and `inner` (N, m, nx) are entries
    of z; `gaps` and `equations` rows of g.

    Source of the form: Vanroye, Sathya, De Schutter, Decré, "FATROP: a fast constrained optimal control problem solver for
    robot trajectory optimization and control", 2023.
    """

    def __init__(
        self,
        problem: OptimalControlProblem,
        scheme: CollocationScheme | None = None,
        controls: Controls = "held",
        objective: Objective = "grid",
    ) -> None:
        check_choice("Transcription", "controls", controls, get_args(Controls))
        check_choice("Transcription", "objective", objective, get_args(Objective))
        if not isinstance(scheme, CollocationScheme | None):
            raise ValueError(f"Transcription: scheme is {scheme!r}; it must be one of the CollocationSchemes, or None")
        if scheme is None and (controls == "free" or objective == "quadrature"):
            raise ValueError(f"controls '{controls}' and objective '{objective}' need a collocation scheme")
        if controls == "free" and objective == "grid":
            raise ValueError("free controls need objective 'quadrature': the sum over the grid sees one control an interval")
        self.problem, self.scheme = problem, scheme
        self.functions = StageFunctions(problem)
        free, quadrature = controls == "free", objective == "quadrature"
        self._stage = TranscribedStage(problem, scheme, self.functions.path_rows, free=free, quadrature=quadrature)
        self._terminal = TranscribedTerminal(problem, self.functions.terminal_rows, self._stage.size_X)
        self.multiplier_count = problem.N * len(self.functions.path_rows) + len(self.functions.terminal_rows)
        self._assemble()
        self.size, self.size_g = self.nlp["x"].numel(), self.nlp["g"].numel()

    @property
    def structure(self) -> dict[str, int | list[int]]:
        """FATROP's names for the sizes of X_k (nx) and U_k (nu), and for the rows other than the dynamics (ng)."""
        N, stage, terminal = self.problem.N, self._stage, self._terminal.rows
        rows, inner = [stage.rows_at(k) for k in range(N)], stage.inner * stage.nx
        return {
            "N": N,
            "nx": [stage.size_X] * (N + 1),
            "nu": [stage.size_U + inner + len(r.soft) for r in rows] + [len(terminal.soft)],
            "ng": [inner + len(r.general) + 2 * len(r.soft) for r in rows] + [len(terminal.general) + 2 * len(terminal.soft)],
        }

    def _assemble(self) -> None:
        """The programme, variable by variable and row by row, with the positions of all of them."""
        problem, N, stage = self.problem, self.problem.N, self._stage
        builder = _Builder(len(self.functions.path_rows))
        p, R = ca.MX.sym("p", len(problem.parameters)), ca.MX.sym("R", problem.nr, N + 1)
        X = [ca.MX.sym("X", stage.size_X) for _ in range(N + 1)]
        U = [ca.MX.sym("U", stage.size_U) for _ in range(N)]
        w = [ca.MX.sym("w", stage.nx * stage.inner) for _ in range(N)]
        # One mapped call for all intervals, so that interpreted and compiled code are loops.
        mapped = stage.function.map(N)(
            ca.horzcat(*X[:N]), ca.horzcat(*U), ca.horzcat(*w), ca.repmat(p, 1, N), R[:, :N], R[:, 1:], ca.DM(problem.grid).T
        )
        following, G, _, values = (ca.horzsplit(output) for output in mapped)
        at_end, values_at_end = self._terminal.function(X[N], p, R[:, N])
        builder.cost += ca.sum2(mapped[2]) + at_end
        at_X, controls, inner, gaps, equations = [], [], [], [], []
        for k in range(N):
            at_X.append(builder.add_variables(X[k]))
            at_U = builder.add_variables(U[k])
            controls.append(np.concatenate([at_X[k][stage.nx :], at_U]))
            inner.append(builder.add_variables(w[k]))
            gaps.append(builder.add_rows(X[k + 1] - following[k]))
            equations.append(builder.add_rows(G[k]))
            builder.add_constraints(k, stage.rows_at(k), np.concatenate([at_X[k], at_U]), values[k], p)
        at_X.append(builder.add_variables(X[N]))
        builder.add_constraints(N, self._terminal.rows, at_X[N], values_at_end, p)
        self.nlp = {"x": ca.vertcat(*builder.z), "p": ca.vertcat(p, ca.vec(R)), "f": builder.cost, "g": ca.vertcat(*builder.g)}
        self.states, self.gaps, self.equations = np.stack(at_X)[:, : stage.nx], np.concatenate(gaps), np.concatenate(equations)
        self.controls = np.stack(controls).reshape(N, stage.nodes, stage.nu)
        self.inner = np.stack(inner).reshape(N, stage.inner, stage.nx)
        self.bounds, self.hard, self.soft = (_table(rows, n) for rows, n in zip(builder.tables, (4, 4, 8), strict=True))

    def start(self, x0: Array, states: Array, controls: Array) -> Array:
        """z of a guess: inner states on the chord, every node with the interval's control."""
        z = np.zeros(self.size)
        manifold = self.problem.dynamics.manifold
        states = states.copy()
        states[0] = x0
        first_carried = self.states[-1, -1] + 1
        z[first_carried : first_carried + self._stage.size_X - self._stage.nx] = controls[-1][
            : self._stage.size_X - self._stage.nx
        ]
        z[self.states] = states
        z[self.controls] = controls[:, None, :]
        if self.scheme:
            fractions = np.array(self.scheme.inner_nodes)[None, :, None]
            chords = states[:-1, None, :] + fractions * (states[1:] - states[:-1])[:, None, :]
            z[self.inner] = manifold.normalized(chords)
        return z

    def limits(self, x0: Array, parameters: Array) -> tuple[Array, Array, Array, Array]:
        """Lower and upper bounds of z, then of g. A soft row whose prices are both 0 is off: free, with a slack of 0."""
        low_z, high_z = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        low_g, high_g = np.zeros(self.size_g), np.zeros(self.size_g)
        low_z[self.states[0]] = high_z[self.states[0]] = x0
        low_z[self.bounds[:, 0]], high_z[self.bounds[:, 0]] = parameters[self.bounds[:, 1]], parameters[self.bounds[:, 2]]
        low_g[self.hard[:, 0]], high_g[self.hard[:, 0]] = parameters[self.hard[:, 1]], parameters[self.hard[:, 2]]
        above, below, slack, lower, upper, l1, l2, _ = self.soft.T
        on = parameters[l1] + parameters[l2] > 0
        low_g[above], high_g[above] = np.where(on, parameters[lower], -np.inf), np.inf
        low_g[below], high_g[below] = -np.inf, np.where(on, parameters[upper], np.inf)
        low_z[slack], high_z[slack] = 0.0, np.where(on, np.inf, 0.0)
        return low_z, high_z, low_g, high_g


@final
class _Builder:
    """The programme as it grows: variables, rows, cost, and the tables of positions."""

    def __init__(self, rows_a_stage: int) -> None:
        self._rows_a_stage = rows_a_stage
        self._sizes = [0, 0]
        self.z: list[ca.MX] = []
        self.g: list[ca.MX] = []
        self.cost = ca.MX(0)
        self.tables: tuple[list[list[int]], list[list[int]], list[list[int]]] = ([], [], [])  # bounds, hard, soft

    def add_variables(self, symbols: ca.MX) -> IntArray:
        """Their entries of z."""
        self.z.append(symbols)
        self._sizes[0] += symbols.numel()
        return np.arange(self._sizes[0] - symbols.numel(), self._sizes[0])

    def add_rows(self, expressions: ca.MX) -> IntArray:
        """Their rows of g."""
        self.g.append(expressions)
        self._sizes[1] += expressions.numel()
        return np.arange(self._sizes[1] - expressions.numel(), self._sizes[1])

    def add_constraints(self, k: int, rows: SortedRows, entries: IntArray, values: ca.MX, p: ca.MX) -> None:
        """The rows of stage k with its slacks, given the entries of z that its (X, U) are."""
        bounds, hard, soft = self.tables
        multiplier = k * self._rows_a_stage
        for i in rows.bounds:
            assert i.entry is not None
            bounds.append([int(entries[i.entry]), i.row.lower, i.row.upper, multiplier + i.index])
        for place, i in zip(self.add_rows(_chosen(values, rows.general)), rows.general, strict=True):
            hard.append([int(place), i.row.lower, i.row.upper, multiplier + i.index])
        e, value = ca.MX.sym("e", len(rows.soft)), _chosen(values, rows.soft)
        places = np.stack([self.add_rows(value + e), self.add_rows(value - e), self.add_variables(e)], axis=1)
        for n, i in enumerate(rows.soft):
            soft.append([*places[n].tolist(), i.row.lower, i.row.upper, i.row.l1, i.row.l2, multiplier + i.index])
            self.cost += i.share * (p[i.row.l1] * e[n] + p[i.row.l2] * e[n] ** 2 / 2)


def _chosen(values: ca.MX, instances: tuple[RowInstance, ...]) -> ca.MX:
    return values[[i.value for i in instances]] if instances else ca.MX(0, 1)


def _table(rows: list[list[int]], columns: int) -> IntArray:
    return np.array(rows, dtype=np.int64).reshape(-1, columns)
