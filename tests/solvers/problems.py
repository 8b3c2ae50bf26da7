"""Small models and problems that several tests of solvers share, and how they are solved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean, Manifold
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.problem.constraint import control_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.solution import Solution
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory
from tests.problem.double_integrator import problem as double_integrator


class RigidSpin(Dynamics):
    """A spinning body: q̇ = ½ q ⊗ (0, ω), J ω̇ = u − ω × Jω."""

    name = "spin"
    state_names = ("qw", "qx", "qy", "qz", "wx", "wy", "wz")
    state_units = ("", "", "", "", "rad/s", "rad/s", "rad/s")
    control_names = ("tx", "ty", "tz")
    control_units = ("N m",) * 3
    manifold = Manifold(7, (0,))
    parameters = Parameters((Parameter("Jx", 1.0, "kg m²"), Parameter("Jy", 2.0, "kg m²"), Parameter("Jz", 3.0, "kg m²")))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        w, v, rate = x[0], x[1:4], x[4:]
        q_dot = ca.vertcat(-ca.dot(v, rate), w * rate + ca.cross(v, rate)) / 2
        return ca.vertcat(q_dot, (u - ca.cross(rate, p * rate)) / p)


class PlainDynamics(Dynamics):
    """A model whose states are plain numbers without units, `xdot` a function of (x, u)."""

    def __init__(self, name: str, nx: int, nu: int, xdot: Any) -> None:
        self.name, self._xdot = name, xdot
        self.state_names, self.state_units = tuple(f"x{i}" for i in range(nx)), ("",) * nx
        self.control_names, self.control_units = tuple(f"u{i}" for i in range(nu)), ("",) * nu
        self.manifold, self.parameters = Euclidean(nx), Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return self._xdot(x, u)


def oscillator() -> Dynamics:
    """q̈ = −q + u, whose motion without control is a rotation of (q, q̇)."""
    return PlainDynamics("oscillator", 2, 1, lambda x, u: ca.vertcat(x[1], u - x[0]))


def cubic() -> Dynamics:
    """ẋ = x³ + u: from beyond 1 it is infinite within a second."""
    return PlainDynamics("cubic", 1, 1, lambda x, u: x**3 + u)


def rod(pieces: int = 40) -> Dynamics:
    """Heat along a rod, driven at both ends: ẋᵢ = xᵢ₋₁ − 2xᵢ + xᵢ₊₁."""

    def xdot(x: ca.SX, u: ca.SX) -> ca.SX:
        with_ends = ca.vertcat(u[0], x, u[1])
        return with_ends[:-2] - 2 * x + with_ends[2:]

    return PlainDynamics("rod", pieces, 2, xdot)


def mass_chain(masses: int) -> Dynamics:
    """Masses between walls and each other by stiffening springs, pushed one by one: x = (positions, velocities)."""

    def xdot(x: ca.SX, u: ca.SX) -> ca.SX:
        q = ca.vertcat(0, x[:masses], 0)
        stretch = q[1:] - q[:-1]
        pull = stretch + stretch**3
        return ca.vertcat(x[masses:], pull[1:] - pull[:-1] + u)

    return PlainDynamics(f"chain of {masses} masses", 2 * masses, masses, xdot)


def spin_to_rest(**changes: Any) -> OptimalControlProblem:
    """Turn a spinning body to an attitude and stop it, on a grid of two spacings with bounded torques; with changes."""
    fields: dict[str, Any] = {
        "name": "spin to rest",
        "dynamics": RigidSpin(),
        "integrator": RungeKutta4(),
        "grid": (0.05,) * 10 + (0.1,) * 10,
        "path_costs": (
            LeastSquares("attitude", lambda stage: 2 * stage.x[1:4], (10.0,) * 3),
            LeastSquares("rate", lambda stage: stage.x[4:], (1.0,) * 3),
            LeastSquares("torque", lambda stage: stage.u, (0.1,) * 3),
        ),
        "terminal_costs": (LeastSquares("end", lambda stage: 2 * stage.x[1:4], (30.0,) * 3),),
        "path_constraints": (control_bounds((-2.0,) * 3, (2.0,) * 3),),
    }
    return OptimalControlProblem(**(fields | changes))


def tumbling(seed: int = 0) -> Array:
    """A state of the spinning body, turned and turning."""
    return RigidSpin.manifold.retract(np.r_[1.0, np.zeros(6)], np.random.default_rng(seed).normal(size=6))


def runaway() -> OptimalControlProblem:
    """The cubic with less control than it takes to hold it beyond 1."""
    return double_integrator(
        name="cubic",
        dynamics=cubic(),
        path_costs=(LeastSquares("state", lambda stage: stage.x, (1.0,)), LeastSquares("u", lambda stage: stage.u, (1.0,))),
        path_constraints=(control_bounds((-1.0,), (1.0,)),),
    )


def constant_guess(problem: OptimalControlProblem, x0: Sequence[float] | Array, control: Array | None = None) -> Trajectory:
    """x0 all along, with a control (zeros when not given)."""
    times = np.rint(problem.times * 1e9).astype(np.int64)
    held = np.zeros(problem.dynamics.nu) if control is None else control
    return Trajectory.constant(problem.dynamics.manifold, times, np.asarray(x0), held)


def solve(
    solver: Solver,
    x0: Sequence[float] | Array,
    guess: Trajectory | None = None,
    *,
    parameters: Array | None = None,
    reference: Array | None = None,
    deadline_ns: int = NO_DEADLINE,
) -> Solution:
    """A solve that starts at rest in x0, with nominal parameters and a reference of zeros, unless given."""
    problem = solver.problem
    p = problem.parameters.values if parameters is None else parameters
    r = np.zeros((problem.N + 1, problem.nr)) if reference is None else reference
    return solver.solve(np.asarray(x0), p, r, constant_guess(problem, x0) if guess is None else guess, deadline_ns)


def first_plan(robot: Any, task: Any) -> tuple[Array, Array, Trajectory]:
    """x0, reference and guess of a task's first plan; a little off its start, so that no symmetry hides a direction."""
    problem, manifold = task.problem, task.problem.dynamics.manifold
    start = np.asarray(task.initial_state, dtype=float)
    x0 = manifold.retract(start, 0.01 * np.random.default_rng(4).normal(size=manifold.ndx))
    return x0, task.reference(problem.times), constant_guess(problem, x0, robot.neutral)


def spin_up() -> OptimalControlProblem:
    """min −½ ω² over bounded torques: its Hessian is indefinite, and its optimum a corner of the bounds."""
    return OptimalControlProblem(
        name="spin up",
        dynamics=RigidSpin(),
        integrator=RungeKutta4(),
        grid=(0.1,) * 5,
        path_costs=(
            GeneralCost("speed", lambda stage: -ca.dot(stage.x[4:], stage.x[4:]) / 2),
            LeastSquares("torque", lambda stage: stage.u, (1e-3,) * 3),
        ),
        path_constraints=(control_bounds((-2.0,) * 3, (2.0,) * 3),),
    )
