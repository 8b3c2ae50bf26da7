"""Transcriptions solved with IPOPT and FATROP: closed forms, each other, the independent transcription, and the contract."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import (
    COLLOCATION_SCHEMES,
    HERMITE_SIMPSON_COMPRESSED,
    HERMITE_SIMPSON_SEPARATED,
    RADAU_2,
    RADAU_3,
)
from mpc_controller.solvers.multiple_shooting import MultipleShooting
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from mpc_controller.solvers.transcription.nonlinear_programme import NonlinearProgramme
from robots import ROBOTS, load_robot
from tests.ipopt_reference import solve_with_ipopt
from tests.problem.double_integrator import DoubleIntegrator
from tests.solvers.brachistochrone import brachistochrone, chord, cycloid
from tests.solvers.problems import constant_guess, first_plan, solve, spin_to_rest, tumbling

BACKENDS = ("ipopt", "fatrop")


@pytest.fixture(scope="module")
def spin():
    return spin_to_rest()


def spin_start(problem, seed=0):
    x0 = tumbling(seed)
    return x0, constant_guess(problem, x0)


def _least_energy(intervals, **changes):
    """½ ∫ u² dt from rest at 0 to rest at 1 in 1 s."""
    return OptimalControlProblem(
        name="least energy",
        dynamics=DoubleIntegrator(),
        integrator=RungeKutta4(),
        grid=(1.0 / intervals,) * intervals,
        path_costs=(LeastSquares("energy", lambda stage: stage.u, (1.0,)),),
        **{"terminal_constraints": (Constraint("end", lambda stage: stage.x, (1.0, 0.0), (1.0, 0.0)),)} | changes,
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scheme", [RADAU_3, HERMITE_SIMPSON_SEPARATED, HERMITE_SIMPSON_COMPRESSED], ids=lambda s: s.name)
def test_least_energy_of_the_double_integrator_is_exact_with_two_intervals(scheme, backend):
    """u = 6 − 12 t and x = 3t² − 2t³ are polynomials that the schemes hold, and the cost is 6."""
    programme = NonlinearProgramme(_least_energy(2), scheme=scheme, backend=backend, controls="free", objective="quadrature")
    nodal = programme.solve_nodes(
        np.zeros(2),
        programme.problem.parameters.values,
        np.zeros((3, 0)),
        Trajectory.constant(Euclidean(2), np.array([0, 5, 10]) * 10**8, np.zeros(2), np.zeros(1)),
    )
    assert nodal.solution.status is Status.CONVERGED
    assert nodal.solution.cost == pytest.approx(6.0, abs=1e-7)
    node_times = np.array([[0.0], [0.5]]) + 0.5 * np.array(scheme.nodes)
    np.testing.assert_allclose(nodal.controls[:, :, 0], 6 - 12 * node_times, atol=1e-6)
    np.testing.assert_allclose(nodal.solution.trajectory.controls[:, 0], [3.0, -3.0], atol=1e-6)  # the means


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scheme", [None, *COLLOCATION_SCHEMES.values()], ids=lambda s: s.name if s else "shooting")
def test_least_energy_with_held_controls_is_the_least_norm_solution(scheme, backend):
    problem = _least_energy(10)
    solution = solve(NonlinearProgramme(problem, scheme=scheme, backend=backend), [0.0, 0.0])
    h = 0.1
    # Each u_k moves the end by h in speed, and by h times the time that is left from the middle of its interval in place.
    left = 1.0 - (np.arange(10) + 0.5) * h
    reach = np.stack([h * left, np.full(10, h)])
    u = np.linalg.pinv(reach) @ np.array([1.0, 0.0])
    np.testing.assert_allclose(solution.trajectory.controls[:, 0], u, atol=1e-6)
    assert solution.cost == pytest.approx(h * u @ u / 2, rel=1e-7)
    assert max(solution.residuals.stationarity, solution.residuals.dynamics) < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scheme", COLLOCATION_SCHEMES.values(), ids=lambda s: s.name)
def test_the_brachistochrone_converges_to_the_cycloid_with_the_order_of_the_scheme(scheme, backend):
    errors = []
    for intervals in (8, 16):
        problem = brachistochrone(intervals, speed=4.0)
        programme = NonlinearProgramme(
            problem, scheme=scheme, backend=backend, controls="free", objective="quadrature", tolerance=1e-12
        )
        solution = solve(programme, [0.0, 0.0], chord(problem))
        depths, least_time = cycloid(problem.times, speed=4.0)
        errors.append((abs(solution.cost - least_time), np.abs(solution.trajectory.states[:, 0] - depths).max()))
    order_of_cost, order_of_states = np.log2(np.array(errors[0]) / np.array(errors[1]))
    assert order_of_cost == pytest.approx(scheme.order, abs=0.1)
    # Where neighbours share the control between them, states reach their order on finer grids only, 3.3 here.
    assert order_of_states > scheme.order - (0.8 if scheme.has_both_ends else 0.1)


@pytest.mark.parametrize("robot_name", ROBOTS)
def test_both_back_ends_find_the_optimum_of_the_independent_transcription(robot_name):
    robot = load_robot(robot_name)
    task = robot.tasks[next(iter(robot.tasks))]()
    problem, p = task.problem, task.problem.parameters.values
    x0, reference, guess = first_plan(robot, task)
    found = [NonlinearProgramme(problem, backend=b, tolerance=1e-9).solve(x0, p, reference, guess) for b in BACKENDS]
    assert [s.status for s in found] == [Status.CONVERGED] * 2
    start = (found[0].trajectory.states, found[0].trajectory.controls)
    _, controls, cost = solve_with_ipopt(problem, x0, p, reference, start)
    for solution in found:
        assert solution.cost == pytest.approx(cost, rel=1e-7, abs=1e-7)
        assert solution.residuals.inequality < 1e-7
        assert solution.residuals.dynamics < 1e-7
        np.testing.assert_allclose(solution.trajectory.controls, controls, atol=1e-3 * (1 + np.abs(controls).max()))


def _spin_with_rows(spin):
    """Bounds, a hard row on states and controls, and a soft row on states, some of them active."""
    rows = (
        Constraint("power", lambda stage: stage.u[0] * stage.x[4], (-0.4,), (np.inf,)),
        state_bounds((5,), (-0.45,), (0.45,), "rate", Soft(0.5, 3.0)),
    )
    return dataclasses.replace(spin, name="spin with rows", path_constraints=(*spin.path_constraints, *rows))


@pytest.mark.parametrize("backend", BACKENDS)
def test_multipliers_slack_and_gains_are_those_of_the_native_solver(spin, backend):
    problem = _spin_with_rows(spin)
    x0, guess = spin_start(problem, seed=5)
    native_solver = MultipleShooting(
        problem, real_time_iteration=False, hessian="gauss-newton", tolerance=1e-9, max_iterations=300
    )
    native = solve(native_solver, x0, guess)
    programme = NonlinearProgramme(problem, backend=backend, tolerance=1e-10)
    solution = solve(programme, x0, guess)
    assert native.status is solution.status is Status.CONVERGED
    assert np.abs(native.multipliers).max() > 0.1
    assert native.slack > 0.01
    assert solution.cost == pytest.approx(native.cost, rel=1e-7)
    assert solution.slack == pytest.approx(native.slack, abs=1e-5)
    np.testing.assert_allclose(solution.multipliers, native.multipliers, atol=1e-5)
    np.testing.assert_allclose(solution.gains, native.gains, atol=1e-3 * np.abs(native.gains).max())
    for stage in (0, 3, spin.N):
        theirs = native_solver.multipliers_of(native, stage)
        assert programme.multipliers_of(solution, stage) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("scheme", [RADAU_2, RADAU_3, HERMITE_SIMPSON_COMPRESSED], ids=lambda s: s.name)
def test_gains_of_a_collocation_are_those_of_shooting_as_the_step_shrinks(spin, scheme):
    x0, guess = spin_start(spin)
    shooting = solve(NonlinearProgramme(spin), x0, guess)
    collocation = solve(NonlinearProgramme(spin, scheme=scheme), x0, guess)
    scale = np.abs(shooting.gains).max()
    np.testing.assert_allclose(collocation.gains, shooting.gains, atol=5e-3 * scale)
    np.testing.assert_allclose(np.linalg.norm(collocation.trajectory.states[:, :4], axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_hard_row_that_cannot_hold_is_named(backend):
    problem = _least_energy(5, path_constraints=(control_bounds((-1.0,), (1.0,)),))
    programme = NonlinearProgramme(problem, backend=backend)
    solution = solve(programme, [0.0, 0.0])
    assert solution.status is Status.INFEASIBLE
    assert solution.worst_constraint == "end[0] at k=5"
    assert solution.violation > 0.1
    assert not solution.gains.any()
    assert not solution.multipliers.any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_reversed_bounds_and_bad_numbers_are_a_status_and_leave_no_trace(backend):
    problem = _least_energy(5, path_constraints=(control_bounds((-9.0,), (9.0,)),))
    programme = NonlinearProgramme(problem, backend=backend)
    clean = solve(programme, [0.0, 0.0])
    p = problem.parameters.values
    reversed_bounds, unreachable = p.copy(), p.copy()
    reversed_bounds[problem.parameters.index("lower.control[0]")] = 10.0
    unreachable[problem.parameters.index("upper.control[0]")] = 0.1
    wrong = solve(programme, [0.0, 0.0], parameters=reversed_bounds)
    assert (wrong.status, wrong.worst_constraint) == (Status.INFEASIBLE, "control[0] at k=0")
    for _ in range(3):
        assert solve(programme, [np.nan, 0.0]).status is Status.NUMERICAL_FAILURE
        assert solve(programme, [0.0]).status is Status.NUMERICAL_FAILURE
        assert not solve(programme, [0.0, 0.0], parameters=unreachable).is_usable
        assert solve(programme, [1e200, 0.0]).status is Status.NUMERICAL_FAILURE
        solve(programme, [1e10, 0.0])  # far from anything that the controls can do
    np.testing.assert_array_equal(solve(programme, [0.0, 0.0]).trajectory.controls, clean.trajectory.controls)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_deadline_in_the_past_gives_the_guess_back_marked(spin, backend):
    x0, guess = spin_start(spin)
    solution = solve(NonlinearProgramme(spin, backend=backend), x0, guess, deadline_ns=time.monotonic_ns())
    assert solution.status is Status.DEADLINE
    np.testing.assert_allclose(solution.trajectory.states, guess.states, atol=1e-15)
    assert not solution.gains.any()
    assert np.isfinite(solution.cost)


def test_a_deadline_that_passes_stops_ipopt_at_its_last_iterate(spin, monkeypatch):
    x0, guess = spin_start(spin)
    programme = NonlinearProgramme(spin)
    ticks = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(ticks))
    solution = solve(programme, x0, guess, deadline_ns=4)
    assert solution.status is Status.DEADLINE
    assert 0 < solution.iterations < 10
    assert np.isfinite(solution.trajectory.states).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_soft_row_without_a_price_is_off(spin, backend):
    problem = _spin_with_rows(spin)
    x0, guess = spin_start(problem, seed=5)
    p = problem.parameters.values
    p[problem.parameters.index("soft_l1.rate")] = p[problem.parameters.index("soft_l2.rate")] = 0.0
    without = dataclasses.replace(problem, name="without", path_constraints=problem.path_constraints[:-1])
    off = solve(NonlinearProgramme(problem, backend=backend), x0, guess, parameters=p)
    expected = solve(NonlinearProgramme(without, backend=backend), x0, guess)
    assert off.cost == pytest.approx(expected.cost, rel=1e-8)


def test_free_controls_keep_their_bounds_at_every_node(spin):
    x0, guess = spin_start(spin)
    programme = NonlinearProgramme(spin, scheme=RADAU_3, controls="free", objective="quadrature")
    nodal = programme.solve_nodes(x0, spin.parameters.values, np.zeros((spin.N + 1, 0)), guess)
    assert nodal.solution.status is Status.CONVERGED
    assert np.abs(nodal.controls).max() == pytest.approx(2.0, abs=1e-6)
    named = programme.multipliers_of(nodal.solution, 0)
    assert max(abs(multiplier) for multiplier in named.values()) > 0.01


def test_what_does_not_fit_together_is_refused():
    problem = _least_energy(2)
    for choices, words in (
        ({"backend": "snopt"}, "backend is 'snopt'; it must be 'ipopt' or 'fatrop'"),
        ({"controls": "free"}, "need a collocation scheme"),
        ({"controls": "free", "scheme": RADAU_2}, "free controls need objective 'quadrature'"),
        ({"objective": "sum"}, "'grid' or 'quadrature'"),
        ({"max_iterations": 0}, "at least 1"),
        ({"tolerance": 0.0}, "between 0 and 1"),
        ({"scheme": "radau-2"}, "scheme is 'radau-2'"),
        ({"backend": "ipopt", "options": {"speed": 1}}, "'ipopt' refuses the options .*speed"),
        ({"backend": "fatrop", "options": {"speed": 1}}, "'fatrop' refuses the options .*speed"),
    ):
        with pytest.raises(ValueError, match=words):
            NonlinearProgramme(problem, **choices)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_functions_give_the_same_plan(backend):
    problem = _least_energy(4)
    plain, compiled = (NonlinearProgramme(problem, scheme=RADAU_2, backend=backend, compiled=c) for c in (False, True))
    np.testing.assert_allclose(
        solve(compiled, [0.0, 0.1]).trajectory.controls, solve(plain, [0.0, 0.1]).trajectory.controls, atol=1e-9
    )
    assert NonlinearProgramme(problem, scheme=RADAU_2, backend=backend, compiled=True).from_cache
