"""What a model is: x_dot = f(x, u, p), with names, units and a manifold."""

from __future__ import annotations

import abc
import hashlib
import math
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.model.manifold import Manifold
from mpc_controller.model.parameters import Parameter, Parameters


class Dynamics(abc.ABC):
    """ẋ = f(x, u, p) in SI units.

    x (nx,) lives on `manifold`; u (nu,); p (np,) holds `parameters` in their order. A subclass sets the attributes in
    its constructor or its body, and is ready when it exists.
    """

    name: str
    state_names: tuple[str, ...]
    state_units: tuple[str, ...]
    control_names: tuple[str, ...]
    control_units: tuple[str, ...]
    manifold: Manifold
    parameters: Parameters

    @abc.abstractmethod
    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        """f(x, u, p): (nx,), (nu,), (np,) → (nx,)."""

    @property
    def nx(self) -> int:
        return len(self.state_names)

    @property
    def nu(self) -> int:
        return len(self.control_names)

    @property
    def np(self) -> int:
        return len(self.parameters)

    def function(self) -> ca.Function:
        """f as a CasADi function (x, u, p) → xdot, for tests and tools; not for the loop."""
        x, u, p = ca.SX.sym("x", self.nx), ca.SX.sym("u", self.nu), ca.SX.sym("p", self.np)
        return ca.Function("xdot", [x, u, p], [self.xdot(x, u, p)], ["x", "u", "p"], ["xdot"])


class DifferentiatedDynamics(Dynamics):
    """Dynamics that know their own derivatives better than automatic differentiation does."""

    @abc.abstractmethod
    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        """f and its derivatives: f (nx,), ∂f/∂x (nx, nx), ∂f/∂u (nx, nu), sharing subexpressions."""


class TwiceDifferentiatedDynamics(DifferentiatedDynamics):
    """Dynamics that know their second derivatives better, too."""

    @abc.abstractmethod
    def second_derivatives(self, x: ca.SX, u: ca.SX, p: ca.SX, multiplier: ca.SX) -> ca.SX:
        """∂²(μᵀf)/∂(x, u)² (nx + nu, nx + nu), both triangles, for a multiplier μ (nx,)."""


def linearized(dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
    """f (nx,), ∂f/∂x (nx, nx), ∂f/∂u (nx, nu) of any dynamics, at any expressions x, u, p."""
    if isinstance(dynamics, DifferentiatedDynamics):
        return dynamics.jacobians(x, u, p)
    xs, us, ps = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu), ca.SX.sym("p", dynamics.np)
    f = dynamics.xdot(xs, us, ps)
    outputs = [f, ca.jacobian(f, xs), ca.jacobian(f, us)]
    # One Function call keeps the subexpressions shared between the value and the derivatives.
    free = ca.Function("linearized", [xs, us, ps], outputs)
    f, f_x, f_u = free(x, u, p)
    return f, f_x, f_u


def curvature(dynamics: Dynamics) -> ca.Function:
    """(x, u, p, μ) → ∂²(μᵀf)/∂(x, u)² (nx + nu, nx + nu) of any dynamics, both triangles.

    One function, which C code holds once, however often it is called.
    """
    x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
    p, multiplier = ca.SX.sym("p", dynamics.np), ca.SX.sym("mu", dynamics.nx)
    if isinstance(dynamics, TwiceDifferentiatedDynamics):
        hessian = dynamics.second_derivatives(x, u, p, multiplier)
    elif isinstance(dynamics, DifferentiatedDynamics):
        _, f_x, f_u = dynamics.jacobians(x, u, p)
        derivative = ca.jacobian(ca.horzcat(f_x, f_u).T @ multiplier, ca.vertcat(x, u))
        hessian = (derivative + derivative.T) / 2  # hand-written Jacobians may be off by rounding
    else:
        hessian = ca.hessian(ca.dot(multiplier, dynamics.xdot(x, u, p)), ca.vertcat(x, u))[0]
    outputs = ca.cse([ca.sparsify(hessian)])
    return ca.Function("curvature", [x, u, p, multiplier], outputs, {"never_inline": True})


@final
class DisturbedDynamics(TwiceDifferentiatedDynamics):
    """ẋ = f(x, u, p) + E d: a constant disturbance d on the named state derivatives, as parameters.

    What the model leaves out (a wrong mass, drag, a push) shows up as d; an estimator fits it, and the planner, which
    sees it as the parameters `disturbance.<state>`, plans with it. Source: Pannocchia, Rawlings, "Disturbance models for
    offset-free model-predictive control", 2003.

    `limits`, one a channel, are the largest |d| that are believed: they become the parameters' bounds, so that what the
    model knows nothing of (the ground under a standing quadrotor) is not taken for a push. `channel_map` is E (nx, nd).
    """

    def __init__(self, nominal: Dynamics, channels: tuple[str, ...], limits: tuple[float, ...] | None = None) -> None:
        unknown = [c for c in channels if c not in nominal.state_names]
        if unknown:
            raise ValueError(f"{nominal.name}: disturbance on {unknown}; states are {list(nominal.state_names)}")
        if limits is None:
            limits = (math.inf,) * len(channels)
        if len(limits) != len(channels) or not all(limit > 0 for limit in limits):
            raise ValueError(f"{nominal.name}: disturbance limits are {limits}; {len(channels)} numbers above 0, one a channel")
        self.nominal = nominal
        self.channels = channels
        self.name = nominal.name
        self.state_names, self.state_units = nominal.state_names, nominal.state_units
        self.control_names, self.control_units = nominal.control_names, nominal.control_units
        self.manifold = nominal.manifold
        units = dict(zip(nominal.state_names, nominal.state_units, strict=True))
        self.parameters = nominal.parameters + Parameters(
            tuple(
                Parameter(f"disturbance.{c}", 0.0, f"{units[c]}/s", -limit, limit, f"constant disturbance on d({c})/dt")
                for c, limit in zip(channels, limits, strict=True)
            )
        )
        self.channel_map = np.zeros((nominal.nx, len(channels)))
        for j, c in enumerate(channels):
            self.channel_map[nominal.state_names.index(c), j] = 1.0

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        n = self.nominal.np
        return self.nominal.xdot(x, u, p[:n]) + ca.sparsify(ca.SX(self.channel_map)) @ p[n:]

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        n = self.nominal.np
        f, f_x, f_u = linearized(self.nominal, x, u, p[:n])
        return f + ca.sparsify(ca.SX(self.channel_map)) @ p[n:], f_x, f_u

    def second_derivatives(self, x: ca.SX, u: ca.SX, p: ca.SX, multiplier: ca.SX) -> ca.SX:
        return curvature(self.nominal)(x, u, p[: self.nominal.np], multiplier)


def equations_hash(name: str, dynamics: Dynamics, measured: tuple[str, ...]) -> str:
    """Twelve hex digits of a machine's equations, names, manifold and measured states. Values of parameters are left out."""
    d = dynamics
    text = d.function().serialize() + repr((name, d.state_names, d.control_names, d.manifold, measured))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def knows_second_derivatives(dynamics: Dynamics) -> bool:
    """Whether the second derivatives, apart from those of disturbances, are hand-written and not automatic ones."""
    return isinstance(nominal_dynamics(dynamics), TwiceDifferentiatedDynamics)


def has_foreign_derivatives(dynamics: Dynamics) -> bool:
    """Whether the derivatives are hand-written outside this package, so that `xdot` alone does not determine them."""
    dynamics = nominal_dynamics(dynamics)
    return isinstance(dynamics, DifferentiatedDynamics) and not type(dynamics).__module__.startswith("mpc_controller.")


def nominal_dynamics(dynamics: Dynamics) -> Dynamics:
    """Without disturbances, whose parameters come behind those of the nominal model."""
    while isinstance(dynamics, DisturbedDynamics):
        dynamics = dynamics.nominal
    return dynamics
