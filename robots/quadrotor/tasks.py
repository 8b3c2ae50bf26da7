"""What the quadrotor can do: hover, fly through waypoints, fly figure eights. Each begins on the ground."""

from __future__ import annotations

import math

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds
from mpc_controller.problem.cost import LeastSquares
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.robot import Task
from robots.quadrotor.dynamics import GRAVITY, body_z_axis
from robots.quadrotor.reference import Path, lemniscate, state_along, through

# N a rotor. Full PWM gives 0.159 N on a full battery (firmware: 0.0915 + 0.0677); the rest is left for a tired one.
THRUST_LIMIT = 0.15
TILT_LIMIT = math.radians(40.0)
GROUND = 0.015  # m: height of the body's centre when it stands
_CRUISE = 1.0  # m above the ground
_SWOOP_HEIGHT = 0.2  # m above the ground, at the lowest
# rad/s along a figure eight, by what its task is called.
SWOOP_RATES = {"slow": 0.8, "": 1.1, "fast": 1.4, "faster": 1.8}
_TAKE_OFF = 2.5  # s

_GRID = (0.02,) * 8 + (0.05,) * 12  # 0.76 s: fine against the motor lag of 0.05 s, coarse further out
_STATE_WEIGHTS = (300.0,) * 3 + (1.0, 1.0, 3.0) + (3.0,) * 3 + (0.1, 0.1, 0.1) + (0.0,) * 4
# On u − T, the motors' lag times the change of thrust: it smooths, and does not ask for the thrust of a lighter machine.
_THRUST_CHANGE_WEIGHTS = (150.0,) * 4
_FINAL_WEIGHTS = (60.0,) * 3 + (1.0, 1.0, 2.0) + (4.0,) * 3 + (0.02,) * 3 + (0.0,) * 4


def hover(dynamics: Dynamics) -> Task:
    path = through([(0.0, 0.0, GROUND), (0.0, 0.0, _CRUISE)], [0.0], _TAKE_OFF)
    return _task(dynamics, "hover", f"take off and hover {_CRUISE:g} m above the ground", path, duration_s=10.0)


def waypoints(dynamics: Dynamics) -> Task:
    corners = [(0.0, 0.0, GROUND), (0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.5), (0.0, 1.0, 1.5), (0.0, 0.0, 1.0)]
    path = through(corners, [0.0, 3.0, 6.0, 9.0, 12.0], _TAKE_OFF)
    return _task(dynamics, "waypoints", "take off and fly from waypoint to waypoint, resting in each", path, duration_s=15.0)


def figure_eight(dynamics: Dynamics) -> Task:
    take_off = through([(0.0, 0.0, GROUND), (0.0, 0.0, _CRUISE)], [0.0], _TAKE_OFF)
    # 1.1 rad/s along a figure eight of 2.4 m by 0.64 m: 1.5 m/s through the crossing, 0.7 m/s at the far ends.
    eight = lemniscate(length=1.2, width=0.64, rate=1.1, start=_TAKE_OFF, blend=2.5)
    return _task(
        dynamics,
        "figure-eight",
        "take off and fly a figure eight of 2.4 m at about 1 m/s, at most 1.5 m/s",
        lambda times: take_off(times) + eight(times),
        duration_s=20.0,
    )


def swoop(dynamics: Dynamics, pace: str = "") -> Task:
    """A figure eight through the ground's cushion: its crossing, where it is fastest, is its lowest point."""
    rate = SWOOP_RATES[pace]
    take_off = through([(0.0, 0.0, GROUND), (0.0, 0.0, _SWOOP_HEIGHT)], [0.0], _TAKE_OFF)
    eight = lemniscate(length=1.2, width=0.64, rate=rate, start=_TAKE_OFF, blend=2.5, rise=0.6)
    return _task(
        dynamics,
        f"swoop-{pace}" if pace else "swoop",
        f"fly a figure eight of 2.4 m that dips to {_SWOOP_HEIGHT:g} m, at most {rate * math.hypot(1.2, 0.64):.1f} m/s",
        lambda times: take_off(times) + eight(times),
        duration_s=15.0,
    )


def _task(dynamics: Dynamics, name: str, description: str, path: Path, duration_s: float) -> Task:
    mass = dynamics.parameters["mass"].value
    on_the_ground = np.zeros(dynamics.nx)
    on_the_ground[[2, 3]] = GROUND, 1.0
    return Task(
        name=name,
        description=description,
        problem=_problem(dynamics),
        reference=lambda times: state_along(path(times), mass),
        errors=_errors,
        initial_state=on_the_ground,
        duration_s=duration_s,
        settle_s=3.0,
    )


def _problem(dynamics: Dynamics) -> OptimalControlProblem:
    """Every task minimises the same distance to another reference, which is a whole state."""
    manifold = dynamics.manifold
    return OptimalControlProblem(
        name="quadrotor",
        dynamics=dynamics,
        integrator=RungeKutta4(),
        grid=_GRID,
        path_costs=(
            LeastSquares("state", lambda s: manifold.minus(s.x, s.reference), _STATE_WEIGHTS),
            LeastSquares("thrust_change", lambda s: s.u - s.x[13:17], _THRUST_CHANGE_WEIGHTS),
        ),
        terminal_costs=(LeastSquares("final_state", lambda s: manifold.minus(s.x, s.reference), _FINAL_WEIGHTS),),
        path_constraints=(
            control_bounds((0.0,) * 4, (THRUST_LIMIT,) * 4),
            Constraint(
                "tilt", lambda s: body_z_axis(s.x[3:7])[2], (math.cos(TILT_LIMIT),), (math.inf,), Soft(l1=10.0, l2=100.0)
            ),
        ),
        reference_names=dynamics.state_names,
    )


def hover_state(dynamics: Dynamics) -> Array:
    """The state (17,) at rest over the origin, level."""
    x = np.zeros(dynamics.nx)
    x[3] = 1.0
    x[13:17] = dynamics.parameters["mass"].value * GRAVITY / 4
    return x


def heading(quaternion: Array) -> float:
    """Yaw [rad] of a body-to-world quaternion (4,)."""
    w, x, y, z = quaternion.tolist()
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def _errors(x: Array, r: Array) -> dict[str, float]:
    """Distance [m], and heading [rad]: the tilt is the means to the position, not an end."""
    return {
        "position_m": float(np.linalg.norm(x[:3] - r[:3])),
        "angle_rad": math.remainder(heading(x[3:7]) - heading(r[3:7]), math.tau),
    }
