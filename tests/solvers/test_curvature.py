"""What Gauss-Newton leaves out of the Hessian, against differences of the generated gradients, in the tangent space."""

from __future__ import annotations

import dataclasses

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.integrators import ExplicitEuler, ImplicitMidpoint, RungeKutta4
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.layout import padded
from mpc_controller.solvers.stage_functions import StageFunctions
from robots import ROBOTS, load_robot
from tests.solvers.test_stage_functions import RigidSpin

EVERY = [(name, task) for name in ROBOTS for task in load_robot(name).tasks]
INTEGRATORS = [ExplicitEuler(), RungeKutta4(), RungeKutta4(steps=2), ImplicitMidpoint(newton_iterations=8)]


def _spin() -> OptimalControlProblem:
    """A quaternion in the dynamics, in least squares, in a general cost and in a constraint."""
    return OptimalControlProblem(
        name="spin",
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.1,) * 3,
        path_costs=(
            LeastSquares("attitude", lambda s: s.x[1:4] * s.x[0] - s.reference, (3.0, 4.0, 5.0)),
            LeastSquares("effort", lambda s: ca.sin(s.u) * s.x[5], (1.0, 1.0, 2.0)),
            GeneralCost("spin", lambda s: ca.exp(s.x[4] * s.u[0]) + s.x[1] ** 2 * s.x[5]),
        ),
        terminal_costs=(LeastSquares("end", lambda s: s.x[1:4] * s.x[4:], (1.0, 2.0, 3.0)),),
        path_constraints=(
            Constraint("tilt", lambda s: 2 * s.x[1:3] * s.x[0], (-0.5, -0.5), (0.5, 0.5), Soft(1.0, 1.0)),
            Constraint("power", lambda s: ca.dot(s.u, s.x[4:]), (-9.0,), (9.0,)),
            control_bounds((-1.0,) * 3, (1.0,) * 3),
        ),
        terminal_constraints=(Constraint("rest", lambda s: ca.sumsqr(s.x[4:]), (0.0,), (1.0,)),),
        reference_names=("a", "b", "c"),
    )


@dataclasses.dataclass(frozen=True)
class _Point:
    x: np.ndarray
    u: np.ndarray
    x_next: np.ndarray
    p: np.ndarray
    r: np.ndarray
    pi: np.ndarray
    mu: np.ndarray
    dt: float = 0.05


def _point(functions: StageFunctions, seed: int = 3) -> _Point:
    rng, problem = np.random.default_rng(seed), functions.problem
    manifold = problem.dynamics.manifold
    x, x_next = (manifold.normalized(0.5 * rng.normal(size=functions.nx)) for _ in range(2))
    u, r = rng.normal(size=functions.nu), rng.normal(size=problem.nr)
    return _Point(
        x, u, x_next, problem.parameters.values, r, rng.normal(size=functions.ndx), rng.normal(size=len(functions.path_rows))
    )


def _by_name(functions: StageFunctions) -> dict[str, ca.Function]:
    return {function.name(): function for function in functions.functions()}


def _second_differences(gradient, size: int, step: float = 1e-5) -> np.ndarray:
    columns = [(gradient(step * e) - gradient(-step * e)) / (2 * step) for e in np.eye(size)]
    return np.stack(columns, axis=-1)


def _lagrangian_hessian(functions: StageFunctions, at: _Point) -> np.ndarray:
    """∇²[dt·l + πᵀ(F ⊟ x⁺) + μᵀg] over z = (u, δ) of x ⊞ δ, by AD of the plain expression of the whole."""
    problem = functions.problem
    dynamics, manifold = problem.dynamics, problem.dynamics.manifold
    du, dx = ca.SX.sym("du", functions.nu), ca.SX.sym("dx", functions.ndx)
    x, u = manifold.plus(ca.SX(ca.DM(at.x)), dx), ca.SX(ca.DM(at.u)) + du
    p, r, dt = ca.SX(ca.DM(at.p)), ca.SX(ca.DM(at.r)), ca.SX(at.dt)
    stage = problem.stage(x, u, p, r)
    value = ca.SX(0)
    for cost in problem.path_costs:
        if isinstance(cost, LeastSquares):
            start = problem.parameters.index(f"weight.{cost.name}[0]")
            value += dt * ca.dot(p[start : start + len(cost.weights)], cost.residual(stage) ** 2) / 2
        else:
            value += dt * cost.value(stage)
    F = problem.integrator.step(dynamics, x, u, p[: dynamics.np], dt)
    value += ca.dot(ca.DM(at.pi), manifold.minus(F, ca.SX(ca.DM(at.x_next))))
    for row, mu in zip(functions.path_rows, at.mu, strict=True):
        value += mu * row.constraint.expression(stage)[row.index]
    z = ca.vertcat(du, dx)
    gradient = ca.Function("gradient", [z], [ca.jacobian(value, z).T])
    return _second_differences(lambda step: np.array(gradient(step)).ravel(), z.numel())


def _check(problem: OptimalControlProblem) -> None:
    functions = StageFunctions(problem, curvature=True)
    named, at, size = _by_name(functions), _point(functions), functions.nu + functions.ndx
    gauss_newton = np.array(named["ocp_path"](at.x, at.u, at.x_next, at.p, at.r, at.dt)[4])[:size]
    left_out = np.array(named["ocp_curvature"](at.x, at.u, at.x_next, at.p, at.r, at.dt, at.pi, at.mu))
    assert left_out.shape == (padded(size), size)
    np.testing.assert_array_equal(left_out[size:], 0.0)
    np.testing.assert_allclose(left_out[:size], left_out[:size].T, atol=1e-12 * (1 + np.abs(left_out).max()))
    expected = _lagrangian_hessian(functions, at)
    np.testing.assert_allclose(left_out[:size] + gauss_newton, expected, atol=1e-6 * (1 + np.abs(expected).max()))


def test_the_lagrangian_has_the_hessian_of_its_differences_on_a_manifold():
    _check(_spin())


@pytest.mark.parametrize(("robot", "task"), EVERY)
def test_the_lagrangian_of_every_task_has_the_hessian_of_its_differences(robot, task):
    _check(load_robot(robot).tasks[task]().problem)


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("integrator", INTEGRATORS, ids=repr)
def test_every_integrator_has_the_second_derivatives_of_its_differences(robot, integrator):
    dynamics = next(iter(load_robot(robot).tasks.values()))().problem.dynamics
    x, u, p = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu), ca.SX.sym("p", dynamics.np)
    dt, multiplier = ca.SX.sym("dt"), ca.SX.sym("multiplier", dynamics.nx)
    inputs = [x, u, p, dt, multiplier]
    _, F_x, F_u = integrator.linearize(dynamics, x, u, p, dt)
    gradient = ca.Function("gradient", inputs, [ca.horzcat(F_x, F_u).T @ multiplier])
    hessian = ca.Function("hessian", inputs, [integrator.second_derivatives(dynamics, x, u, p, dt, multiplier)])
    rng = np.random.default_rng(2)
    x0 = dynamics.manifold.normalized(0.5 * rng.normal(size=dynamics.nx))
    z0, weights = np.r_[x0, rng.normal(size=dynamics.nu)], rng.normal(size=dynamics.nx)

    def value(step):
        z = z0 + step
        return np.array(gradient(z[: dynamics.nx], z[dynamics.nx :], dynamics.parameters.values, 0.05, weights)).ravel()

    result = np.array(hessian(x0, z0[dynamics.nx :], dynamics.parameters.values, 0.05, weights))
    expected = _second_differences(value, len(z0))
    np.testing.assert_allclose(result, expected, atol=1e-6 * (1 + np.abs(expected).max()))


def test_the_end_of_the_horizon_has_the_hessian_of_its_differences():
    functions = StageFunctions(_spin(), curvature=True)
    named, at = _by_name(functions), _point(functions)
    mu = np.random.default_rng(1).normal(size=len(functions.terminal_rows))
    manifold = functions.problem.dynamics.manifold

    def value(step):
        outputs = named["ocp_terminal_value"](manifold.retract(at.x, step), at.p, at.r)
        return float(outputs[0]) + mu @ np.array(outputs[1]).ravel()

    h, n = 1e-4, functions.ndx
    expected = np.empty((n, n))
    for i, a in enumerate(h * np.eye(n)):
        for j, b in enumerate(h * np.eye(n)):
            expected[i, j] = (value(a + b) - value(a - b) - value(b - a) + value(-a - b)) / (4 * h * h)
    gauss_newton = np.array(named["ocp_terminal"](at.x, at.p, at.r)[2])[:n]
    left_out = np.array(named["ocp_terminal_curvature"](at.x, at.p, at.r, mu))[:n]
    np.testing.assert_allclose(left_out + gauss_newton, expected, atol=2e-6 * (1 + np.abs(expected).max()))


def test_there_is_no_curvature_in_what_gauss_newton_needs():
    functions = StageFunctions(_spin())
    assert "ocp_curvature" not in _by_name(functions)
    assert functions.variant != StageFunctions(_spin(), curvature=True).variant
