"""The motion that a collocation found, between the nodes too."""

from __future__ import annotations

from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import CollocationScheme
from mpc_controller.solvers.transcription.nonlinear_programme import NodalSolution


@final
class CollocationPolynomials:
    """x̃(τ), its slope and ũ(τ) on every interval, 0 ≤ τ ≤ 1, of a NodalSolution; all in ambient coordinates.

    `degree` is that of x̃.
    """

    def __init__(
        self, problem: OptimalControlProblem, scheme: CollocationScheme, nodal: NodalSolution, parameters: Array
    ) -> None:
        self.problem, self.scheme = problem, scheme
        self.degree = len(scheme.nodes)
        dynamics, N = problem.dynamics, problem.N
        self._steps = np.array(problem.grid)
        self._states = nodal.solution.trajectory.states[:-1]
        self._controls = np.repeat(nodal.controls, len(scheme.nodes) // nodal.controls.shape[1], axis=1)
        self._p = parameters[: dynamics.np]
        x, p, dt = ca.SX.sym("x", dynamics.nx), ca.SX.sym("p", dynamics.np), ca.SX.sym("dt")
        w, u = ca.SX.sym("w", dynamics.nx * scheme.inner), ca.SX.sym("u", dynamics.nu * len(scheme.nodes))
        _, rates = scheme.stages(dynamics, x, ca.vertsplit(w, dynamics.nx), ca.vertsplit(u, dynamics.nu), p, dt)
        at_nodes = ca.Function("rates", [x, w, u, p, dt], [ca.densify(ca.vertcat(*rates))])
        stacked = at_nodes.map(N)(
            self._states.T,
            nodal.inner.reshape(N, -1).T,
            self._controls.reshape(N, -1).T,
            np.tile(self._p[:, None], N),
            self._steps[None],
        )
        self._rates = np.asarray(stacked).T.reshape(N, len(scheme.nodes), dynamics.nx)
        self._xdot = dynamics.function()

    def states(self, tau: float) -> Array:
        """x̃(τ) of all intervals, (N, nx)."""
        moved: Array = self._steps[:, None] * np.einsum("j,kjx->kx", self.scheme.integrals(tau), self._rates)
        return self._states + moved

    def rates(self, tau: float) -> Array:
        """dx̃/dt at τ of all intervals, (N, nx)."""
        rates: Array = np.einsum("j,kjx->kx", self.scheme.interpolation(tau), self._rates)
        return rates

    def controls(self, tau: float) -> Array:
        """ũ(τ) of all intervals, (N, nu)."""
        controls: Array = np.einsum("j,kju->ku", self.scheme.interpolation(tau), self._controls)
        return controls

    def residuals(self, tau: float) -> Array:
        """dx̃/dt − f(x̃, ũ) at τ of all intervals, (N, nx): 0 at the nodes."""
        N = self.problem.N
        f = self._xdot.map(N)(self.states(tau).T, self.controls(tau).T, np.tile(self._p[:, None], N))
        return self.rates(tau) - np.asarray(f).T
