"""An arm of Universal Robots, commanded by joint rates or angles. The keys of its file are in ur_options.py."""

from __future__ import annotations

import math
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers.error import DriverError
from mpc_controller.drivers.joints import JointStates, check_controls
from mpc_controller.drivers.rtde import RtdeConnection
from mpc_controller.drivers.ur_options import JOINTS, UrOptions, ur_options
from mpc_controller.drivers.ur_program import FIRST, RUNNING, Order, ur_program
from mpc_controller.node.plant import Plant
from mpc_controller.robot import Robot
from mpc_controller.toml_table import TomlTable

_OUTPUTS: Final = (
    *("actual_q", "actual_qd", "joint_temperatures"),
    *("robot_mode", "safety_mode", "runtime_state", f"output_int_register_{FIRST}"),
)
_INPUTS: Final = (f"input_int_register_{FIRST}", *(f"input_double_register_{FIRST + k}" for k in range(JOINTS)))
_PLAYING = 2  # runtime_state
_MAY_MOVE = (1, 2)  # safety_mode: normal, reduced
_SAFETY: Final = {
    3: "in a protective stop",
    4: "in recovery",
    5: "in a safeguard stop",
    6: "in an emergency stop",
    7: "in an emergency stop",
    8: "in violation of its safety limits",
    9: "in a fault of its safety system",
}
_START_S, _LISTENS_S = 5.0, 0.2


def plant_of(table: TomlTable, robot: Robot) -> Callable[[], Plant]:
    """Check the table and the robot. Raises TomlError and UnsuitableRobotError; the result raises DriverError."""
    options = ur_options(table, robot.plant_rate_hz)
    joints = JointStates.of(robot, JOINTS)
    check_controls(robot, JOINTS, "rad" if options.is_servo else "rad/s")
    return lambda: UrPlant(options, joints)


@final
class UrPlant(Plant):
    """Opened once the robot's program runs. Each tick writes the program's input registers, which its watchdog watches.

    Where the program ends, or the robot's own safety stops it, the node ends: the robot is released at its pendant.
    """

    def __init__(self, options: UrOptions, joints: JointStates, now_s: Callable[[], float] = time.monotonic) -> None:
        self._options, self._joints, self._now_s = options, joints, now_s
        self._is_stopped = False
        self._rtde = RtdeConnection(options.host, options.port, _OUTPUTS, _INPUTS, options.frequency_hz)
        try:
            self._say(Order.REST)
            # A program of before may still run: the number that this one gives is its own.
            token = random.randrange(RUNNING + 1, 2**31) if options.uploads else RUNNING
            if options.uploads:
                self._upload(token)
            self._await_program(token)
        except BaseException:
            self._rtde.close()
            raise

    def read(self) -> tuple[Array, Array | None]:
        self._rtde.receive()
        age_s = self._now_s() - self._rtde.newest_s
        values = np.array(self._rtde.newest if age_s <= self._options.stale_after_s else [math.nan] * 12, dtype=float)
        lost = (
            f"{self._options.host}: no data for {self._options.lost_after_s:g} s" if age_s > self._options.lost_after_s else ""
        )
        self.failure = self.failure or self._rtde.failure or lost or self._objection()
        return self._joints.reading(values[:JOINTS], values[JOINTS : 2 * JOINTS]), None

    def apply(self, u: Array) -> None:
        if self._is_stopped:
            self._is_stopped = False
            self.failure = self.failure or self._objection()
        if self.failure:
            self._say(Order.REST)  # what is released later must find nothing to go to
        else:
            self._say(Order.MOVE, u)

    def hold(self) -> bool:
        """At rest where it gets with the configured deceleration; the robot's own loops keep it there."""
        self._say(Order.REST)
        return True

    def stop(self) -> bool:
        """By a protective stop, or at rest as in hold; also of an arm that was never commanded, which then stands firmer."""
        self._is_stopped = True
        self._say(Order.PROTECTIVE_STOP if self._options.stops_protectively else Order.REST)
        return True

    def health(self) -> Mapping[str, float]:
        """Temperatures, and the numbers of the robot's modes as the manual of RTDE has them."""
        values = self._rtde.newest
        if not values:
            return {}
        joints = {f"joint_{k}_temperature_celsius": values[2 * JOINTS + k - 1] for k in range(1, JOINTS + 1)}
        return {**joints, "robot_mode_number": values[18], "safety_mode_number": values[19]}

    def close(self) -> None:
        """To rest; then nothing is written any more, and the robot's watchdog ends the program."""
        self._say(Order.PROTECTIVE_STOP if self._is_stopped and self._options.stops_protectively else Order.REST)
        self._rtde.close()

    def _say(self, order: Order, targets: Array | None = None) -> None:
        """The program reads order and targets one after the other, and new ones may come in between: whatever the order, the
        targets are such as to stay where it is."""
        values = self._staying() if targets is None else map(float, targets)
        self._rtde.send([int(order), *values])

    def _staying(self) -> Sequence[float]:
        return self._rtde.newest[:JOINTS] if self._options.is_servo and self._rtde.newest else (0.0,) * JOINTS

    def _objection(self) -> str:
        """Why the robot does not move, where nobody told it to stop."""
        if self._is_stopped or not self._rtde.newest:
            return ""
        if self._rtde.newest[20] != _PLAYING and not self._safety_objection():
            return "the robot's program ended: its watchdog missed inputs, or someone stopped it at the pendant"
        return self._safety_objection()

    def _safety_objection(self) -> str:
        """Which of its own stops the robot is in."""
        safety_mode = int(self._rtde.newest[19]) if self._rtde.newest else _MAY_MOVE[0]
        if safety_mode in _MAY_MOVE:
            return ""
        state = _SAFETY.get(safety_mode, f"in safety mode {safety_mode}")
        return f"the robot is {state}; release it at its pendant and start this driver again"

    def _upload(self, token: int) -> None:
        """Send the program. The robot tells its state on this connection; once the first of it has come, it listens."""
        host, port = self._options.host, self._options.script_port
        try:
            with socket.create_connection((host, port), _START_S) as connection:
                connection.sendall(ur_program(self._options, token).encode("ascii"))
                connection.settimeout(_LISTENS_S)
                with suppress(TimeoutError):
                    connection.recv(65536)
        except OSError as error:
            raise DriverError(f"{host}:{port}: the robot takes no program: {error}") from None

    def _await_program(self, token: int) -> None:
        deadline_s = time.monotonic() + _START_S
        while True:
            self._rtde.receive()
            self._say(Order.REST)
            has_begun = self._rtde.newest and self._rtde.newest[21] == token
            if has_begun and not self._objection():
                return
            if self._rtde.failure or time.monotonic() > deadline_s:
                break
            time.sleep(0.01)
        how = "is it in remote control, and its brakes released?" if self._options.uploads else "start it at the pendant"
        has_ended = has_begun and self._options.uploads  # at the pendant, the token of one before looks the same
        reason = self._rtde.failure or (self._objection() if has_ended else self._safety_objection()) or how
        raise DriverError(f"{self._options.host}: the robot's program does not run: {reason}")
