"""The tool of a 7-joint arm goes to a point, with bounds on torques and velocities: rigid-body derivatives dominate."""

from __future__ import annotations

from pathlib import Path

import casadi as ca
import numpy as np

from launch.bench.problems.reference_problem import ReferenceProblem
from mpc_controller.arrays import Array
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.rigid_body import RigidBodyDynamics, RigidBodyModel, frame_placement, load_urdf, rnea
from mpc_controller.problem.constraint import control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage

URDF = Path(__file__).with_name("panda.urdf")
TOOL = "tcp"
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])  # rad
TARGET = np.array([0.30, 0.50, 0.45])  # m
TORQUE_LIMIT = np.array([87.0] * 4 + [12.0] * 3)  # N m
VELOCITY_LIMIT = np.array([2.175] * 4 + [2.61] * 3)  # rad/s
POSITION_WEIGHT, ANGLE_WEIGHT, VELOCITY_WEIGHT, TORQUE_WEIGHT = 1e3, 1e-1, 1.0, 1e-3
_STATE_WEIGHTS = (POSITION_WEIGHT,) * 3 + (ANGLE_WEIGHT,) * 7 + (VELOCITY_WEIGHT,) * 7


def reach() -> ReferenceProblem:
    """0.6 s ahead; about 27 bounds are active at the optimum."""
    model = load_urdf(URDF)
    initial = np.concatenate([HOME, np.zeros(7)])
    holding = _gravity_torque(model)
    tool = _tool(model)

    def state_error(stage: Stage) -> ca.SX:
        return ca.vertcat(tool(stage.x[:7]) - TARGET, stage.x - initial)

    def path_error(stage: Stage) -> ca.SX:
        return ca.vertcat(state_error(stage), stage.u - holding)

    return ReferenceProblem(
        problem=OptimalControlProblem(
            name="arm",
            dynamics=RigidBodyDynamics(model),
            integrator=RungeKutta4(),
            grid=(0.02,) * 30,
            path_costs=(LeastSquares("path", path_error, (*_STATE_WEIGHTS, *(TORQUE_WEIGHT,) * 7)),),
            terminal_costs=(LeastSquares("end", state_error, _STATE_WEIGHTS),),
            path_constraints=(
                control_bounds((-TORQUE_LIMIT).tolist(), TORQUE_LIMIT.tolist()),
                state_bounds(range(7, 14), (-VELOCITY_LIMIT).tolist(), VELOCITY_LIMIT.tolist(), "velocity"),
            ),
        ),
        optimum=16.52715233,
        initial_state=initial,
        initial_control=holding,
        spread=np.full(14, 0.1),
        noise=np.array([1e-4] * 7 + [1e-3] * 7),
        episodes=4,
        steps=60,
    )


def _tool(model: RigidBodyModel) -> ca.Function:
    """q (7,) → position of the tool in the world (3,) [m]."""
    q = ca.SX.sym("q", 7)
    return ca.Function("tool", [q], [frame_placement(model, q, TOOL).translation])


def _gravity_torque(model: RigidBodyModel) -> Array:
    """(7,) [N m] that holds the home posture."""
    q, rest = ca.SX.sym("q", 7), ca.SX(7, 1)
    return np.asarray(ca.Function("gravity", [q], [rnea(model, q, rest, rest)])(HOME)).ravel()
