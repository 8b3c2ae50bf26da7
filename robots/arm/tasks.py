"""What the arm can do: go to joint angles, take its tool to a point, draw a circle with it."""

from __future__ import annotations

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.rigid_body import RigidBodyModel, frame_placement, frame_velocity
from mpc_controller.problem.constraint import Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import Cost, LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage
from mpc_controller.robot import Task
from robots.arm import reference
from robots.arm.dynamics import TOOL
from robots.arm.numeric import NumericArm

# Franka Emika, Panda data sheet.
TORQUE_LIMIT = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])  # N m
VELOCITY_LIMIT = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])  # rad/s
ANGLE_LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])  # rad
ANGLE_UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])  # rad

HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])  # rad; the tool points down
_AT_REST = np.zeros(7)

# Fine where the plan is flown, coarse further out. A step of 0.04 s is off by at most 3e-5 rad and 2e-4 rad/s at 0.6 rad/s
# and torques within 12 N m of gravity's (against steps of 0.001 s).
_GRID = (0.01,) * 4 + (0.04,) * 10
_MARGIN = 0.02  # rad and rad/s, kept from the limits of angles and rates
# Stiff enough that a plan breaks a limit only where no torque can keep it.
_SOFT = Soft(l1=50.0, l2=5000.0)

_JOINT_TARGET = np.array([0.6, -0.3, 0.4, -1.9, 0.3, 1.9, 0.2])  # rad
_TOOL_TARGET = np.array([0.45, 0.3, 0.35])  # m
_RADIUS, _RAMP = 0.1, 2.0  # m, s
_PERIODS = {"": 4.0, "fast": 2.5, "faster": 1.8}  # s, by what the task is called: 0.16, 0.25 and 0.35 m/s along the circle
_TOOL_NAMES = ("x", "y", "z", "vx", "vy", "vz")


def joint_reach(dynamics: DisturbedDynamics) -> Task:
    def errors(x: Array, r: Array) -> dict[str, float]:
        return {"angle_rad": float(np.abs(x[:7] - r[:7]).max())}

    return Task(
        name="joint-reach",
        description="go from the home posture to other joint angles within 2 s",
        problem=_problem("arm-joints", dynamics, *_joint_costs(), dynamics.state_names),
        reference=lambda times: reference.straight(times, HOME, _JOINT_TARGET, 2.0),
        errors=errors,
        initial_state=np.concatenate([HOME, _AT_REST]),
        duration_s=5.0,
        settle_s=2.5,
    )


def reach(dynamics: DisturbedDynamics, model: RigidBodyModel) -> Task:
    arm = NumericArm()
    start = arm.tool_position(HOME)
    return Task(
        name="reach",
        description="take the tool, pointing down, to a point 0.36 m away within 2 s",
        problem=_problem("arm-tool", dynamics, *_tool_costs(model), _TOOL_NAMES),
        reference=lambda times: reference.straight(times, start, _TOOL_TARGET, 2.0),
        errors=lambda x, r: {"position_m": float(np.linalg.norm(arm.tool_position(x[:7]) - r[:3]))},
        initial_state=np.concatenate([HOME, _AT_REST]),
        duration_s=5.0,
        settle_s=2.5,
        position=lambda x: arm.tool_position(x[:7]),
    )


def circle(dynamics: DisturbedDynamics, model: RigidBodyModel, pace: str = "") -> Task:
    period = _PERIODS[pace]
    arm = NumericArm()
    centre = arm.tool_position(HOME)
    return Task(
        name=f"circle-{pace}" if pace else "circle",
        description=f"draw an upright circle of {_RADIUS} m radius with the tool, once in {period:g} s",
        problem=_problem("arm-tool", dynamics, *_tool_costs(model), _TOOL_NAMES),
        reference=lambda times: reference.circle(times, centre, _RADIUS, period, _RAMP),
        errors=lambda x, r: {"position_m": float(np.linalg.norm(arm.tool_position(x[:7]) - r[:3]))},
        initial_state=np.concatenate([HOME, _AT_REST]),
        duration_s=10.0,
        settle_s=_RAMP,
        position=lambda x: arm.tool_position(x[:7]),
    )


def _problem(
    name: str,
    dynamics: DisturbedDynamics,
    path_costs: tuple[Cost, ...],
    terminal_costs: tuple[Cost, ...],
    reference_names: tuple[str, ...],
) -> OptimalControlProblem:
    lower = np.concatenate([ANGLE_LOWER, -VELOCITY_LIMIT]) + _MARGIN
    upper = np.concatenate([ANGLE_UPPER, VELOCITY_LIMIT]) - _MARGIN
    return OptimalControlProblem(
        name=name,
        dynamics=dynamics,
        integrator=RungeKutta4(),
        grid=_GRID,
        path_costs=path_costs,
        terminal_costs=terminal_costs,
        path_constraints=(
            control_bounds((-TORQUE_LIMIT).tolist(), TORQUE_LIMIT.tolist()),
            state_bounds(range(14), lower.tolist(), upper.tolist(), "joint", _SOFT),
        ),
        reference_names=reference_names,
    )


def _joint_costs() -> tuple[tuple[Cost, ...], tuple[Cost, ...]]:
    """Follow joint angles and rates."""

    def state(stage: Stage) -> ca.SX:
        return stage.x - stage.reference

    weights = (200.0,) * 7 + (2.0,) * 7
    return (
        (LeastSquares("state", state, weights), _torque_cost()),
        (LeastSquares("final_state", state, (20.0,) * 7 + (1.0,) * 7),),
    )


def _tool_costs(model: RigidBodyModel) -> tuple[tuple[Cost, ...], tuple[Cost, ...]]:
    """Follow a point and its velocity with the tool, keep it pointing down, and the joints near the home posture."""
    q, v = ca.SX.sym("q", 7), ca.SX.sym("v", 7)
    placement = frame_placement(model, q, TOOL)
    motion = ca.vertcat(placement.translation, frame_velocity(model, q, v, TOOL))
    tool = ca.Function("tool", [q, v], [motion, placement.rotation[:2, 2]])

    def follow(stage: Stage) -> ca.SX:
        """Errors of the tool's position [m] and velocity [m/s], and its axis's horizontal components."""
        reached, axis = tool(stage.x[:7], stage.x[7:])
        return ca.vertcat(reached - stage.reference, axis)

    def posture(stage: Stage) -> ca.SX:
        return stage.x - np.concatenate([HOME, _AT_REST])

    return (
        (
            LeastSquares("tool", follow, (3000.0,) * 3 + (10.0,) * 3 + (50.0,) * 2),
            LeastSquares("posture", posture, (0.1,) * 7 + (0.1,) * 7),
            _torque_cost(),
        ),
        (
            LeastSquares("final_tool", follow, (300.0,) * 3 + (10.0,) * 3 + (5.0,) * 2),
            LeastSquares("final_posture", posture, (0.01,) * 7 + (0.1,) * 7),
        ),
    )


def _torque_cost() -> Cost:
    """Torques near those that hold the home posture; so weak that it moves the tool by less than 0.1 mm."""
    holding = NumericArm().gravity_torque(HOME)
    return LeastSquares("torque", lambda stage: stage.u - holding, (1e-4,) * 7)
