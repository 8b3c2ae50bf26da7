"""Two small machines with known answers, and a solver for the linear one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import casadi as ca
import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Claim, Mode, Observation, Plan
from mpc_controller.model.dynamics import DisturbedDynamics, Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean, Manifold
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.problem.constraint import control_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Residuals, Solution, Status
from mpc_controller.solvers.solver import NO_DEADLINE, Solver
from mpc_controller.solvers.trajectory import Trajectory

DT = 0.05
N = 20
MS = 1_000_000


class SledDynamics(Dynamics):
    """m q̈ = u."""

    name = "sled"
    state_names, state_units = ("q", "q_dot"), ("m", "m/s")
    control_names, control_units = ("force",), ("N",)
    manifold = Euclidean(2)
    parameters = Parameters((Parameter("mass", 2.0, "kg", 0.1, 10.0),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u / p)


class TopDynamics(Dynamics):
    """A ball of inertia J turned by torques: q̇ = ½ q ⊗ (0, ω), J ω̇ = τ."""

    name = "top"
    state_names = ("qw", "qx", "qy", "qz", "wx", "wy", "wz")
    state_units = ("", "", "", "", "rad/s", "rad/s", "rad/s")
    control_names, control_units = ("tx", "ty", "tz"), ("N m", "N m", "N m")
    manifold = Manifold(7, quaternions=(0,))
    parameters = Parameters((Parameter("inertia", 0.5, "kg m²", 0.01, 10.0),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        w, v, rate = x[0], x[1:4], x[4:7]
        return ca.vertcat(-0.5 * ca.dot(v, rate), 0.5 * (w * rate + ca.cross(v, rate)), u / p)


def sled(**changes: Any) -> Robot:
    """Position is measured, velocity is not; 500 Hz with plans at 100 Hz; holds by a spring and a damper."""
    fields: dict[str, Any] = {
        "name": "sled",
        "description": "a mass on a rail",
        "dynamics": DisturbedDynamics(SledDynamics(), ("q_dot",)),
        "measured": ("q",),
        "control_lower": np.array([-20.0]),
        "control_upper": np.array([20.0]),
        "control_slew": np.array([2000.0]),
        "neutral": np.zeros(1),
        "plant_rate_hz": 500.0,
        "control_rate_hz": 100.0,
        "mjcf": Path("sled.xml"),
        "tasks": {"rest": task},
        "default_task": "rest",
        "hold": lambda x, planned: -20.0 * (x[:1] - planned[:1]) - 5.0 * x[1:2],
        "measurement_std": np.array([1e-3]),
        "process_std": np.array([1e-3, 1e-2]),
        "disturbance_std": np.array([0.5]),
    }
    return Robot(**(fields | changes))


def top(measured: tuple[str, ...] = TopDynamics.state_names[:4]) -> Robot:
    """The attitude is measured, the rates are not."""
    count = 3 if len(measured) == 4 else 6
    return Robot(
        name="top",
        description="a ball in space",
        dynamics=DisturbedDynamics(TopDynamics(), ("wx", "wy", "wz")),
        measured=measured,
        control_lower=-np.ones(3),
        control_upper=np.ones(3),
        control_slew=np.full(3, 100.0),
        neutral=np.zeros(3),
        plant_rate_hz=500.0,
        control_rate_hz=100.0,
        mjcf=Path("top.xml"),
        tasks={},
        default_task="",
        hold=lambda x, planned: -x[4:7],
        measurement_std=np.full(count, 2e-3),
        process_std=np.array([1e-3] * 3 + [1e-2] * 3),
        disturbance_std=np.full(3, 0.3),
    )


def task(reference: Callable[[Array], Array] | None = None) -> Task:
    """Bring the sled to a position: 0 without a reference."""
    problem = OptimalControlProblem(
        name="sled-rest",
        dynamics=DisturbedDynamics(SledDynamics(), ("q_dot",)),
        integrator=RungeKutta4(),
        grid=(DT,) * N,
        path_costs=(
            LeastSquares("state", lambda s: ca.vertcat(s.x[0] - s.reference[0], s.x[1]), (100.0, 1.0)),
            LeastSquares("effort", lambda s: s.u, (0.01,)),
        ),
        path_constraints=(control_bounds([-20.0], [20.0]),),
        reference_names=("q",),
    )
    return Task(
        name="rest",
        description="stand still",
        problem=problem,
        reference=reference or (lambda t: np.zeros((len(t), 1))),
        errors=lambda x, r: {"position_m": float(abs(x[0] - r[0]))},
        initial_state=np.array([0.5, 0.0]),
        duration_s=2.0,
    )


def transition(mass: float, dt: float) -> tuple[Array, Array, Array]:
    """x⁺ = A x + B u + E d of the sled, exactly."""
    A = np.array([[1.0, dt], [0.0, 1.0]])
    E = np.array([[dt**2 / 2], [dt]])
    return A, E / mass, E


class SledSolver(Solver):
    """The sled's problem without its bounds, by one Riccati recursion in (x, 1). Gives the statuses in `script` first."""

    def __init__(self, problem: OptimalControlProblem) -> None:
        self.problem = problem
        self.build_s, self.from_cache = 0.0, True
        self.script: list[Status] = []
        self.guesses: list[Trajectory] = []
        self.states: list[Array] = []
        self.resets = 0

    def solve(
        self, x0: Array, parameters: Array, reference: Array, guess: Trajectory, deadline_ns: int = NO_DEADLINE
    ) -> Solution:
        self.guesses.append(guess)
        self.states.append(x0)
        status = self.script.pop(0) if self.script else Status.CONVERGED
        value = {name: parameters[self.problem.parameters.index(name)] for name in ("mass", "disturbance.q_dot")}
        weights = [parameters[self.problem.parameters.index(f"weight.{n}")] for n in ("state[0]", "state[1]", "effort[0]")]
        K, k = self._riccati(value["mass"], value["disturbance.q_dot"], weights, reference)
        A, B, E = transition(value["mass"], DT)
        states, controls = [x0], []
        for i in range(N):
            controls.append(np.clip(k[i] + K[i] @ states[-1], -20.0, 20.0))
            states.append(A @ states[-1] + B @ controls[-1] + E[:, 0] * value["disturbance.q_dot"])
        plan = Trajectory(guess.manifold, guess.times, np.array(states), np.array(controls))
        none = Residuals(0.0, 0.0, 0.0, 0.0)
        return Solution(status, plan, K, np.zeros((N + 1, 1)), float(x0 @ x0), none, 1, 1, "", 0.0, 0.0, 1000)

    def reset(self) -> None:
        self.resets += 1

    def _riccati(self, mass: float, d: float, weights: list[float], reference: Array) -> tuple[Array, Array]:
        """u_k = k_k + K_k x for the cost ½ Σ dt (w₀ (q − r)² + w₁ q̇² + w₂ u²)."""
        A, B, E = transition(mass, DT)
        F = np.block([[A, E * d], [np.zeros((1, 2)), np.ones((1, 1))]])
        G = np.vstack([B, np.zeros((1, 1))])
        P = np.zeros((3, 3))
        K, k = np.zeros((N, 1, 2)), np.zeros((N, 1))
        for i in range(N - 1, -1, -1):
            c = np.array([[1.0, 0.0, -reference[i, 0]], [0.0, 1.0, 0.0]])
            gain = -np.linalg.solve(DT * weights[2] * np.eye(1) + G.T @ P @ G, G.T @ P @ F)
            K[i], k[i] = gain[:, :2], gain[:, 2]
            Q = DT * c.T @ np.diag(weights[:2]) @ c
            P = Q + F.T @ P @ (F + G @ gain)
        return K, k


def observation(
    robot: Robot, sequence: int, measured: npt.ArrayLike, control: Array | None = None, /, **changes: Any
) -> Observation:
    """At 500 Hz from time 0, in HOLD without a plan."""
    fields: dict[str, Any] = {
        "robot": robot.name,
        "model_hash": robot.model_hash,
        "sequence": sequence,
        "time_ns": 2 * MS * sequence,
        "measured": np.asarray(measured, dtype=float),
        "control": np.zeros(robot.dynamics.nu) if control is None else control,
        "mode": Mode.HOLD,
        "plan_epoch": 0,
        "plan_sequence": 0,
        "plan_age_ns": 0,
        "latency_ns": -1,
    }
    return Observation(**(fields | changes))


def plan(robot: Robot, /, **changes: Any) -> Plan:
    """A plan at rest for one second from time 0, in answer to observation 0."""
    d = robot.dynamics
    state = np.zeros(d.nx)
    for start in d.manifold.quaternions:
        state[start] = 1.0
    fields: dict[str, Any] = {
        "robot": robot.name,
        "model_hash": robot.model_hash,
        "epoch": 1,
        "sequence": 1,
        "answers_sequence": 0,
        "start_ns": 0,
        "valid_until_ns": 1000 * MS,
        "status": int(Status.CONVERGED),
        "times": np.arange(N + 1, dtype=np.int64) * 50 * MS,
        "states": np.tile(state, (N + 1, 1)),
        "controls": np.zeros((N, d.nu)),
        "gains": np.zeros((N, d.nu, d.manifold.ndx)),
        "reference": np.zeros(1),
        "estimate": state,
        "disturbance": np.zeros(len(d.channels)),
        "tracking": {},
        "cost": 0.0,
        "iterations": 1,
        "qp_iterations": 1,
        "worst_constraint": "",
        "solve_time_ns": 0,
        "loop_time_ns": 0,
        "deadline_missed": False,
        "task": "rest",
        "solver": "sled",
        "claim": Claim.IF_FREE,
    }
    return Plan(**(fields | changes))
