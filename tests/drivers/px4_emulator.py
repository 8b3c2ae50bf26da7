"""PX4 as seen over MAVLink and UDP, with our MuJoCo quadrotor under it: arming, modes, OFFBOARD and its loss, telemetry.

Written apart from the driver: frames by rotation matrices, the loops as PX4 has them (attitude, then rates, then a mixer).
"""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
from pymavlink.dialects.v20 import common
from scipy.spatial.transform import Rotation

from mpc_controller.arrays import Array
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth

NED_TO_ENU = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
FLU_TO_FRD = np.diag([1.0, -1.0, -1.0])
OFFBOARD, AUTO_HOLD, AUTO_LAND, POSCTL = 6 << 16, 4 << 16 | 3 << 24, 4 << 16 | 6 << 24, 3 << 16
ACCEPTED, TEMPORARILY_REJECTED, DENIED = 0, 1, 2
RATE_GAIN, ATTITUDE_GAIN, HOVER_THROTTLE = np.array([20.0, 20.0, 10.0]), np.array([6.5, 6.5, 2.8]), 0.5
MASS, INERTIA = 0.027, np.array([1.66e-5, 1.67e-5, 2.93e-5])
LEVER, TORQUE_PER_THRUST, LARGEST_THRUST = 0.046 / 2**0.5, 0.006, 0.15
STEP_S, LONGEST_TICK_S = 0.002, 0.02
# OFFBOARD: more than 2 Hz, for a second before it is entered (less where tests are in a hurry), and left when no set-point came
# for COM_OF_LOSS_T.
SET_POINT_GAP_S, LOSS_S = 0.5, 0.5
LAND_SPEED = 0.3
# The air stands still while a set-point is later than this: a machine too busy for its driver does not make it fly away.
LATE_S = 0.04


def mixer(torque: Array, thrust: float) -> Array:
    """Rotor thrusts (4,) for torques about forward, left and up, and the sum."""
    rows = LEVER * np.array([[-1, -1, 1, 1], [-1, 1, 1, -1], [0, 0, 0, 0], [0, 0, 0, 0]])
    rows[2] = TORQUE_PER_THRUST * np.array([-1, 1, -1, 1])
    rows[3] = 1.0
    return np.clip(np.linalg.solve(rows, [*torque, thrust]), 0.0, LARGEST_THRUST)


def offboard_thrusts(message: common.MAVLink_set_attitude_target_message, attitude: Array, rates: Array) -> Array:
    """What the loops make of a set-point, at an attitude (w, x, y, z; FLU in ENU) and rates (FLU)."""
    wanted = FLU_TO_FRD @ np.array([message.body_roll_rate, message.body_pitch_rate, message.body_yaw_rate])
    if message.type_mask & 7 == 7:
        body = Rotation.from_quat(np.roll(attitude, -1)).as_matrix()
        frd_in_ned = Rotation.from_quat(np.roll(message.q, -1)).as_matrix()
        goal = NED_TO_ENU @ frd_in_ned @ FLU_TO_FRD
        wanted = ATTITUDE_GAIN * 2 * Rotation.from_matrix(body.T @ goal).as_quat(canonical=True)[:3]
    torque = INERTIA * RATE_GAIN * (wanted - rates)
    return mixer(torque, message.thrust / HOVER_THROTTLE * MASS * 9.81)


class Px4Emulator:
    """Flies in real time on a thread, and talks to `port` of this machine."""

    def __init__(
        self,
        port: int,
        height: float = 0.015,
        heartbeat_s: float = 0.2,
        uses_odometry: bool = True,
        stream_s: float = 0.2,
    ) -> None:
        self.robot = load_robot("quadrotor")
        state = np.zeros(17)
        state[[2, 3]] = height, 1.0
        if height > 0.1:
            state[13:] = MASS * 9.81 / 4
        self.plant = MujocoPlant(self.robot, state, SimTruth(), 0, STEP_S)
        self.armed, self.mode = height > 0.1, POSCTL
        self.modes: list[int] = [self.mode]
        self.set_points: list[tuple[float, common.MAVLink_set_attitude_target_message]] = []
        self.heard: set[str] = set()
        self.is_mute = self.refuses = False
        self.heartbeats = 0  # so many were sent
        self.time_s = 0.0  # its own: a machine too busy to serve it in time does not make it miss set-points
        self.garble = 0  # so many of the next datagrams have a flipped bit
        self._heartbeat_s, self._uses_odometry, self._stream_s = heartbeat_s, uses_odometry, stream_s
        self._interval_s = 1 / 30
        self._held = self.truth.copy()
        self._stream_began_s = self._next_heartbeat_s = self._next_telemetry_s = 0.0
        self._mavlink = common.MAVLink(None, srcSystem=1, srcComponent=1)
        self._mavlink.robust_parsing = True
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(STEP_S)
        self._peer = ("127.0.0.1", port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fly, daemon=True)

    def __enter__(self) -> Px4Emulator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()

    @property
    def truth(self) -> Array:
        return self.plant.read()[1]

    def pilot(self, mode: int) -> None:
        """A pilot's switch, or a failsafe."""
        self.mode = mode
        self.modes.append(mode)
        self._held = self.truth.copy()

    def _fly(self) -> None:
        before_s, flown_s = time.monotonic(), 0.0
        while not self._stop.is_set():
            self._listen()
            now_s = time.monotonic()
            self.time_s += min(now_s - before_s, LONGEST_TICK_S)
            before_s = now_s
            self._watch(self.time_s)
            is_late = self.mode == OFFBOARD and self.time_s - self.set_points[-1][0] > LATE_S
            flown_s = self.time_s if is_late else flown_s
            while flown_s + STEP_S <= self.time_s:
                self.plant.apply(self._thrusts())
                flown_s += STEP_S
            self._tell(self.time_s)

    def _listen(self) -> None:
        try:
            data, _ = self._socket.recvfrom(2048)
        except TimeoutError:
            return
        for message in self._mavlink.parse_buffer(data) or ():
            kind = message.get_type()
            self.heard.add(kind)
            if kind == "SET_ATTITUDE_TARGET":
                now_s = self.time_s
                if not self.set_points or now_s - self.set_points[-1][0] > SET_POINT_GAP_S:
                    self._stream_began_s = now_s
                self.set_points.append((now_s, message))
            elif kind == "COMMAND_LONG":
                self._send(common.MAVLink_command_ack_message(message.command, self._obey(message)))

    def _obey(self, message: common.MAVLink_command_long_message) -> int:
        if self.refuses:
            return TEMPORARILY_REJECTED
        if message.command == common.MAV_CMD_DO_SET_MODE:
            mode = int(message.param2) << 16 | int(message.param3) << 24
            if mode == OFFBOARD and not self._has_stream(self.time_s):
                return DENIED
            if mode != self.mode:
                self.pilot(mode)
        elif message.command == common.MAV_CMD_COMPONENT_ARM_DISARM:
            self.armed = bool(message.param1)
        elif message.command == common.MAV_CMD_SET_MESSAGE_INTERVAL:
            self._interval_s = message.param2 * 1e-6
        return ACCEPTED

    def _has_stream(self, now_s: float) -> bool:
        fresh = bool(self.set_points) and now_s - self.set_points[-1][0] < SET_POINT_GAP_S
        return fresh and now_s - self._stream_began_s >= self._stream_s

    def _watch(self, now_s: float) -> None:
        if self.mode == OFFBOARD and now_s - self.set_points[-1][0] > LOSS_S:
            self.pilot(AUTO_HOLD)
        if self.mode == AUTO_LAND and self.truth[2] < 0.03:
            self.armed = False

    def _thrusts(self) -> Array:
        if not self.armed:
            return np.zeros(4)
        x = self.truth
        if self.mode == OFFBOARD:
            return offboard_thrusts(self.set_points[-1][1], x[3:7], x[10:13])
        if self.mode == AUTO_LAND:
            self._held[2] -= LAND_SPEED * STEP_S
        return self.robot.hold(x, self._held)

    def _tell(self, now_s: float) -> None:
        if now_s >= self._next_heartbeat_s:
            self._next_heartbeat_s = now_s + self._heartbeat_s
            self.heartbeats += not self.is_mute
            self._send(common.MAVLink_heartbeat_message(2, 12, 1 | (128 if self.armed else 0), self.mode, 4, 3))
        if now_s >= self._next_telemetry_s:
            self._next_telemetry_s = now_s + self._interval_s
            for message in telemetry(self.truth, self._uses_odometry):
                self._send(message)

    def _send(self, message: common.MAVLink_message) -> None:
        if self.is_mute:
            return
        packed = bytearray(message.pack(self._mavlink))
        self._mavlink.seq = (self._mavlink.seq + 1) % 256
        if self.garble:
            self.garble -= 1
            packed[len(packed) // 2] ^= 0x20
        self._socket.sendto(packed, self._peer)


def telemetry(x: Array, uses_odometry: bool) -> list[common.MAVLink_message]:
    """The state (17,) as PX4 tells it."""
    body = Rotation.from_quat(np.roll(x[3:7], -1)).as_matrix()
    q = np.roll(Rotation.from_matrix(NED_TO_ENU.T @ body @ FLU_TO_FRD).as_quat(), 1)
    position, velocity, rates = NED_TO_ENU.T @ x[:3], NED_TO_ENU.T @ x[7:10], FLU_TO_FRD @ x[10:13]
    if uses_odometry:
        in_body = FLU_TO_FRD @ body.T @ x[7:10]
        nan = [np.nan] * 21
        return [common.MAVLink_odometry_message(0, 1, 12, *position, list(q), *in_body, *rates, nan, nan)]
    return [
        common.MAVLink_attitude_quaternion_message(0, *q, *rates),
        common.MAVLink_local_position_ned_message(0, *position, *velocity),
    ]
