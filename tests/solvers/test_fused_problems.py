"""Plans on physics and a learned residual: those of physics that has it, and those of physics alone where it is zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import casadi as ca
import numpy as np
import pytest

from mpc_controller.control.predictor import Predictor
from mpc_controller.model.dynamics import DisturbedDynamics, Dynamics
from mpc_controller.model.integrators import Integrator, RungeKutta4
from mpc_controller.model.residual.fused import FusedTerm, push
from mpc_controller.model.residual.network import mlp_shape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import Solver
from mpc_controller.solvers.transcription.nonlinear_programme import NonlinearProgramme
from tests.model.residuals import linear_residual, random_residual, zeroed
from tests.solvers.problems import solve
from tests.solvers.spin import at_rest, make_spin, spinning

# A torque on the spinning body by its rates, in a port that turns them with the attitude: z = (ω, first row of R).
PORT = ResidualPort(
    feature_names=("wx", "wy", "wz", "up"),
    feature_units=("rad/s",) * 3 + ("",),
    output_names=("tx", "ty", "tz"),
    output_units=("N m",) * 3,
    features=lambda x, u, p: ca.vertcat(x[4:], x[0] * x[1] + u[0] / 10),
    effect=lambda x, u, p, r: ca.vertcat(ca.SX(3, 1), r / p),
)
DRAG = np.array([[-0.5, 0.25, 0.0, 0.125], [0.0, -0.75, 0.0, 0.0], [0.25, 0.0, -1.0, -0.25]])  # exact in single precision
SMALL = ResidualShape(mlp_shape(4, (16, 16), 3))


@dataclass(frozen=True)
class DraggedStep(Integrator):
    """The same written as physics: F ⊞ γ with r = DRAG z, differentiated by CasADi."""

    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        return self._step(dynamics, x, u, p, dt)[0]

    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        return self._step(dynamics, x, u, p, dt)

    def second_derivatives(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, multiplier: ca.SX) -> ca.SX:
        raise NotImplementedError

    def _step(self, dynamics: Dynamics, *arguments: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        x, u, p, dt = (ca.SX.sym(name, given.shape[0]) for name, given in zip("xupt", arguments, strict=True))
        r = ca.SX.sym("r", 3)
        gamma = ca.substitute(push(dynamics, PORT, x, u, p, dt, r), r, ca.SX(DRAG) @ PORT.features(x, u, p))
        F = dynamics.manifold.plus(RungeKutta4().step(dynamics, x, u, p, dt), gamma)
        return ca.Function("step", [x, u, p, dt], [F, ca.jacobian(F, x), ca.jacobian(F, u)])(*arguments)


@cache
def fused(shape: ResidualShape) -> OptimalControlProblem:
    return replace(make_spin(), residual=FusedTerm(PORT, shape))


@cache
def solver_of(name: str, shape: ResidualShape | None) -> Solver:
    problem = make_spin() if shape is None else fused(shape)
    return SOLVERS[name](problem) if name == "lqr" else SOLVERS[name](problem, real_time_iteration=False)


def plan(solver: Solver, residual: Residual | None = None) -> Solution:
    if residual is not None:
        solver.load_residual(residual)
    solver.reset()
    return solve(solver, spinning(), reference=at_rest(solver.problem))


@pytest.mark.parametrize("name", SOLVERS)
def test_weights_of_zero_give_the_plans_of_physics_alone_to_the_last_bit(name: str):
    expected = plan(solver_of(name, None))
    for residual in (None, zeroed(random_residual(SMALL)), replace(random_residual(SMALL), strength=0.0)):
        found = plan(solver_of(name, SMALL), residual)
        np.testing.assert_array_equal(found.trajectory.states, expected.trajectory.states)
        np.testing.assert_array_equal(found.trajectory.controls, expected.trajectory.controls)
        np.testing.assert_array_equal(found.gains, expected.gains)
        assert (found.cost, found.iterations, found.status) == (expected.cost, expected.iterations, expected.status)


@pytest.mark.parametrize("name", ["multiple-shooting", "ilqr", "ddp", "single-shooting"])
def test_a_residual_that_physics_can_say_gives_the_plan_of_that_physics(name: str):
    said = SOLVERS["multiple-shooting"](
        replace(make_spin(), integrator=DraggedStep()), real_time_iteration=False, hessian="gauss-newton"
    )
    expected, drag = plan(said), linear_residual(DRAG)
    found = plan(solver_of(name, drag.shape), drag)
    assert found.status is expected.status is Status.CONVERGED
    assert found.cost == pytest.approx(expected.cost, rel=1e-6)
    np.testing.assert_allclose(found.trajectory.states, expected.trajectory.states, atol=1e-5)
    np.testing.assert_allclose(found.trajectory.controls, expected.trajectory.controls, atol=1e-4)
    assert abs(expected.cost - plan(solver_of(name, None)).cost) > 0.01 * expected.cost  # it does matter


@pytest.mark.parametrize(
    ("name", "options"),
    [("ilqr", {}), ("ddp", {}), ("single-shooting", {}), ("single-shooting", {"step": "lbfgs", "max_iterations": 2000})],
)
def test_solvers_agree_on_a_network_that_bends(name: str, options: dict[str, Any]):
    residual = random_residual(SMALL, seed=4)
    expected = plan(solver_of("multiple-shooting", SMALL), residual)
    solver = SOLVERS[name](fused(SMALL), real_time_iteration=False, **options) if options else solver_of(name, SMALL)
    found = plan(solver, residual)
    assert found.status is expected.status is Status.CONVERGED
    assert found.cost == pytest.approx(expected.cost, rel=1e-6)
    np.testing.assert_allclose(found.trajectory.controls, expected.trajectory.controls, atol=2e-3)


def test_collocation_steps_end_where_the_same_residual_puts_them():
    """Radau and Runge-Kutta steps of 0.04 to 0.08 s differ by 1e-6; the residual moves plans by a thousand times that."""
    drag = linear_residual(DRAG)
    found, expected = (plan(solver_of(name, drag.shape), drag) for name in ("collocation", "multiple-shooting"))
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.trajectory.states, expected.trajectory.states, atol=2e-4)


@pytest.mark.parametrize("name", ["multiple-shooting", "ilqr", "single-shooting", "lqr"])
def test_states_of_a_plan_are_the_steps_of_the_fused_model(name: str):
    """By the predictor, which evaluates one point at a time and shares no stage function."""
    residual = random_residual(SMALL, seed=3)
    solution = plan(solver_of(name, SMALL), residual)
    assert solution.is_usable, solution.status
    problem = fused(SMALL)
    predictor = Predictor(DisturbedDynamics(problem.dynamics, ()), RungeKutta4(), residual=problem.residual)
    predictor.load_residual(residual)
    states, controls = solution.trajectory.states, solution.trajectory.controls
    p = problem.dynamics.parameters.values
    tolerance = 1e-6 if name == "multiple-shooting" else 1e-9
    for k, dt in enumerate(problem.grid):
        after = predictor.step(states[k], controls[k], p, dt)
        gap = problem.dynamics.manifold.difference(after, states[k + 1])
        assert np.abs(gap).max() < tolerance, k


def test_a_swap_of_weights_gives_the_plans_of_a_solver_that_always_had_them():
    first, second = random_residual(SMALL, seed=1), random_residual(SMALL, seed=2)
    swapped = solver_of("multiple-shooting", SMALL)
    plan(swapped, first)
    found = plan(swapped, second)
    fresh = SOLVERS["multiple-shooting"](fused(SMALL), real_time_iteration=False)
    expected = plan(fresh, second)
    np.testing.assert_array_equal(found.trajectory.states, expected.trajectory.states)
    assert fresh.from_cache


def test_only_a_residual_of_the_shape_that_was_built_is_loaded():
    other = random_residual(ResidualShape(mlp_shape(4, (8,), 3)))
    with pytest.raises(ValueError, match="is built for ResidualShape"):
        solver_of("multiple-shooting", SMALL).load_residual(other)
    with pytest.raises(ValueError, match="has no residual"):
        solver_of("multiple-shooting", None).load_residual(other)
    with pytest.raises(ValueError, match="4 features and 3 outputs at a port of 4"):
        FusedTerm(replace(PORT, output_names=("tx",), output_units=("N m",)), SMALL)
    with pytest.raises(ValueError, match="native solvers alone"):
        NonlinearProgramme(fused(SMALL))


def test_tangent_jacobians_of_the_fused_prediction_are_the_differences_of_steps():
    problem = fused(SMALL)
    dynamics = DisturbedDynamics(problem.dynamics, ("wx",))
    manifold = dynamics.manifold
    predictor = Predictor(dynamics, RungeKutta4(), residual=problem.residual)
    predictor.load_residual(random_residual(SMALL, seed=5))
    x, u = spinning(1), np.array([0.2, -0.1, 0.3])
    p = dynamics.parameters.values
    x_next, A, B, _ = predictor.linearize(x, u, p, 0.02)
    h = 1e-2  # single precision: rounding is 1e-7/h, and the curvature's error h²
    for jacobian, n, moved in (
        (A, 6, lambda d: predictor.step(manifold.retract(x, d), u, p, 0.02)),
        (B, 3, lambda d: predictor.step(x, u + d, p, 0.02)),
    ):
        for j in range(n):
            d = np.eye(n)[j] * h
            slope = (manifold.difference(moved(d), x_next) - manifold.difference(moved(-d), x_next)) / (2 * h)
            np.testing.assert_allclose(jacobian[:, j], slope, atol=2e-4)
