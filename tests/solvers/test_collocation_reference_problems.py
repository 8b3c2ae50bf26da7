"""Native collocation on four reference problems: IPOPT's optimum on the same equations, and closed loops without failure."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import Constraint, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.collocation import Collocation
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.trajectory import Trajectory

_FILE = Path(__file__).parents[2] / "../shared/bench/problems.py"
_NAMES = ("cartpole", "quadrotor", "arm", "racecar")
pytestmark = [
    pytest.mark.skipif(not _FILE.exists(), reason="the reference problems are not part of the repository"),
    # Their own loader leaves its data file to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


class _GivenDynamics(Dynamics):
    """The model of a reference problem; its quaternion is four plain numbers, as the reference has it."""

    def __init__(self, given) -> None:
        self._given, self.name = given, given.name
        self.state_names, self.state_units = tuple(f"x{i}" for i in range(given.nx)), ("",) * given.nx
        self.control_names, self.control_units = tuple(f"u{i}" for i in range(given.nu)), ("",) * given.nu
        self.manifold, self.parameters = Euclidean(given.nx), Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return self._given.f(x, u)


def _problem(given) -> OptimalControlProblem:
    constraints = [control_bounds(given.lbu, given.ubu)]
    if given.lbx is not None:
        bounded = [i for i in range(given.nx) if abs(given.lbx[i]) < 1e9]
        constraints.append(state_bounds(bounded, given.lbx[bounded], given.ubx[bounded], "state"))
    if given.h is not None:
        constraints.append(Constraint("obstacle", lambda s: given.H(s.x), tuple(given.lh), (np.inf,) * given.nh))
    return OptimalControlProblem(
        given.name,
        _GivenDynamics(given),
        RungeKutta4(),
        (given.dt,) * given.N,
        (LeastSquares("path", lambda s: given.Y(s.x, s.u) - ca.DM(given.yref), tuple(given.W)),),
        (LeastSquares("end", lambda s: given.YE(s.x) - ca.DM(given.yref_e), tuple(given.We)),),
        tuple(constraints),
    )


@pytest.fixture(scope="module")
def problems() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_problems", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _guess(problem: OptimalControlProblem, x0, u0) -> Trajectory:
    return Trajectory.constant(problem.dynamics.manifold, np.round(problem.times * 1e9).astype(np.int64), x0, u0)


@pytest.mark.parametrize("name", _NAMES)
def test_the_optimum_is_that_of_ipopt(problems, name):
    given = problems.ALL[name]()
    problem = _problem(given)
    p, r = problem.parameters.values, np.zeros((problem.N + 1, 0))
    ipopt = Collocation(problem, backend="ipopt", tolerance=1e-9, max_iterations=1000)
    expected = ipopt.solve(given.x0, p, r, _guess(problem, given.x0, given.u0))
    assert expected.status is Status.CONVERGED
    # From the neighbourhood of that optimum: the problems are not convex, the cart-pole's has two from this start.
    rng = np.random.default_rng(0)
    x, u = expected.trajectory.states, expected.trajectory.controls
    x, u = x + 0.01 * rng.normal(size=x.shape), np.clip(u + 0.1 * rng.normal(size=u.shape), given.lbu, given.ubu)
    near = Trajectory(problem.dynamics.manifold, expected.trajectory.times, x, u)
    solution = Collocation(problem, real_time_iteration=False, tolerance=1e-7).solve(given.x0, p, r, near)
    assert solution.status is Status.CONVERGED
    assert solution.cost == pytest.approx(expected.cost, rel=1e-6)


@pytest.mark.parametrize("name", _NAMES)
def test_real_time_iterations_close_the_loop_without_a_failure(problems, name):
    given = problems.ALL[name]()
    problem = _problem(given)
    solver = Collocation(problem)
    p, r = problem.parameters.values, np.zeros((problem.N + 1, 0))
    rng = np.random.default_rng(1)
    for x in problems.start_states(given):
        solver.reset()
        guess = _guess(problem, x, given.u0)
        for _ in range(given.steps):
            solution = solver.solve(x, p, r, guess)
            assert solution.is_usable
            guess = solution.trajectory
            x = problems.plant_step(given, x, guess.controls[0], rng)
