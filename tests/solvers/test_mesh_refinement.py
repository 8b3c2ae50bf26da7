"""Mesh refinement: the estimate against the true error, and grids against uniform ones."""

from __future__ import annotations

import dataclasses

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation_schemes import COLLOCATION_SCHEMES, RADAU_3
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory
from mpc_controller.solvers.transcription.collocation_polynomial import CollocationPolynomials
from mpc_controller.solvers.transcription.mesh_refinement import equidistributed, local_errors, refine, relative_errors
from mpc_controller.solvers.transcription.nonlinear_programme import NonlinearProgramme
from tests.solvers.brachistochrone import brachistochrone, chord, cycloid


class Oscillator(Dynamics):
    """ẍ = −x + u, whose motion without control is a rotation of (x, ẋ)."""

    name = "oscillator"
    state_names, state_units = ("x", "v"), ("m", "m/s")
    control_names, control_units = ("u",), ("m/s²",)
    manifold = Euclidean(2)
    parameters = Parameters()

    def xdot(self, x, u, p):
        return ca.vertcat(x[1], u - x[0])


def _no_reference(times):
    return np.zeros((len(times), 0))


@pytest.mark.parametrize("scheme", COLLOCATION_SCHEMES.values(), ids=lambda s: s.name)
def test_the_estimate_is_close_to_the_true_error_of_an_oscillation(scheme):
    problem = OptimalControlProblem(
        name="left alone",
        dynamics=Oscillator(),
        integrator=RungeKutta4(),
        grid=(0.2, 0.1, 0.3, 0.15),
        path_costs=(LeastSquares("effort", lambda stage: stage.u, (1.0,)),),
    )
    x0, times = np.array([0.8, 0.5]), np.round(problem.times * 1e9).astype(np.int64)
    guess = Trajectory.constant(Euclidean(2), times, x0, np.zeros(1))
    programme = NonlinearProgramme(problem, scheme=scheme, tolerance=1e-12)
    nodal = programme.solve_nodes(x0, problem.parameters.values, np.zeros((5, 0)), guess)
    polynomials = CollocationPolynomials(problem, scheme, nodal, problem.parameters.values)

    def rotated(state, angle):
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, s], [-s, c]]) @ state

    starts = nodal.solution.trajectory.states[:-1]
    true = np.zeros((4, 2))
    for tau in np.linspace(0, 1, 41):
        exact = np.stack([rotated(x, tau * h) for x, h in zip(starts, problem.grid, strict=True)])
        true = np.maximum(true, np.abs(polynomials.states(tau) - exact))
    # To leading order in the step: the state that errs most, as errors of one state that come by way of another are left out.
    np.testing.assert_allclose(local_errors(polynomials).max(axis=1), true.max(axis=1), rtol=0.15)


@pytest.mark.parametrize("scheme", COLLOCATION_SCHEMES.values(), ids=lambda s: s.name)
def test_the_polynomials_pass_through_the_states_of_the_grid_and_obey_the_model_at_the_nodes(scheme):
    problem = brachistochrone(5, speed=4.0)
    programme = NonlinearProgramme(problem, scheme=scheme, controls="free", objective="quadrature")
    nodal = programme.solve_nodes(np.zeros(2), problem.parameters.values, np.zeros((6, 0)), chord(problem))
    polynomials = CollocationPolynomials(problem, scheme, nodal, problem.parameters.values)
    states = nodal.solution.trajectory.states
    np.testing.assert_allclose(polynomials.states(0.0), states[:-1], atol=1e-12)
    np.testing.assert_allclose(polynomials.states(1.0), states[1:], atol=1e-7)
    for j, tau in enumerate(scheme.nodes):
        np.testing.assert_allclose(polynomials.residuals(tau), 0.0, atol=1e-6)
        np.testing.assert_allclose(polynomials.controls(tau), nodal.controls[:, j], atol=1e-12)


def test_a_refined_grid_reaches_the_tolerance_with_fewer_intervals_than_a_uniform_one():
    """From a slow start the bead falls steeply: the curve bends most at its beginning."""
    speed, tolerance = 1.0, 1e-5
    problem = brachistochrone(4, speed)
    plan = refine(problem, np.zeros(2), problem.parameters.values, _no_reference, chord(problem), tolerance=tolerance)
    assert plan.nodal.solution.status is Status.CONVERGED
    assert plan.errors.max() <= tolerance
    assert sum(plan.problem.grid) == pytest.approx(1.0, rel=1e-12)
    assert plan.nodal.solution.cost == pytest.approx(cycloid(np.zeros(1), speed)[1], abs=tolerance)
    uniform = brachistochrone(2 * plan.problem.N, speed)
    programme = NonlinearProgramme(uniform, scheme=RADAU_3, controls="free", objective="quadrature")
    reference = np.zeros((uniform.N + 1, 0))
    nodal = programme.solve_nodes(np.zeros(2), uniform.parameters.values, reference, chord(uniform))
    errors = relative_errors(CollocationPolynomials(uniform, RADAU_3, nodal, uniform.parameters.values))
    assert errors.max() > tolerance


def test_a_grid_that_is_too_fine_is_made_coarser():
    problem = brachistochrone(60, speed=4.0)
    plan = refine(problem, np.zeros(2), problem.parameters.values, _no_reference, chord(problem), tolerance=1e-4, max_rounds=2)
    assert plan.rounds == 1  # it is good as it is
    errors = relative_errors(CollocationPolynomials(plan.problem, RADAU_3, plan.nodal, problem.parameters.values))
    assert len(equidistributed(plan.problem.grid, errors, 3, 1e-4)) < 30


def test_equidistribution_gives_every_interval_its_share():
    """An error c dt⁴ with c = 1 in the first half and 16 in the second wants steps half as long there."""
    grid, degree = (0.1,) * 10, 3
    errors = np.array([1.0] * 5 + [16.0] * 5) * 0.1**4
    new = np.array(equidistributed(grid, errors, degree, tolerance=2e-4))
    times = np.concatenate([[0.0], np.cumsum(new)])
    assert times[-1] == pytest.approx(1.0)
    first, second = new[times[1:] <= 0.5], new[times[:-1] >= 0.5]
    np.testing.assert_allclose(first / second[0], 2.0, rtol=1e-9)
    assert (16 * second[0] ** 4) < 2e-4


def test_a_problem_that_cannot_be_solved_ends_the_refinement_with_its_status():
    problem = brachistochrone(4, speed=4.0)
    bounded = dataclasses.replace(problem, terminal_costs=problem.terminal_costs)
    p = bounded.parameters.values
    p[bounded.parameters.index("lower.end[0]")] = 2.0  # above the upper bound
    plan = refine(bounded, np.zeros(2), p, _no_reference, chord(bounded), tolerance=1e-4)
    assert (plan.rounds, plan.nodal.solution.status) == (1, Status.INFEASIBLE)
    assert np.isinf(plan.errors).all()


def test_a_tolerance_of_zero_is_refused():
    problem = brachistochrone(4, speed=4.0)
    with pytest.raises(ValueError, match="tolerance is 0; it must be between 0 and 1"):
        refine(problem, np.zeros(2), problem.parameters.values, _no_reference, chord(problem), tolerance=0)
