"""The model as compiled code: one step ahead, and its derivatives in the tangent space."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import casadi as ca

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import DifferentiatedDynamics, DisturbedDynamics
from mpc_controller.model.integrators import Integrator
from mpc_controller.model.manifold import Manifold
from mpc_controller.native.function import NativeFunction


@final
class Predictor:
    """x⁺ = F(x, u, p, dt) with quaternions scaled back to unit length, and the derivatives of

        F(x ⊞ δ, u, p ⊕ d) ⊟ F(x, u, p)     in δ (A), u (B) and the disturbance parameters d (E) at δ = 0.

    x (nx,), u (nu,), p (np,) in the order of `dynamics.parameters`, dt [s]. The constructor compiles (or takes from the cache).
    """

    def __init__(
        self, dynamics: DisturbedDynamics, integrator: Integrator, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.dynamics = dynamics
        x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
        p, dt = ca.SX.sym("p", dynamics.np), ca.SX.sym("dt")
        x_next, A, B, E = _tangent_step(dynamics, integrator, x, u, p, dt)
        self._step = NativeFunction(ca.Function("step", [x, u, p, dt], [x_next]), f"the prediction of {dynamics.name}", report)
        self._linearize = NativeFunction(
            ca.Function("linearize", [x, u, p, dt], [x_next, A, B, E]), f"the estimator of {dynamics.name}", report
        )

    def step(self, x: Array, u: Array, p: Array, dt: float) -> Array:
        """x⁺ (nx,)."""
        return self._step(x, u, p, (dt,))[0]

    def linearize(self, x: Array, u: Array, p: Array, dt: float) -> tuple[Array, Array, Array, Array]:
        """x⁺ (nx,), A (ndx, ndx), B (ndx, nu), E (ndx, nd)."""
        x_next, A, B, E = self._linearize(x, u, p, (dt,))
        ndx = len(A)
        return x_next, A.reshape(ndx, -1), B.reshape(ndx, -1), E.reshape(ndx, -1)


@final
class _Pushed(DifferentiatedDynamics):
    """The disturbance as further controls (u, d), so that integrators carry its derivatives along as they do those of u."""

    def __init__(self, dynamics: DisturbedDynamics) -> None:
        self._dynamics = dynamics
        self.name, self.manifold, self.parameters = dynamics.name, dynamics.manifold, dynamics.nominal.parameters
        self.state_names, self.state_units = dynamics.state_names, dynamics.state_units
        self.control_names = dynamics.control_names + tuple(f"disturbance.{channel}" for channel in dynamics.channels)
        self.control_units = dynamics.control_units + ("",) * len(dynamics.channels)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        nu = self._dynamics.nu
        return self._dynamics.xdot(x, u[:nu], ca.vertcat(p, u[nu:]))

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        nu = self._dynamics.nu
        f, f_x, f_u = self._dynamics.jacobians(x, u[:nu], ca.vertcat(p, u[nu:]))
        return f, f_x, ca.horzcat(f_u, ca.sparsify(ca.SX(self._dynamics.channel_map)))


def _tangent_step(
    dynamics: DisturbedDynamics, integrator: Integrator, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX
) -> tuple[ca.SX, ca.SX, ca.SX, ca.SX]:
    """x⁺ and A, B, E by the chain rule: A = ∂(y ⊟ x⁺)/∂y · ∂F/∂x · ∂(x ⊞ δ)/∂δ."""
    pushed, nominal = _Pushed(dynamics), dynamics.nominal.np
    raw, F_x, F_ud = integrator.linearize(pushed, x, ca.vertcat(u, p[nominal:]), p[:nominal], dt)
    F_u, F_d = F_ud[:, : dynamics.nu], F_ud[:, dynamics.nu :]
    lift, lower = _tangent_maps(dynamics.manifold)
    into = lower(raw)
    return _normalized(dynamics.manifold, raw), into @ F_x @ lift(x), into @ F_u, into @ F_d


def _tangent_maps(manifold: Manifold) -> tuple[ca.Function, ca.Function]:
    """x ↦ ∂(x ⊞ δ)/∂δ at δ = 0 (nx, ndx), and x ↦ ∂(y ⊟ x)/∂y at y = x (ndx, nx)."""
    x, y, delta = ca.SX.sym("x", manifold.nx), ca.SX.sym("y", manifold.nx), ca.SX.sym("delta", manifold.ndx)
    plus = ca.Function("plus", [x, delta], [ca.jacobian(manifold.plus(x, delta), delta)])
    minus = ca.Function("minus", [y, x], [ca.jacobian(manifold.minus(y, x), y)])
    return (
        ca.Function("lift", [x], [plus(x, ca.SX.zeros(manifold.ndx))]),
        ca.Function("lower", [x], [minus(x, x)]),
    )


def _normalized(manifold: Manifold, x: ca.SX) -> ca.SX:
    result = ca.SX(x)
    for start in manifold.quaternions:
        block = slice(start, start + 4)
        result[block] = x[block] / ca.norm_2(x[block])
    return result
