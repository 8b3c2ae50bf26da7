"""The discretised model with its derivatives with respect to state and parameters, and what the sensors see, as expressions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import casadi as ca

from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.dynamics import DifferentiatedDynamics, linearized
from mpc_controller.model.parameters import Parameter
from mpc_controller.model.tangent_maps import normalized, tangent_maps

DELAY = "control_delay"


@final
@dataclass(frozen=True)
class Unknowns:
    """θ: the estimated parameters of the model, then the nuisances: delay of the commands, biases and lags of the sensors.

    `held` are the model's other parameters.
    """

    structure: ModelStructure
    delay: bool

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        return self.structure.estimated

    @cached_property
    def biases(self) -> tuple[str, ...]:
        return tuple(f"bias.{name}" for name in self.structure.biased)

    @cached_property
    def lags(self) -> tuple[str, ...]:
        return tuple(f"lag.{name}" for name in self.structure.lagged)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return (*self.parameters, *((DELAY,) if self.delay else ()), *self.biases, *self.lags)

    @cached_property
    def held(self) -> tuple[str, ...]:
        return tuple(name for name in self.structure.dynamics.parameters.names if name not in self.parameters)

    @cached_property
    def table(self) -> tuple[Parameter, ...]:
        """Every unknown as a parameter, with its nominal value, bounds and prior."""
        s = self.structure
        units = dict(zip(s.dynamics.state_names, s.dynamics.state_units, strict=True))
        model = tuple(s.dynamics.parameters[name] for name in self.parameters)
        delay = (Parameter(DELAY, 0.0, "s", 0.0, s.delay_limit_s),) if self.delay else ()
        biases = tuple(Parameter(name, 0.0, units[name.partition(".")[2]]) for name in self.biases)
        lags = tuple(Parameter(name, 0.0, "s", -0.05, 0.05) for name in self.lags)
        return (*model, *delay, *biases, *lags)


@final
class _Forced(DifferentiatedDynamics):
    """The estimated parameters as further controls (u, θ_p): integrators carry their derivatives as they do those of u."""

    def __init__(self, unknowns: Unknowns) -> None:
        dynamics = unknowns.structure.dynamics
        self._dynamics, self._unknowns = dynamics, unknowns
        self.name, self.manifold = dynamics.name, dynamics.manifold
        self.parameters = dynamics.parameters
        self.state_names, self.state_units = dynamics.state_names, dynamics.state_units
        self.control_names = dynamics.control_names + unknowns.parameters
        self.control_units = dynamics.control_units + tuple(dynamics.parameters[name].unit for name in unknowns.parameters)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        nu = self._dynamics.nu
        return self._dynamics.xdot(x, u[:nu], model_parameters(self._unknowns, u[nu:], p))

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        d, nu = self._dynamics, self._dynamics.nu
        theta = ca.SX.sym("theta", len(self._unknowns.parameters))
        xs, us, held = ca.SX.sym("x", d.nx), ca.SX.sym("u", nu), ca.SX.sym("held", p.numel())
        full = model_parameters(self._unknowns, theta, held)
        f, f_x, f_u = linearized(d, xs, us, full)
        f_theta = ca.jacobian(d.xdot(xs, us, full), theta)
        apart = {"never_inline": True} if isinstance(d, DifferentiatedDynamics) else {}
        outputs = [ca.sparsify(e) for e in ca.cse([f, f_x, f_u, f_theta])]
        function = ca.Function("forced", [xs, us, theta, held], outputs, apart)
        f, f_x, f_u, f_theta = function(x, u[:nu], u[nu:], p)
        return f, f_x, ca.horzcat(f_u, f_theta)


def model_parameters(unknowns: Unknowns, theta: ca.SX, held: ca.SX) -> ca.SX:
    """p (np,) in the model's order from θ, whose first entries are the estimated parameters, and the held ones."""
    entries = [
        theta[unknowns.parameters.index(name)] if name in unknowns.parameters else held[unknowns.held.index(name)]
        for name in unknowns.structure.dynamics.parameters.names
    ]
    return ca.vertcat(*entries) if entries else ca.SX(0, 1)


def fit_functions(unknowns: Unknowns) -> list[ca.Function]:
    """The generated half of native/kernels/output_error.h, every derivative sparse and in the tangent space of the state.

    oe_value   (x, u, θ, held, dt, ∂dt/∂delay) → x⁺
    oe_step    … → x⁺, ∂x⁺/∂x (ndx, ndx), ∂x⁺/∂θ (ndx, nθ)
    oe_residual (x, y, u, θ, held) → y ⊟ h(x, θ), for u held until now
    oe_output  … → the same, ∂/∂x (nres, ndx), ∂/∂θ (nres, nθ)
    """
    s = unknowns.structure
    d, manifold = s.dynamics, s.dynamics.manifold
    x, u, slope = ca.SX.sym("x", d.nx), ca.SX.sym("u", d.nu), ca.SX.sym("slope")
    theta, held = ca.SX.sym("theta", len(unknowns.names)), ca.SX.sym("held", len(unknowns.held))
    y, dt = ca.SX.sym("y", len(s.measured)), ca.SX.sym("dt")
    count = len(unknowns.parameters)
    forced = _Forced(unknowns)
    raw, F_x, F_v = s.integrator.linearize(forced, x, ca.vertcat(u, theta[:count]), held, dt)
    lift, lower = tangent_maps(manifold)
    into = lower(raw)
    p = model_parameters(unknowns, theta, held)
    delay = [d.xdot(raw, u, p) * slope] if unknowns.delay else []  # of the exact flow, which RK4 is to order 4
    nuisances = ca.SX(d.nx, len(unknowns.biases) + len(unknowns.lags))
    F_theta = ca.horzcat(F_v[:, d.nu :], *delay, nuisances)
    inputs = [x, u, theta, held, dt, slope]
    value = normalized(manifold, s.integrator.step(d, x, u, p, dt))
    step = [normalized(manifold, raw), into @ F_x @ lift(x), into @ F_theta]
    seen = [x, y, u, theta, held]
    residual = _residual(unknowns, *seen)
    delta = ca.SX.sym("delta", manifold.ndx)
    moved = ca.Function("moved", seen, [residual])
    by_state = ca.jacobian(moved(manifold.plus(x, delta), *seen[1:]), delta)
    at_zero = ca.Function("at_zero", [*seen, delta], [by_state])
    output = [residual, at_zero(*seen, ca.SX.zeros(manifold.ndx)), ca.jacobian(residual, theta)]
    return [
        ca.Function("oe_value", inputs, [ca.densify(value)]),
        ca.Function("oe_step", inputs, [ca.densify(step[0]), *(ca.sparsify(e) for e in step[1:])]),
        ca.Function("oe_residual", seen, [ca.densify(residual)]),
        ca.Function("oe_output", seen, [ca.densify(output[0]), *(ca.sparsify(e) for e in output[1:])]),
    ]


def _residual(unknowns: Unknowns, x: ca.SX, y: ca.SX, u: ca.SX, theta: ca.SX, held: ca.SX) -> ca.SX:
    """y ⊟ (h(x) ⊞ bias): the measured entries, block by block; those of a lagged sensor at x a little earlier, under u."""
    s = unknowns.structure
    manifold, names = s.dynamics.manifold, unknowns.names
    shown = ca.SX(x)
    p = model_parameters(unknowns, theta, held)
    for lag in unknowns.lags:
        index = s.dynamics.state_names.index(lag.partition(".")[2])
        shown[index] = s.integrator.step(s.dynamics, x, u, p, -theta[names.index(lag)])[index]
    for bias in unknowns.biases:
        index = s.dynamics.state_names.index(bias.partition(".")[2])
        shown[index] += theta[names.index(bias)]
    seen = ca.SX(shown)
    for column, index in enumerate(s.measured_indices):
        seen[index] = y[column]
    return ca.vertcat(*(manifold.minus(seen, shown)[i] for i in s.tangent_indices))
