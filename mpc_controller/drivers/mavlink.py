"""A multicopter behind a PX4 autopilot, over MAVLink 2. The keys of its file are in mavlink_options.py."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Final, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers.error import DriverError
from mpc_controller.drivers.mavlink_frames import swap_attitude, swap_body
from mpc_controller.drivers.mavlink_link import MavlinkLink
from mpc_controller.drivers.mavlink_mode import FlightMode, ModeKeeper
from mpc_controller.drivers.mavlink_options import MavlinkOptions, mavlink_options
from mpc_controller.drivers.mavlink_set_point import STATES, SetPoint, SetPoints
from mpc_controller.node.plant import Plant
from mpc_controller.robot import Robot
from mpc_controller.toml_table import TomlTable

_PX4: Final = 12  # MAV_AUTOPILOT_PX4
_SET_MESSAGE_INTERVAL, _ODOMETRY = 511, 331
_IGNORE_ATTITUDE, _IGNORE_RATES = 128, 7  # ATTITUDE_TARGET_TYPEMASK
_ONBOARD_COMPUTER, _NO_AUTOPILOT, _ACTIVE = 18, 8, 4  # MAV_TYPE, MAV_AUTOPILOT_INVALID, MAV_STATE
_HEARTBEAT_EVERY_S = 1.0
# OFFBOARD needs more than two set-points a second, also before it may be entered.
_PROOF_OF_LIFE_S = 0.05
_FIRST_HEARTBEAT_S = 5.0
_LAST_WORDS = 3  # datagrams may get lost


def plant_of(table: TomlTable, robot: Robot) -> Callable[[], Plant]:
    """Check the table and the robot. Raises TomlError and UnsuitableRobotError; the result raises DriverError."""
    options = mavlink_options(table)
    set_points = SetPoints(robot, options)
    order = np.array([STATES.index(name) for name in robot.measured])
    return lambda: MavlinkPlant(options, set_points, order)


@final
class MavlinkPlant(Plant):
    """Opened once the autopilot's heartbeat has come. Until the first command the pilot's mode stays as it is.

    Commands: OFFBOARD, armed if so configured. Hold: the autopilot's own HOLD mode, with set-points going on as proof of life,
    so that OFFBOARD can be entered again. Stop: LAND, or disarmed at once; of a robot that this driver has never commanded, a
    pilot's, nothing. When a pilot or a failsafe takes over, the node ends
    and leaves the robot to them.
    """

    def __init__(
        self, options: MavlinkOptions, set_points: SetPoints, order: Array, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._options, self._set_points, self._order, self._now_s = options, set_points, order, now_s
        self._state = np.full(len(STATES), math.nan)
        self._link = MavlinkLink(options, now_s)
        self._modes = ModeKeeper(self._link, options.mode_timeout_s)
        self._heartbeat_s = self._set_point_s = self._disarm_s = -math.inf
        self._has_commanded = self._is_stopped = False
        try:
            self._await_heartbeat()
        except BaseException:
            self._link.close()
            raise
        self._link.command(_SET_MESSAGE_INTERVAL, _ODOMETRY, 1e6 / options.telemetry_rate_hz)

    def read(self) -> tuple[Array, Array | None]:
        self._link.receive()
        self._state = self._link.state()
        now_s = self._now_s()
        if now_s - self._heartbeat_s >= _HEARTBEAT_EVERY_S:
            self._heartbeat_s = now_s
            self._link.send("heartbeat", _ONBOARD_COMPUTER, _NO_AUTOPILOT, 0, 0, _ACTIVE, 3)
        if self._has_commanded:
            self._modes.watch(now_s)
        silent = now_s - self._link.heartbeat_s > self._options.lost_after_s
        lost = f"no heartbeat of the autopilot for {self._options.lost_after_s:g} s" if silent else ""
        self.failure = self.failure or self._modes.failure or self._link.failure or lost
        return np.asarray(self._state[self._order]), None

    def apply(self, u: Array) -> None:
        self._is_stopped = False
        if not np.isfinite(self._state).all():
            return  # no set-point can be made: nothing is taken from a pilot for it; OFFBOARD goes on with the last one
        self._has_commanded = True
        now_s = self._now_s()
        self._send(self._set_points.of(u, self._state[3:7], self._state[10:13]), now_s)
        if self._modes.keep(FlightMode.OFFBOARD, now_s) and self._options.arms:
            self._modes.arm(now_s)

    def hold(self) -> bool:
        """By the autopilot's own HOLD mode."""
        now_s = self._now_s()
        if self._has_commanded:
            self._modes.keep(FlightMode.HOLD, now_s)
        self._prove_life(now_s)
        return True

    def stop(self) -> bool:
        """By LAND, or with the motors off; a robot that a pilot flies, and that was never taken from them, stays theirs."""
        now_s = self._now_s()
        self._is_stopped = True
        if not self._has_commanded:
            self._prove_life(now_s)
        elif self._options.lands:
            self._modes.keep(FlightMode.LAND, now_s)
        elif now_s - self._disarm_s >= _PROOF_OF_LIFE_S and not self._modes.is_taken_away:
            self._disarm_s = now_s
            self._modes.disarm()
        return True

    def health(self) -> Mapping[str, float]:
        """Its battery, and how old its heartbeat is."""
        return {**self._link.battery, "heartbeat_age_s": self._now_s() - self._link.heartbeat_s}

    def close(self) -> None:
        """Leave it to the autopilot's HOLD mode, or stopped where it was; untouched where a pilot has it."""
        if self._has_commanded and not self._modes.is_taken_away and not (self._is_stopped and not self._options.lands):
            for _ in range(_LAST_WORDS):
                self._modes.insist(FlightMode.LAND if self._is_stopped else FlightMode.HOLD)
        self._link.close()

    def _prove_life(self, now_s: float) -> None:
        """What the autopilot heeds only while it has not yet left OFFBOARD: level, and as strong as hovering takes."""
        attitude = self._state[3:7]
        if now_s - self._set_point_s < _PROOF_OF_LIFE_S or not np.isfinite(attitude).all():
            return
        w, z = attitude[0], attitude[3]
        level = np.array([w, 0.0, 0.0, z]) / max(math.hypot(w, z), 1e-9)
        throttle = self._options.hover_throttle if self._modes.is_armed and self._has_commanded else 0.0
        # Levelled by rates where rates are what is sent: the rotation vector from the attitude to the level one.
        _, x, y, _ = _between(attitude, level)
        rates = self._options.attitude_gain * 2 * np.array([x, y, 0.0])
        self._send(SetPoint(level, rates, throttle), now_s)

    def _send(self, point: SetPoint, now_s: float) -> None:
        self._set_point_s = now_s
        self._link.send(
            "set_attitude_target",
            self._link.time_ms(),
            self._options.system_id,
            1,
            _IGNORE_RATES if self._options.is_attitude else _IGNORE_ATTITUDE,
            [float(n) for n in swap_attitude(point.attitude)],
            *(float(n) for n in swap_body(point.rates)),
            point.throttle,
        )

    def _await_heartbeat(self) -> None:
        where = f"{self._options.host}:{self._options.port}"
        deadline_s = self._now_s() + _FIRST_HEARTBEAT_S
        while self._link.heartbeat is None:
            if self._now_s() > deadline_s:
                system = self._options.system_id
                raise DriverError(
                    f"{where}: no heartbeat of an autopilot with system ID {system} within {_FIRST_HEARTBEAT_S:g} s"
                )
            time.sleep(0.01)
            self._link.receive()
        if self._link.heartbeat.autopilot != _PX4:
            kind = self._link.heartbeat.autopilot
            raise DriverError(f"{where}: the autopilot is of kind {kind}; this driver knows the modes of PX4 ({_PX4})")


def _between(q: Array, goal: Array) -> Array:
    """q⁻¹ ⊗ goal with w ≥ 0."""
    w, r = q[0], -q[1:]
    s, v = goal[0], goal[1:]
    turn = np.array([w * s - r @ v, *(w * v + s * r + np.cross(r, v))])
    return turn if turn[0] >= 0 else -turn
