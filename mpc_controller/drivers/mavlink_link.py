"""MAVLink over UDP with one autopilot: the newest of what it tells, and messages to it. Raises nothing once it is open."""

from __future__ import annotations

import math
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers.error import DriverError, required
from mpc_controller.drivers.mavlink_frames import rotate, swap_attitude, swap_body, swap_world
from mpc_controller.drivers.mavlink_options import MavlinkOptions

_AUTOPILOT: Final = 1  # MAV_COMP_ID_AUTOPILOT1
_OWN_SYSTEM, _OWN_COMPONENT = 1, 191  # the vehicle's own system, MAV_COMP_ID_ONBOARD_COMPUTER
_LOCAL_NED, _BODY_FRD, _BODY_NED = 1, 12, 8
_MOST_DATAGRAMS = 64  # a tick; the rest waits for the next
_LARGEST = 2048
_NOTHING: Final = (-math.inf, np.full(3, math.nan), np.full(3, math.nan))


@final
class MavlinkLink:
    """`heartbeat`, `heartbeat_s`: the autopilot's last, and when it came; `acknowledged`: the last results by command;
    `sent`, `answered`: how many."""

    def __init__(self, options: MavlinkOptions, now_s: Callable[[], float]) -> None:
        self._dialect: Any = required("pymavlink.dialects.v20.common", "mavlink")
        self._options, self._now_s, self._began_s = options, now_s, now_s()
        self._mavlink: Any = self._dialect.MAVLink(None, srcSystem=_OWN_SYSTEM, srcComponent=_OWN_COMPONENT)
        self._mavlink.robust_parsing = True
        self.heartbeat: Any = None
        self.heartbeat_s = now_s()
        self.acknowledged: dict[int, int] = {}
        self.sent, self.answered = Counter[int](), Counter[int]()
        self.battery: dict[str, float] = {}
        self.failure = ""
        self._peer: tuple[str, int] | None = None
        self._odometry: tuple[float, Array] = (-math.inf, np.full(13, math.nan))
        self._attitude, self._position = _NOTHING, _NOTHING
        self._quaternion = np.full(4, math.nan)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((options.host, options.port))
        except OSError as error:
            self._socket.close()
            raise DriverError(f"{options.host}:{options.port}: cannot be listened to: {error}") from None
        self._socket.setblocking(False)

    def receive(self) -> None:
        """Take in what has come."""
        for _ in range(_MOST_DATAGRAMS):
            try:
                data, sender = self._socket.recvfrom(_LARGEST)
            except OSError:  # nothing more, or nothing at all: what is missing grows old
                return
            if self._peer in (None, sender):
                self._parse(data, sender)

    def state(self) -> Array:
        """Position, attitude, velocity and body rates (13,) in our frames; NaN where the newest is too old."""
        youngest_s = self._now_s() - self._options.stale_after_s
        if self._odometry[0] >= youngest_s:
            return self._odometry[1]
        (attitude_s, rates, _), (position_s, position, velocity) = self._attitude, self._position
        if min(attitude_s, position_s) >= youngest_s:
            return np.concatenate([position, self._quaternion, velocity, rates])
        return np.full(13, math.nan)

    def send(self, name: str, *fields: Any) -> None:
        """Send the message MAVLink_NAME_message with these fields; what cannot be sent is lost."""
        if self._peer is None:
            return
        try:
            message = getattr(self._dialect, f"MAVLink_{name}_message")(*fields)
            packed = message.pack(self._mavlink)
            self._mavlink.seq = (self._mavlink.seq + 1) % 256
            self._socket.sendto(packed, self._peer)
        except (OSError, struct.error):
            return

    def command(self, number: int, *parameters: float) -> None:
        """A COMMAND_LONG to the autopilot."""
        self.sent[number] += 1
        self.send("command_long", self._options.system_id, _AUTOPILOT, number, 0, *parameters, *[0.0] * (7 - len(parameters)))

    def time_ms(self) -> int:
        """Since the start."""
        return round(1000 * (self._now_s() - self._began_s)) & 0xFFFFFFFF

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

    def _parse(self, data: bytes, sender: tuple[str, int]) -> None:
        self._mavlink.buf, self._mavlink.buf_index = (
            bytearray(),
            0,
        )  # a datagram has whole messages; half of one waits for nothing
        try:
            messages = self._mavlink.parse_buffer(data) or ()
        except (self._dialect.MAVError, struct.error, IndexError, ValueError):
            return  # robust parsing skips bad checksums; this is what it does not expect
        for message in messages:
            header, kind = message.get_header(), message.get_type()
            if kind.startswith(("BAD_DATA", "UNKNOWN")):
                continue
            if (header.srcSystem, header.srcComponent) != (self._options.system_id, _AUTOPILOT):
                continue
            if self._peer is None and kind == "HEARTBEAT":
                self._peer = sender
            if self._peer is not None:
                self._take(kind, message)

    def _take(self, kind: str, message: Any) -> None:
        now_s = self._now_s()
        if kind == "HEARTBEAT":
            self.heartbeat, self.heartbeat_s = message, now_s
        elif kind == "COMMAND_ACK":
            self.acknowledged[message.command] = message.result
            self.answered[message.command] += 1
        elif kind == "ODOMETRY":
            self._take_odometry(message, now_s)
        elif kind == "ATTITUDE_QUATERNION":
            self._quaternion = swap_attitude(np.array([message.q1, message.q2, message.q3, message.q4]))
            self._attitude = (now_s, _rates(message), self._attitude[2])
        elif kind == "LOCAL_POSITION_NED":
            position, velocity = np.array([message.x, message.y, message.z]), np.array([message.vx, message.vy, message.vz])
            self._position = (now_s, swap_world(position), swap_world(velocity))
        elif kind == "BATTERY_STATUS" and message.battery_remaining >= 0:
            self.battery = {"battery_remaining_percent": float(message.battery_remaining)}

    def _take_odometry(self, message: Any, now_s: float) -> None:
        """Its velocity is in the body's frame, or in the world's where child_frame_id says so."""
        if message.frame_id != _LOCAL_NED or message.child_frame_id not in (_BODY_FRD, _BODY_NED, _LOCAL_NED):
            frames = f"{message.frame_id} and {message.child_frame_id}"
            self.failure = f"the autopilot's ODOMETRY is in frames {frames}; LOCAL_NED (1) and BODY_FRD (12) are needed"
            return
        attitude = swap_attitude(np.array(message.q))
        velocity = np.array([message.vx, message.vy, message.vz])
        in_world = message.child_frame_id == _LOCAL_NED
        ours = swap_world(velocity) if in_world else rotate(attitude, swap_body(velocity))
        position = swap_world(np.array([message.x, message.y, message.z]))
        self._odometry = (now_s, np.concatenate([position, attitude, ours, _rates(message)]))


def _rates(message: Any) -> Array:
    return swap_body(np.array([message.rollspeed, message.pitchspeed, message.yawspeed]))
