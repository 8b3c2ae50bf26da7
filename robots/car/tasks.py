"""What the car can do: keep its lane, and pass an obstacle in it."""

from __future__ import annotations

import math

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage
from mpc_controller.robot import Task

DRIVE_FORCE_LIMIT = 10.0  # N; half of the rear tyres' grip, which the model does not share with cornering
STEERING_RATE_LIMIT = 3.2  # rad/s; F1TENTH gym: sv_max
STEERING_LIMIT = 0.4189  # rad; F1TENTH gym: s_max
SPEED_LIMIT = 3.0  # m/s
LANE_HALF_WIDTH = 1.0  # m

# Two discs cover the car's outline, 0.58 m x 0.31 m (F1TENTH gym: length, width): each the half of it in front or behind.
DISC_OFFSET = 0.145  # m
DISC_RADIUS = math.hypot(0.145, 0.155)  # m

_CRUISE_SPEED = 2.0  # m/s
_GRID = (0.06,) * 30  # s; 1.8 s see 3.6 m of road, twice what it takes to steer round a car's width
_AT_REST = np.zeros(7)

# Off the lane's middle, so that one side is shorter. The margin is for what the tyres and the estimate are off.
OBSTACLE = Parameters(
    (
        Parameter("obstacle.x", 6.0, "m", description="centre of the round obstacle"),
        Parameter("obstacle.y", -0.15, "m"),
        Parameter("obstacle.radius", 0.3, "m", lower=0.0),
        Parameter("obstacle.margin", 0.06, "m", lower=0.0, description="free space that the plan keeps to it"),
    )
)


def lane_keep(dynamics: Dynamics) -> Task:
    return Task(
        name="lane-keep",
        description=f"drive along the lane at {_CRUISE_SPEED:g} m/s, starting 0.4 m beside its middle",
        problem=_problem("car-lane", dynamics, (), Parameters()),
        reference=_along_the_lane,
        errors=_errors,
        initial_state=np.array([0.0, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0]),
        duration_s=8.0,
        settle_s=3.0,
    )


def pass_obstacle(dynamics: Dynamics) -> Task:
    # As stiff as it takes to keep the margin within millimetres; stiffer, and the noise of the position shakes the steering.
    stiffness = Soft(l1=1.0, l2=50.0)
    clear = Constraint("obstacle_clearance", _clearances, (0.0, 0.0), (math.inf, math.inf), stiffness)
    return Task(
        name="pass-obstacle",
        description=f"drive along the lane at {_CRUISE_SPEED:g} m/s and round an obstacle in it",
        problem=_problem("car-obstacle", dynamics, (clear,), OBSTACLE),
        reference=_along_the_lane,
        errors=_errors_and_overlap,
        initial_state=_AT_REST,
        duration_s=8.0,
        settle_s=1.5,
    )


def _problem(
    name: str, dynamics: Dynamics, constraints: tuple[Constraint, ...], parameters: Parameters
) -> OptimalControlProblem:
    """Follow the reference (y [m], forward speed [m/s]) with a straight, calm car."""
    weights = (4.0, 2.0, 4.0, 0.5, 0.2, 0.5)
    centre = LANE_HALF_WIDTH - DISC_RADIUS
    stiff = Soft(l1=20.0, l2=500.0)
    return OptimalControlProblem(
        name=name,
        dynamics=dynamics,
        integrator=RungeKutta4(steps=3),  # 20 ms: the lateral modes reach 115 1/s at standstill, stable up to 24 ms
        grid=_GRID,
        path_costs=(
            LeastSquares("state", _deviation, weights),
            LeastSquares("effort", lambda s: s.u, (0.03, 0.3)),
        ),
        terminal_costs=(LeastSquares("final_state", _deviation, weights),),
        path_constraints=(
            control_bounds((-DRIVE_FORCE_LIMIT, -STEERING_RATE_LIMIT), (DRIVE_FORCE_LIMIT, STEERING_RATE_LIMIT)),
            state_bounds((6,), (-STEERING_LIMIT,), (STEERING_LIMIT,), "steering"),
            state_bounds((3,), (-0.2,), (SPEED_LIMIT,), "speed", stiff),
            state_bounds((1,), (-centre,), (centre,), "lane", stiff),
            *constraints,
        ),
        reference_names=("y", "forward_speed"),
        extra_parameters=parameters,
    )


def _deviation(stage: Stage) -> ca.SX:
    _, y, yaw, v, w, r, steering = ca.vertsplit(stage.x)
    return ca.vertcat(y - stage.reference[0], yaw, v - stage.reference[1], w, r, steering)


def _clearances(stage: Stage) -> ca.SX:
    """Free space [m] between the obstacle with its margin and the car's front and rear disc."""
    q = stage.parameters
    needed = q["obstacle.radius"] + q["obstacle.margin"] + DISC_RADIUS
    x, y, yaw = stage.x[0], stage.x[1], stage.x[2]
    distances = []
    for offset in (DISC_OFFSET, -DISC_OFFSET):
        dx = x + offset * ca.cos(yaw) - q["obstacle.x"]
        dy = y + offset * ca.sin(yaw) - q["obstacle.y"]
        distances.append(ca.sqrt(dx**2 + dy**2 + 1e-6) - needed)  # 1 mm: a gradient at the centre too
    return ca.vertcat(*distances)


def _along_the_lane(times: Array) -> Array:
    return np.tile([0.0, _CRUISE_SPEED], (len(times), 1))


def _errors(x: Array, r: Array) -> dict[str, float]:
    """Distance from the lane's middle [m], negative to the right, and excess speed [m/s]."""
    return {"lateral_m": float(x[1] - r[0]), "speed_m_s": float(x[3] - r[1])}


def _errors_and_overlap(x: Array, r: Array) -> dict[str, float]:
    """As on a free lane, and how deep [m] the car is in the obstacle: 0 unless it touches."""
    return {**_errors(x, r), "overlap_m": max(0.0, -free_space(x))}


def free_space(x: Array) -> float:
    """Distance [m] between the car's discs and the obstacle where it is nominally; negative when they touch."""
    obstacle_x, obstacle_y, radius, _ = OBSTACLE.values
    forward = DISC_OFFSET * np.array([math.cos(x[2]), math.sin(x[2])])
    centre = np.array([x[0] - obstacle_x, x[1] - obstacle_y])
    return float(min(np.hypot(*(centre + forward)), np.hypot(*(centre - forward))) - radius - DISC_RADIUS)
