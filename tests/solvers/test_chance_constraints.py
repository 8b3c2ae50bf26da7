"""Rows that are to hold with a probability: tightened by what an ensemble does not know; closed forms and samples."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from statistics import NormalDist
from typing import Any

import casadi as ca
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.model.residual.fused import FusedTerm
from mpc_controller.model.residual.network import Activation, LayerShape, Network, NetworkShape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.problem.constraint import Constraint, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares, ProblemError
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solution import Solution, Status
from mpc_controller.solvers.solver import Solver
from tests.model.residuals import residual_of
from tests.problem.double_integrator import problem as double_integrator
from tests.solvers.problems import solve

# A force on the double integrator, by its position and speed.
PORT = ResidualPort(
    feature_names=("q", "q_dot"),
    feature_units=("m", "m/s"),
    output_names=("force",),
    output_units=("N",),
    features=lambda x, u, p: x,
    effect=lambda x, u, p, r: ca.vertcat(0, r / p[0]),
)
SHAPE = ResidualShape(NetworkShape((LayerShape(2, 1, Activation.IDENTITY),)), members=2)
UNSURE = 0.25  # N, exact in single precision
DT, N = 0.1, 20
A, B, GAMMA = np.array([[1.0, DT], [0.0, 1.0]]), np.array([[DT**2 / 2], [DT]]), np.array([DT**2 / 2, DT])
CHANCE = 0.9
METHODS: dict[str, dict[str, Any]] = {
    "multiple-shooting": {"real_time_iteration": False},
    "single-shooting": {"real_time_iteration": False},
    "ilqr": {"real_time_iteration": False, "tolerance": 1e-7},
    "collocation": {"real_time_iteration": False},
}


def disagreeing(unsure: float = UNSURE) -> Residual:
    """Two members that say ±unsure everywhere: their mean is 0, their standard deviation `unsure`."""
    layers = [
        Network(SHAPE.network, (np.zeros((1, 2), np.float32),), (np.full(1, sign * unsure, np.float32),)) for sign in (1, -1)
    ]
    return residual_of(SHAPE, tuple(layers))


def wall(chance: float | None = CHANCE, **changes: Any) -> Constraint:
    return replace(state_bounds((0,), (-5.0,), (1.0,), "wall"), chance=chance, **changes)


def pressed(*constraints: Constraint) -> Any:
    """A mass that is wanted at 2 m behind a wall at 1 m."""
    return double_integrator(
        name="pressed against a wall",
        path_costs=(
            LeastSquares("wanted", lambda s: s.x[0] - 2.0, (10.0,)),
            LeastSquares("speed", lambda s: s.x[1], (0.1,)),
            LeastSquares("effort", lambda s: s.u, (0.01,)),
        ),
        path_constraints=constraints or (wall(),),
        residual=FusedTerm(PORT, SHAPE),
    )


@cache
def built(method: str, chance: float | None = CHANCE) -> Solver:
    return SOLVERS[method](pressed(wall(chance)), **METHODS.get(method, {}))


def planned(method: str, residual: Residual) -> tuple[Solver, Solution]:
    solver = built(method)
    solver.reset()
    solver.load_residual(residual)
    return solver, solve(solver, (0.0, 0.0))


@cache
def lqr_gains() -> Array:
    """(N, 1, 2): K of the problem without constraints, by the textbook's recursion. Path costs alone, so that P_N = 0."""
    P, gains = np.zeros((2, 2)), []
    for _ in range(N):
        H = np.array([[0.01 * DT]]) + B.T @ P @ B
        K = -np.linalg.solve(H, B.T @ P @ A)
        P = np.diag([10.0 * DT, 0.1 * DT]) + A.T @ P @ (A + B @ K)
        gains.append(K)
    return np.array(gains[::-1])


def spread_of(unsure: float = UNSURE) -> Array:
    """(N+1, 2): S of an error that lasts, in closed loop."""
    S = np.zeros((N + 1, 2))
    for k, K in enumerate(lqr_gains()):
        S[k + 1] = (A + B @ K) @ S[k] + GAMMA * unsure
    return S


@pytest.mark.parametrize("method", METHODS)
def test_margins_are_those_of_the_closed_form(method: str):
    solver, solution = planned(method, disagreeing())
    assert solution.status is Status.CONVERGED
    expected = NormalDist().inv_cdf(CHANCE) * np.abs(spread_of()[:, 0])
    margins = [solver.margins_of(solution, k)["wall[0]"] for k in range(N + 1)]  # type: ignore[attr-defined]
    assert margins == pytest.approx(expected, abs=2e-7)
    assert expected[1:].min() > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_plan_keeps_the_tightened_row_and_presses_against_it(method: str):
    solver, solution = planned(method, disagreeing())
    q = solution.trajectory.states[:, 0]
    margins = np.array([solver.margins_of(solution, k)["wall[0]"] for k in range(N + 1)])  # type: ignore[attr-defined]
    assert (q <= 1.0 - margins + 1e-5).all()
    assert (q >= 1.0 - margins - 1e-3).sum() > 5


def test_the_row_holds_as_often_as_was_asked_for():
    _, solution = planned("multiple-shooting", disagreeing())
    states, controls, K = solution.trajectory.states, solution.trajectory.controls, lqr_gains()
    error = np.random.default_rng(0).standard_normal(200_000)
    x = np.zeros((len(error), 2))
    kept = np.zeros(N + 1)
    for k in range(N):
        u = controls[k] + (x - states[k]) @ K[k].T
        x = x @ A.T + u @ B.T + np.outer(UNSURE * error, GAMMA)
        kept[k + 1] = (x[:, 0] <= 1.0).mean()
    touching = states[1:, 0] > 1.0 - 1.01 * NormalDist().inv_cdf(CHANCE) * np.abs(spread_of()[1:, 0])
    assert touching.sum() > 5
    assert kept[1:][touching] == pytest.approx(np.full(touching.sum(), CHANCE), abs=5e-3)


def test_members_that_agree_tighten_nothing():
    solver, plain = built("multiple-shooting"), built("multiple-shooting", None)
    for one in (solver, plain):
        one.reset()
        one.load_residual(disagreeing(0.0))
    ours, theirs = solve(solver, (0.0, 0.0)), solve(plain, (0.0, 0.0))
    assert (ours.margins == 0).all()
    assert (ours.trajectory.states == theirs.trajectory.states).all()
    assert (ours.trajectory.controls == theirs.trajectory.controls).all()


def test_the_factor_is_a_parameter_of_run_time():
    solver = built("multiple-shooting")
    names, p = solver.problem.parameters.names, solver.problem.parameters.values
    factor = names.index("back_off.wall")
    assert p[factor] == pytest.approx(1.2815515655446004)
    solver.load_residual(disagreeing())
    ends = []
    for value in (0.0, 1.0, 3.0):
        p[factor] = value
        solver.reset()
        ends.append(solve(solver, (0.0, 0.0), parameters=p).trajectory.states[-1, 0])
    assert ends[0] == pytest.approx(1.0, abs=1e-5)
    assert ends[0] > ends[1] > ends[2]


def test_real_time_iterations_use_the_margins_of_the_plan_before():
    problem = pressed()
    solver = SOLVERS["multiple-shooting"](problem)
    solver.load_residual(disagreeing())
    first = solve(solver, (0.0, 0.0))
    again = solve(solver, (0.0, 0.0), first.trajectory)
    assert again.status is Status.ITERATION_LIMIT
    assert again.margins == pytest.approx(first.margins, abs=1e-6)
    solver.load_residual(disagreeing(2 * UNSURE))
    one, two = (solve(solver, (0.0, 0.0), first.trajectory) for _ in range(2))
    assert one.margins == pytest.approx(first.margins, abs=1e-6)
    assert two.margins[1:] == pytest.approx(2 * first.margins[1:], rel=0.1, abs=1e-6)


def test_controls_are_held_back_for_what_feedback_will_ask():
    push = replace(control_bounds((-1.0,), (1.0,), "push"), chance=CHANCE)
    solver = SOLVERS["multiple-shooting"](pressed(push), real_time_iteration=False)
    solver.load_residual(disagreeing())
    solution = solve(solver, (0.0, 0.0))
    expected = NormalDist().inv_cdf(CHANCE) * np.abs(np.einsum("kji,ki->k", lqr_gains(), spread_of()[:-1]))
    margins = [solver.margins_of(solution, k)["push[0]"] for k in range(N)]  # type: ignore[attr-defined]
    assert margins == pytest.approx(expected, abs=2e-7)
    assert margins[0] == 0
    assert (np.abs(solution.trajectory.controls[:, 0]) <= 1 - np.array(margins) + 1e-6).all()


def test_a_general_row_is_tightened_along_its_gradient():
    swing = Constraint("swing", lambda s: s.x[0] ** 2 + s.x[1], (-np.inf,), (1.0,), chance=CHANCE)
    solver = SOLVERS["multiple-shooting"](pressed(swing), real_time_iteration=False)
    solver.load_residual(disagreeing())
    solution = solve(solver, (0.0, 0.0))
    assert solution.status is Status.CONVERGED
    q, S = solution.trajectory.states[:, 0], spread_of()
    expected = NormalDist().inv_cdf(CHANCE) * np.abs(2 * q * S[:, 0] + S[:, 1])
    margins = [solver.margins_of(solution, k)["swing[0]"] for k in range(N + 1)]  # type: ignore[attr-defined]
    assert margins == pytest.approx(expected, abs=1e-5)


def test_beyond_the_training_data_what_is_not_corrected_is_not_known():
    guard = replace(
        disagreeing().guard, lower=np.array([-9.0, -9.0]), upper=np.array([-8.0, 9.0]), fade=np.ones(2), bound=np.ones(1)
    )
    solver, solution = planned("multiple-shooting", replace(disagreeing(), guard=guard))
    expected = NormalDist().inv_cdf(CHANCE) * np.abs(spread_of(1.0)[:, 0])
    margins = [solver.margins_of(solution, k)["wall[0]"] for k in range(N + 1)]  # type: ignore[attr-defined]
    assert margins == pytest.approx(expected, abs=2e-7)


def test_a_margin_never_takes_all_of_a_range():
    narrow = replace(state_bounds((0,), (0.99,), (1.01,), "slot"), chance=0.999)
    solver = SOLVERS["multiple-shooting"](pressed(narrow), real_time_iteration=False)
    solver.load_residual(disagreeing(4.0))
    solution = solve(solver, (1.0, 0.0))
    assert solution.status is Status.CONVERGED
    assert np.abs(solution.trajectory.states[1:, 0] - 1.0).max() <= 0.1 * 0.01 + 1e-6


@pytest.mark.parametrize("chance", [0.0, 0.49, 1.0, float("nan")])
def test_a_chance_is_a_probability_that_can_be_kept(chance: float):
    with pytest.raises(ProblemError, match=r"constraint 'wall': chance is .*at least 0.5 and below 1"):
        wall(chance)
