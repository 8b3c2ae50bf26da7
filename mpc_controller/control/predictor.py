"""The model as compiled code: one step ahead, and its derivatives in the tangent space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import casadi as ca

from mpc_controller.arrays import Array
from mpc_controller.control.fused_push import FusedPush
from mpc_controller.model.dynamics import DifferentiatedDynamics, DisturbedDynamics
from mpc_controller.model.integrators import Integrator
from mpc_controller.model.residual.fused import FusedTerm
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.tangent_maps import normalized, tangent_maps
from mpc_controller.native.function import NativeFunction
from mpc_controller.native.residual_code import PackedResidual


@final
class Predictor:
    """x⁺ = F(x, u, p, dt) with quaternions scaled back to unit length, and the derivatives of

        F(x ⊞ δ, u, p ⊕ s) ⊟ F(x, u, p)     in δ (A), u (B) and the slow parameters s (E) at δ = 0.

    x (nx,), u (nu,), p (np,) in the order of `dynamics.parameters`, dt [s]. `slow` names the parameters to differentiate by:
    all disturbances when None. The constructor compiles (or takes from the cache).

    With a `residual` F is the fused step F ⊞ γ (model/residual/fused.py), whose weights `load_residual` gives: before, there is
    no correction. A turns as if γ did not rotate, which it does by less than a milliradian.
    """

    def __init__(
        self,
        dynamics: DisturbedDynamics,
        integrator: Integrator,
        report: Callable[[str], None] = lambda line: None,
        slow: Sequence[str] | None = None,
        residual: FusedTerm | None = None,
    ) -> None:
        self.dynamics = dynamics
        self.slow = dynamics.parameters.names[dynamics.nominal.np :] if slow is None else tuple(slow)
        x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
        p, dt = ca.SX.sym("p", dynamics.np), ca.SX.sym("dt")
        x_next, A, B, E = _tangent_step(_Pushed(dynamics, self.slow), integrator, x, u, p, dt)
        self._step = NativeFunction(ca.Function("step", [x, u, p, dt], [x_next]), f"the prediction of {dynamics.name}", report)
        self._linearize = NativeFunction(
            ca.Function("linearize", [x, u, p, dt], [x_next, A, B, E]), f"the estimator of {dynamics.name}", report
        )

        self.push = None if residual is None else FusedPush(dynamics.nominal, residual, report)

    @property
    def residual(self) -> PackedResidual | None:
        """What is loaded; None without a residual."""
        return None if self.push is None else self.push.loaded

    def load_residual(self, residual: Residual) -> None:
        """ValueError when the model has none, or one of another shape."""
        if self.push is None:
            raise ValueError(f"the prediction of {self.dynamics.name} has no residual; given is one of {residual.robot}")
        self.push.load(residual)

    def step(self, x: Array, u: Array, p: Array, dt: float, packed: PackedResidual | None = None) -> Array:
        """x⁺ (nx,); with another residual than the loaded one where it is given."""
        x_next = self._step(x, u, p, (dt,))[0]
        if self.push is None:
            return x_next
        return self.dynamics.manifold.retract(x_next, self.push.value(x, u, p, dt, packed))

    def linearize(self, x: Array, u: Array, p: Array, dt: float) -> tuple[Array, Array, Array, Array]:
        """x⁺ (nx,), A (ndx, ndx), B (ndx, nu), E (ndx, slow)."""
        x_next, A, B, E = self._linearize(x, u, p, (dt,))
        ndx = len(A)
        A, B, E = A.reshape(ndx, -1), B.reshape(ndx, -1), E.reshape(ndx, -1)
        if self.push is None:
            return x_next, A, B, E
        gamma, by_x, by_u = self.push.linearize(x, u, p, dt)
        return self.dynamics.manifold.retract(x_next, gamma), A + by_x, B + by_u, E


@final
class _Pushed(DifferentiatedDynamics):
    """The slow parameters s as further controls (u, s), so that integrators carry their derivatives along as those of u."""

    def __init__(self, dynamics: DisturbedDynamics, slow: Sequence[str]) -> None:
        self._dynamics = dynamics
        self.places = [dynamics.parameters.index(name) for name in slow]
        self._slope = _slow_jacobian(dynamics, self.places)
        self.held = dynamics.nu
        self.name, self.manifold, self.parameters = dynamics.name, dynamics.manifold, dynamics.parameters
        self.state_names, self.state_units = dynamics.state_names, dynamics.state_units
        self.control_names = dynamics.control_names + tuple(slow)
        self.control_units = dynamics.control_units + tuple(dynamics.parameters[name].unit for name in slow)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return self._dynamics.xdot(x, u[: self.held], self._filled(u, p))

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        full = self._filled(u, p)
        f, f_x, f_u = self._dynamics.jacobians(x, u[: self.held], full)
        return f, f_x, ca.horzcat(f_u, self._slope(x, u[: self.held], full))

    def _filled(self, u: ca.SX, p: ca.SX) -> ca.SX:
        """p with the slow ones taken from the controls."""
        full = ca.SX(p)
        for k, place in enumerate(self.places):
            full[place] = u[self.held + k]
        return full


def _slow_jacobian(dynamics: DisturbedDynamics, places: Sequence[int]) -> ca.Function:
    """(x, u, p) ↦ ∂f/∂p (nx, slow) at these places of p: constant for disturbances, by differentiation for the others."""
    n = dynamics.nominal.np
    x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
    p = ca.SX.sym("p", dynamics.np)
    own = [place for place in places if place < n]
    f = dynamics.nominal.xdot(x, u, p[:n])
    slope = ca.horzcat(ca.SX(dynamics.nx, 0), *(ca.jacobian(f, p[place]) for place in own))
    channels = ca.sparsify(ca.SX(dynamics.channel_map))
    columns = [channels[:, place - n] if place >= n else slope[:, own.index(place)] for place in places]
    return ca.Function("slope", [x, u, p], [ca.horzcat(ca.SX(dynamics.nx, 0), *columns)])


def _tangent_step(
    pushed: _Pushed, integrator: Integrator, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX
) -> tuple[ca.SX, ca.SX, ca.SX, ca.SX]:
    """x⁺ and A, B, E by the chain rule: A = ∂(y ⊟ x⁺)/∂y · ∂F/∂x · ∂(x ⊞ δ)/∂δ."""
    raw, F_x, F_us = integrator.linearize(pushed, x, ca.vertcat(u, *(p[place] for place in pushed.places)), p, dt)
    F_u, F_s = F_us[:, : pushed.held], F_us[:, pushed.held :]
    lift, lower = tangent_maps(pushed.manifold)
    into = lower(raw)
    return normalized(pushed.manifold, raw), into @ F_x @ lift(x), into @ F_u, into @ F_s
