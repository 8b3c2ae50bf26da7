"""A small car that passes a round obstacle on its road: a hard constraint that is not convex."""

from __future__ import annotations

from typing import final

import casadi as ca
import numpy as np

from launch.bench.problems.reference_problem import ReferenceProblem
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.problem.constraint import Constraint, control_bounds, state_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.problem.stage import Stage

_WHEELBASE = 0.33  # m
_SPEED = 2.0  # m/s, wanted
_OBSTACLE, _RADIUS = (2.5, 0.1), 0.5  # m
_STATE_WEIGHTS = (10.0, 1.0, 5.0, 0.1)


@final
class RearAxleBicycle(Dynamics):
    """Kinematic bicycle about the rear axle: ṗ = v (cos ψ, sin ψ),  ψ̇ = v tan δ / L.

    x = (p_x, p_y [m], heading ψ [rad], speed v [m/s], steering δ [rad]);  u = (v̇ [m/s²], δ̇ [rad/s]). The tyres do not slip.
    """

    name = "racecar"
    state_names, state_units = ("x", "y", "heading", "speed", "steering"), ("m", "m", "rad", "m/s", "rad")
    control_names, control_units = ("acceleration", "steering_rate"), ("m/s²", "rad/s")
    manifold = Euclidean(5)
    parameters = Parameters()

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        _, _, heading, speed, steering = ca.vertsplit(x)
        travel = ca.vertcat(ca.cos(heading), ca.sin(heading), ca.tan(steering) / _WHEELBASE)
        return ca.vertcat(speed * travel, u)


def obstacle_course() -> ReferenceProblem:
    """Along y = 0 at the wanted speed, 2.5 s ahead."""
    return ReferenceProblem(
        problem=OptimalControlProblem(
            name="racecar",
            dynamics=RearAxleBicycle(),
            integrator=RungeKutta4(),
            grid=(0.05,) * 50,
            path_costs=(LeastSquares("path", lambda s: ca.vertcat(_error(s), s.u), (*_STATE_WEIGHTS, 0.1, 0.1)),),
            terminal_costs=(LeastSquares("end", _error, _STATE_WEIGHTS),),
            path_constraints=(
                control_bounds([-4.0, -3.0], [3.0, 3.0]),
                state_bounds([1, 3, 4], [-1.5, 0.0, -0.4], [1.5, 2.5, 0.4], "state"),
                Constraint("obstacle", _squared_distance, (_RADIUS**2,), (np.inf,)),
            ),
        ),
        optimum=1.02262625,
        initial_state=np.array([0.0, 0.0, 0.0, 1.0, 0.0]),
        initial_control=np.zeros(2),
        spread=np.array([0.3, 0.1, 0.1, 0.5, 0.0]),
        noise=np.zeros(5),
        episodes=4,
        steps=60,
    )


def _error(stage: Stage) -> ca.SX:
    """(4,): y, heading, speed and steering against what is wanted."""
    return stage.x[1:] - np.array([0.0, 0.0, _SPEED, 0.0])


def _squared_distance(stage: Stage) -> ca.SX:
    """[m²] from the obstacle's centre."""
    return (stage.x[0] - _OBSTACLE[0]) ** 2 + (stage.x[1] - _OBSTACLE[1]) ** 2
