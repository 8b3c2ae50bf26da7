"""From the commands of a flying robot to what an autopilot takes: rates or an attitude, and a throttle."""

from __future__ import annotations

from typing import Final, NamedTuple, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers.error import UnsuitableRobotError
from mpc_controller.drivers.mavlink_frames import turned_by
from mpc_controller.drivers.mavlink_options import MavlinkOptions
from mpc_controller.robot import Robot

STATES: Final = (
    *("position_x", "position_y", "position_z"),
    *("quaternion_w", "quaternion_x", "quaternion_y", "quaternion_z"),
    *("velocity_x", "velocity_y", "velocity_z"),
    *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
)
_TOLERANCE = 1e-6
_LARGEST_TURN = 0.7  # of the vector part: 89°; near 180° the shortest way to an attitude changes its side


class SetPoint(NamedTuple):
    """In our frames: attitude (4,), body rates (3,) [rad/s], throttle in [0, 1]."""

    attitude: Array
    rates: Array
    throttle: float


@final
class SetPoints:
    """The autopilot's loops, inverted, so that its rotors do what the commands u ask for.

    Its rate loop makes angular accelerations K_r (ω_sp − ω) and its attitude loop rates 2 K_a v, where v is the vector part of
    the turn to q_sp (PX4's AttitudeControl; it also weighs yaw down, which is left out here). At rest, once all that lags has
    settled, the model gives the angular acceleration A u and the specific thrust b u. So:

        ω_sp = ω + K_r⁻¹ A u        q_sp = q ⊗ (√(1 − |v|²), v), v = ½ K_a⁻¹ ω_sp        throttle = hover throttle · b u / g

    Raises UnsuitableRobotError where the model is none of this kind: A and b linear, b along the body's z axis.
    """

    def __init__(self, robot: Robot, options: MavlinkOptions) -> None:
        if sorted(robot.measured) != sorted(STATES):
            raise UnsuitableRobotError(f"'{robot.name}' does not measure what an autopilot tells: {', '.join(STATES)}")
        self._options = options
        self._accelerations, self._thrust, self._gravity = _linear_model(robot)

    def of(self, u: Array, attitude: Array, rates: Array) -> SetPoint:
        """For commands u (nu,) at an attitude (4,) and body rates (3,)."""
        wanted = rates + self._accelerations @ u / self._options.rate_gain
        throttle = self._options.hover_throttle * float(self._thrust @ u) / self._gravity
        turn = 0.5 * wanted / self._options.attitude_gain
        turn *= min(1.0, _LARGEST_TURN / max(float(np.linalg.norm(turn)), _LARGEST_TURN))
        return SetPoint(turned_by(attitude, turn), wanted, min(max(throttle, 0.0), 1.0))


def _linear_model(robot: Robot) -> tuple[Array, Array, float]:
    """A (3, nu), b (nu,) and g of the model at rest, with settled actuators."""
    model = robot.dynamics.nominal
    nx, nu = len(model.state_names), len(model.control_names)
    x, u = ca.SX.sym("x", nx), ca.SX.sym("u", nu)
    xdot = model.xdot(x, u, ca.SX(ca.DM(model.parameters.values)))
    lagging = [k for k, name in enumerate(model.state_names) if name not in STATES]
    rest = np.zeros(nx)
    rest[model.state_names.index("quaternion_w")] = 1.0
    settled = ca.SX(rest)
    if lagging:
        slope = ca.jacobian(xdot[lagging], x[lagging])
        settled[lagging] = -ca.solve(slope, ca.substitute(xdot[lagging], x, settled))
    rows = [model.state_names.index(name) for name in (*STATES[10:], *STATES[7:10])]
    at_rest = ca.Function("at_rest", [u], [ca.substitute(xdot, x, settled)[rows + lagging]])

    def value(controls: Array) -> Array:
        return np.asarray(at_rest(controls)).ravel()

    zero, trial = value(np.zeros(nu)), np.linspace(0.3, 0.9, nu) * robot.control_upper
    matrix = np.column_stack([value(unit) - zero for unit in np.eye(nu)])
    residue = np.abs(np.append(value(trial) - zero - matrix @ trial, zero[[0, 1, 2, 3, 4]]))
    scale = np.abs(matrix).max() * np.abs(trial).max() + 1.0
    if not (residue < _TOLERANCE * scale).all() or np.abs(matrix[3:5]).max() > _TOLERANCE * scale or zero[5] >= 0:
        raise UnsuitableRobotError(f"'{robot.name}' is not lifted along its own z axis by commands that act linearly")
    return matrix[:3], matrix[5], -float(zero[5])
