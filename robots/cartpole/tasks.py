"""What the cart-pole can do: swing up, balance, follow steps of the cart's position."""

from __future__ import annotations

import math

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.problem.constraint import Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import Task

FORCE_LIMIT = 20.0  # N
TRACK_LIMIT = 1.0  # m, of plans
RAIL_END = 1.3  # m, as in the MJCF
# Fine where the plan is flown, coarse further out: 1.4 s see a whole swing of the pole (period 1.3 s).
_GRID = (0.02,) * 20 + (0.05,) * 20
_STEP_SIZE, _STEP_PERIOD = 0.4, 4.0  # m, s

UPRIGHT = np.zeros(4)
HANGING = np.array([0.0, math.pi, 0.0, 0.0])


def swing_up(dynamics: Dynamics) -> Task:
    return Task(
        name="swing-up",
        description="swing the pole up from hanging and balance it over the middle of the rail",
        problem=_problem(dynamics),
        reference=_at_origin,
        errors=_errors,
        initial_state=HANGING,
        duration_s=8.0,
        settle_s=4.0,
    )


def balance(dynamics: Dynamics) -> Task:
    return Task(
        name="balance",
        description="balance the pole over the middle of the rail, from a lean of 0.15 rad",
        problem=_problem(dynamics),
        reference=_at_origin,
        errors=_errors,
        initial_state=np.array([0.0, 0.15, 0.0, 0.0]),
        duration_s=6.0,
        settle_s=2.0,
    )


def step(dynamics: Dynamics) -> Task:
    return Task(
        name="step",
        description=f"balance the pole while the cart steps between ±{_STEP_SIZE} m every {_STEP_PERIOD:g} s",
        problem=_problem(dynamics),
        reference=_steps,
        errors=_errors,
        initial_state=UPRIGHT,
        duration_s=16.0,
    )


def _problem(dynamics: Dynamics) -> OptimalControlProblem:
    """Every task minimises the same cost about another reference (cart position [m], pole angle [rad])."""
    weights = (10.0, 10.0, 0.1, 0.1)
    return OptimalControlProblem(
        name="cartpole",
        dynamics=dynamics,
        integrator=RungeKutta4(),
        grid=_GRID,
        path_costs=(
            LeastSquares("state", lambda s: s.x - ca.vertcat(s.reference, 0, 0), weights),
            LeastSquares("force", lambda s: s.u, (0.005,)),
        ),
        terminal_costs=(LeastSquares("final_state", lambda s: s.x - ca.vertcat(s.reference, 0, 0), weights),),
        path_constraints=(
            control_bounds((-FORCE_LIMIT,), (FORCE_LIMIT,)),
            state_bounds((0,), (-TRACK_LIMIT,), (TRACK_LIMIT,), "track", Soft(l1=10.0, l2=1000.0)),
        ),
        reference_names=("position", "angle"),
    )


def _at_origin(times: Array) -> Array:
    return np.zeros((len(times), 2))


def _steps(times: Array) -> Array:
    rows = np.zeros((len(times), 2))
    rows[:, 0] = _STEP_SIZE * np.where(np.floor(times / _STEP_PERIOD) % 2 == 0, 1.0, -1.0)
    return rows


def _errors(x: Array, r: Array) -> dict[str, float]:
    """Distance of the cart [m], and angle of the pole [rad], the shorter way round."""
    return {"angle_rad": math.remainder(x[1] - r[1], math.tau), "position_m": float(x[0] - r[0])}
