"""Discretisation: one step x⁺ = F(x, u, p, dt) with the control held, and its derivatives."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics, curvature, has_foreign_derivatives, linearized


class Integrator(abc.ABC):
    """x⁺ = F(x, u, p, dt) for ẋ = f(x, u, p) with u held over the step. Expressions in, expressions out."""

    @abc.abstractmethod
    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        """F: (nx,)."""

    @abc.abstractmethod
    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        """F (nx,), ∂F/∂x (nx, nx), ∂F/∂u (nx, nu), in ambient coordinates."""

    @abc.abstractmethod
    def second_derivatives(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, multiplier: ca.SX) -> ca.SX:
        """∂²(λᵀF)/∂(x, u)² (nx + nu, nx + nu), both triangles, in ambient coordinates, for a multiplier λ (nx,)."""


@final
@dataclass(frozen=True)
class ExplicitEuler(Integrator):
    """x⁺ = x + dt f(x, u). Order 1."""

    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        return x + dt * dynamics.xdot(x, u, p)

    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        f, f_x, f_u = linearized(dynamics, x, u, p)
        return x + dt * f, ca.SX.eye(dynamics.nx) + dt * f_x, dt * f_u

    def second_derivatives(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, multiplier: ca.SX) -> ca.SX:
        return curvature(dynamics)(x, u, p, dt * multiplier)


@final
@dataclass(frozen=True)
class _Stage:
    """One evaluation of f within a step: x_i, its derivative X_i = ∂x_i/∂(x, u), k_i = f(x_i, u), K_i = ∂k_i/∂(x, u), ∂f/∂x."""

    x: ca.SX
    X: ca.SX
    k: ca.SX
    K: ca.SX
    f_x: ca.SX


_REACH = (0.0, 0.5, 0.5, 1.0)  # x_i = x + reach h k_{i−1}
_SHARE = (1 / 6, 1 / 3, 1 / 3, 1 / 6)  # x⁺ = x + h Σ share k_i


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
        """Forward sensitivities through the stages, by the chain rule."""
        x, X, _ = self._sweep(dynamics, x, u, p, dt)
        return x, X[:, : dynamics.nx], X[:, dynamics.nx :]

    def second_derivatives(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, multiplier: ca.SX) -> ca.SX:
        """Σ_i W_iᵀ ∂²(μ_iᵀf)/∂(x, u)² W_i over the stages of all steps, with W_i = ∂(x_i, u)/∂(x, u).

        The adjoints μ_i = ∂(λᵀF)/∂k_i come from a backward sweep.
        """
        _, _, steps = self._sweep(dynamics, x, u, p, dt)
        h, second = dt / self.steps, curvature(dynamics)
        held = ca.horzcat(ca.SX(dynamics.nu, dynamics.nx), ca.SX.eye(dynamics.nu))
        hessian = ca.SX(dynamics.nx + dynamics.nu, dynamics.nx + dynamics.nu)
        for stages in reversed(steps):
            at_end, by_stage = multiplier, ca.SX(dynamics.nx, 1)  # ∂(λᵀF)/∂x⁺ and ∂(λᵀF)/∂x_{i+1}
            for i in reversed(range(4)):
                by_slope = _SHARE[i] * h * at_end + (_REACH[i + 1] * h * by_stage if i < 3 else 0)
                W = ca.vertcat(stages[i].X, held)
                hessian += _congruence(second(stages[i].x, u, p, by_slope), W)
                by_stage = stages[i].f_x.T @ by_slope
                multiplier += by_stage
        return hessian

    def _sweep(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, list[list[_Stage]]]:
        """x⁺, ∂x⁺/∂(x, u), and the stages of every step."""
        h = dt / self.steps
        X = ca.horzcat(ca.SX.eye(dynamics.nx), ca.SX(dynamics.nx, dynamics.nu))
        steps: list[list[_Stage]] = []
        for _ in range(self.steps):
            stages: list[_Stage] = []
            for reach in _REACH:
                x_i = x + reach * h * stages[-1].k if stages else x
                X_i = X + reach * h * stages[-1].K if stages else X
                k, f_x, f_u = linearized(dynamics, x_i, u, p)
                K = f_x @ X_i + ca.horzcat(ca.SX(dynamics.nx, dynamics.nx), f_u)
                stages.append(_Stage(x_i, X_i, k, K, f_x))
            first, second, third, fourth = stages
            x = x + h / 6 * (first.k + 2 * second.k + 2 * third.k + fourth.k)
            X = X + h / 6 * (first.K + 2 * second.K + 2 * third.K + fourth.K)
            steps.append(stages)
        return x, X, steps


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

    def second_derivatives(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, multiplier: ca.SX) -> ca.SX:
        """The implicit function theorem once more: dt Wᵀ ∂²(νᵀf)/∂(x, u)² W at the mid-point m, with ν = M⁻ᵀλ and
        W = ∂(m, u)/∂(x, u)."""
        x_next, A, B = self.linearize(dynamics, x, u, p, dt)
        middle, identity = (x + x_next) / 2, ca.SX.eye(dynamics.nx)
        _, f_x, _ = linearized(dynamics, middle, u, p)
        adjoint = ca.solve((identity - dt / 2 * f_x).T, multiplier)
        held = ca.horzcat(ca.SX(dynamics.nu, dynamics.nx), ca.SX.eye(dynamics.nu))
        W = ca.vertcat(ca.horzcat((identity + A) / 2, B / 2), held)
        return _congruence(curvature(dynamics)(middle, u, p, dt * adjoint), W)


def _congruence(hessian: ca.SX, W: ca.SX) -> ca.SX:
    """WᵀHW of a symmetric H, in C a function of its own: with seven joints it compiles in a third of the time."""
    h, w = ca.SX.sym("H", hessian.sparsity()), ca.SX.sym("W", W.sparsity())
    product = ca.triu2symm(ca.triu(w.T @ h @ w))
    result: ca.SX = ca.Function("congruence", [h, w], [product], {"never_inline": True})(hessian, W)
    return result


def has_foreign_linearization(integrator: Integrator, dynamics: Dynamics) -> bool:
    """Whether `linearize` is, or calls, code from outside this package, so that `step` alone does not determine it."""
    return has_foreign_derivatives(dynamics) or not type(integrator).__module__.startswith("mpc_controller.")
