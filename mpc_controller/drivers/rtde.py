"""Real-Time Data Exchange of Universal Robots, protocol version 2: the part of it that a driver needs.

https://docs.universal-robots.com/tutorials/communication-protocol-tutorials/rtde-guide.html. A package is its size (two bytes,
big-endian, with the header), its type (one byte) and a payload. The client names what it wants to read and write; the robot
answers with the types, and from the start on sends a data package every 1/frequency.

Written here because a plant may not wait, and ur-rtde's constructor keeps Python's lock while it does.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, final

from mpc_controller.drivers.error import DriverError

_VERSION, _OUTPUTS, _INPUTS, _START, _DATA = b"V"[0], b"O"[0], b"I"[0], b"S"[0], b"U"[0]
_PROTOCOL = 2
_HEADER = struct.Struct(">HB")
# How a type is packed, big-endian; a vector is six numbers.
_FORMATS: Final = {
    "BOOL": "?",
    "UINT8": "B",
    "INT32": "i",
    "UINT32": "I",
    "UINT64": "Q",
    "DOUBLE": "d",
    "VECTOR6D": "6d",
    "VECTOR6INT32": "6i",
}
_TIMEOUT_S = 3.0
_LARGEST = 65536


@final
class RtdeConnection:
    """One client. The constructor sets all up and starts it, and raises DriverError; from then on nothing waits or raises.

    `newest`: the last data package's numbers in the order of `outputs`, vectors one after the other; `newest_s`: when it came.
    `failure`: why the connection is gone; '' while it is there.
    """

    def __init__(self, host: str, port: int, outputs: Sequence[str], inputs: Sequence[str], frequency_hz: float) -> None:
        self.failure, self.newest_s = "", time.monotonic()
        self.newest: tuple[float, ...] = ()
        self._where = f"{host}:{port}"
        self._waiting, self._unsent = b"", b""
        try:
            self._socket = socket.create_connection((host, port), _TIMEOUT_S)
        except OSError as error:
            raise DriverError(f"{self._where}: no connection to the robot's RTDE: {error}") from None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._asked(_VERSION, struct.pack(">H", _PROTOCOL)) != b"\x01":
                raise DriverError(f"{self._where}: the robot's RTDE does not know protocol version {_PROTOCOL}")
            recipe = struct.pack(">d", frequency_hz) + ",".join(outputs).encode()
            self._recipe, self._output = self._set_up(_OUTPUTS, recipe, outputs)
            self._input_recipe, self._input = self._set_up(_INPUTS, ",".join(inputs).encode(), inputs)
            if self._asked(_START, b"") != b"\x01":
                raise DriverError(f"{self._where}: the robot's RTDE did not start")
        except OSError as error:
            self.close()
            raise DriverError(f"{self._where}: the robot's RTDE does not answer: {error}") from None
        except DriverError:
            self.close()
            raise
        self._socket.setblocking(False)

    def receive(self) -> None:
        """Take in what has come."""
        while not self.failure:
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                break
            except OSError as error:
                self.failure = f"{self._where}: the robot's RTDE is gone: {error}"
                break
            if not data:
                self.failure = f"{self._where}: the robot closed its RTDE"
            self._waiting += data
        while package := self._next():
            self._take(*package)

    def send(self, values: Sequence[float]) -> None:
        """One data package of inputs. Where the last one has not gone yet, this one is left out: its successor is newer."""
        if self.failure:
            return
        try:
            if not self._unsent:
                payload = bytes([self._input_recipe]) + self._input.pack(*values)
                self._unsent = _HEADER.pack(_HEADER.size + len(payload), _DATA) + payload
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except (OSError, struct.error) as error:
            self.failure = f"{self._where}: the robot's RTDE is gone: {error}"

    def close(self) -> None:
        """End the connection. What was sent before still arrives."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def _set_up(self, kind: int, recipe: bytes, names: Sequence[str]) -> tuple[int, struct.Struct]:
        """The recipe's number and how its numbers are packed."""
        answer = self._asked(kind, recipe)
        types = answer[1:].decode("ascii", "replace").split(",")
        unknown = [f"{name} ({what})" for name, what in zip(names, types, strict=False) if what not in _FORMATS]
        if unknown or len(types) != len(names):
            raise DriverError(f"{self._where}: the robot's RTDE does not give {', '.join(unknown) or 'what was asked for'}")
        return answer[0], struct.Struct(">" + "".join(_FORMATS[what] for what in types))

    def _asked(self, kind: int, payload: bytes) -> bytes:
        """The payload of the answer of the same kind. Raises OSError when none comes in time."""
        self._socket.sendall(_HEADER.pack(_HEADER.size + len(payload), kind) + payload)
        deadline_s = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline_s:
            package = self._next()
            if package is not None and package[0] == kind:
                return package[1]
            if package is None:
                data = self._socket.recv(_LARGEST)
                if not data:
                    raise OSError("it closed the connection")
                self._waiting += data
        raise TimeoutError("timed out")

    def _next(self) -> tuple[int, bytes] | None:
        """The next whole package, if there is one; nonsense ends the connection."""
        if len(self._waiting) < _HEADER.size:
            return None
        size, kind = _HEADER.unpack_from(self._waiting)
        if size < _HEADER.size:
            self.failure = f"{self._where}: a package of {size} bytes; the other side does not speak RTDE"
            self._waiting = b""
            return None
        if len(self._waiting) < size:
            return None
        payload, self._waiting = self._waiting[_HEADER.size : size], self._waiting[size:]
        return kind, payload

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == _DATA and len(payload) == 1 + self._output.size and payload[0] == self._recipe:
            self.newest, self.newest_s = self._output.unpack_from(payload, 1), time.monotonic()
