"""Discretisation: one step x⁺ = F(x, u, p, dt) with the control held, and its derivatives."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics, has_foreign_derivatives, linearized


class Integrator(abc.ABC):
    """x⁺ = F(x, u, p, dt) for ẋ = f(x, u, p) with u held over the step. Expressions in, expressions out."""

    @abc.abstractmethod
    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        """F: (nx,)."""

    @abc.abstractmethod
    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        """F (nx,), ∂F/∂x (nx, nx), ∂F/∂u (nx, nu), in ambient coordinates."""


@final
@dataclass(frozen=True)
class ExplicitEuler(Integrator):
    """x⁺ = x + dt f(x, u). Order 1."""

    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        return x + dt * dynamics.xdot(x, u, p)

    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        f, f_x, f_u = linearized(dynamics, x, u, p)
        return x + dt * f, ca.SX.eye(dynamics.nx) + dt * f_x, dt * f_u


@final
@dataclass(frozen=True)
class RungeKutta4(Integrator):
    """The classical Runge-Kutta method, order 4, `steps` equal steps per interval."""

    steps: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"RungeKutta4: steps is {self.steps}; it must be at least 1")

    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        h = dt / self.steps
        for _ in range(self.steps):
            k1 = dynamics.xdot(x, u, p)
            k2 = dynamics.xdot(x + h / 2 * k1, u, p)
            k3 = dynamics.xdot(x + h / 2 * k2, u, p)
            k4 = dynamics.xdot(x + h * k3, u, p)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x

    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        """Forward sensitivities through the stages: K_i = ∂k_i/∂(x, u) by the chain rule."""
        h = dt / self.steps
        A, B = ca.SX.eye(dynamics.nx), ca.SX(dynamics.nx, dynamics.nu)
        for _ in range(self.steps):
            k1, f_x, f_u = linearized(dynamics, x, u, p)
            K1x, K1u = f_x @ A, f_x @ B + f_u
            k2, f_x, f_u = linearized(dynamics, x + h / 2 * k1, u, p)
            K2x, K2u = f_x @ (A + h / 2 * K1x), f_x @ (B + h / 2 * K1u) + f_u
            k3, f_x, f_u = linearized(dynamics, x + h / 2 * k2, u, p)
            K3x, K3u = f_x @ (A + h / 2 * K2x), f_x @ (B + h / 2 * K2u) + f_u
            k4, f_x, f_u = linearized(dynamics, x + h * k3, u, p)
            K4x, K4u = f_x @ (A + h * K3x), f_x @ (B + h * K3u) + f_u
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            A = A + h / 6 * (K1x + 2 * K2x + 2 * K3x + K4x)
            B = B + h / 6 * (K1u + 2 * K2u + 2 * K3u + K4u)
        return x, A, B


@final
@dataclass(frozen=True)
class ImplicitMidpoint(Integrator):
    """x⁺ = x + dt f((x + x⁺)/2, u). Order 2, A-stable, symplectic.

    Solved by `newton_iterations` full Newton steps from the explicit Euler point. The derivatives come from the implicit
    function theorem at the result, M ∂x⁺/∂x = I + dt/2 f_x and M ∂x⁺/∂u = dt f_u with M = I − dt/2 f_x.
    """

    newton_iterations: int = 3

    def __post_init__(self) -> None:
        if self.newton_iterations < 1:
            raise ValueError(f"ImplicitMidpoint: newton_iterations is {self.newton_iterations}; it must be at least 1")

    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        x_next = x + dt * dynamics.xdot(x, u, p)
        identity = ca.SX.eye(dynamics.nx)
        for _ in range(self.newton_iterations):
            f, f_x, _ = linearized(dynamics, (x + x_next) / 2, u, p)
            x_next = x_next - ca.solve(identity - dt / 2 * f_x, x_next - x - dt * f)
        return x_next

    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        x_next = self.step(dynamics, x, u, p, dt)
        _, f_x, f_u = linearized(dynamics, (x + x_next) / 2, u, p)
        identity = ca.SX.eye(dynamics.nx)
        derivative = ca.solve(identity - dt / 2 * f_x, ca.horzcat(identity + dt / 2 * f_x, dt * f_u))
        return x_next, derivative[:, : dynamics.nx], derivative[:, dynamics.nx :]


def has_foreign_linearization(integrator: Integrator, dynamics: Dynamics) -> bool:
    """Whether `linearize` is, or calls, code from outside this package, so that `step` alone does not determine it."""
    return has_foreign_derivatives(dynamics) or not type(integrator).__module__.startswith("mpc_controller.")
