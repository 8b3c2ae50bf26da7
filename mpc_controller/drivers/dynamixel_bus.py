"""One line of Dynamixel servos, protocol 2.0: reads and writes of all of them at once, which never raise once it is open."""

from __future__ import annotations

import termios
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from mpc_controller.drivers.dynamixel_units import Register
from mpc_controller.drivers.error import DriverError, required

# A read returns when it has all it asked for; between looks at the line the process sleeps so long instead of spinning.
_LOOK_S: Final = 0.0005
_HEADER_BYTES = 11  # of a status packet, with its CRC
_FIRST_PARAMETER = 9  # after the header, the ID, the length, the instruction and the error
_ID, _LENGTH = 4, 5  # the length counts the instruction, the error, the parameters and the CRC
_PING_TRIES = 3


@final
class DynamixelBus:
    """The servos with `ids` on a serial port. Raises DriverError when one does not answer.

    timeout_ms: how long the answers to one read may take on top of their time on the wire. `failure` is why the port is gone;
    '' while it is there.
    """

    def __init__(self, port: str, baud_rate: int, ids: Sequence[int], timeout_ms: float) -> None:
        sdk = required("dynamixel_sdk", "dynamixel")
        self.failure = ""
        self._ids, self._timeout_ms, self._ms_per_byte = list(ids), timeout_ms, 10e3 / baud_rate
        self._packets: Any = sdk.PacketHandler(2.0)
        self._port: Any = sdk.PortHandler(port)
        self._port.baudrate = baud_rate
        try:
            if not self._port.openPort():
                raise DriverError(f"{port}: no baud rate {baud_rate}; such as 57600, 1000000, 2000000, 3000000 or 4000000")
            self._port.ser.timeout = _LOOK_S
            self._find()
        except (OSError, ValueError, termios.error) as error:  # pyserial's own SerialException is an OSError
            raise DriverError(f"{port}: cannot be opened: {error}") from None
        except BaseException:
            self.close()
            raise

    def read(self, register: Register) -> Mapping[int, bytes]:
        """The register's bytes by the ID of the servo, of those that answered soundly in time."""
        return {} if self.failure else self._guarded(self._read, register) or {}

    def write(self, register: Register, values: Sequence[int]) -> None:
        """Tell every servo its value; nobody answers, so a packet that gets lost is not noticed here."""
        if not self.failure:
            self._guarded(self._write, register, values)

    def close(self) -> None:
        """Free the port."""
        if self._port.ser is not None:
            self._guarded(self._port.closePort)

    def _read(self, register: Register) -> dict[int, bytes]:
        if self._packets.syncReadTx(self._port, register.address, register.size, self._ids, len(self._ids), False):
            return {}
        expected_ms = len(self._ids) * (_HEADER_BYTES + register.size) * self._ms_per_byte
        self._port.setPacketTimeoutMillis(expected_ms + self._timeout_ms)
        answers: dict[int, bytes] = {}
        for _ in self._ids:
            packet, problem = self._packets.rxPacket(self._port, False)
            if problem and not packet:
                break  # nothing comes any more
            # The servos answer in turn, whatever became of the one before.
            if not problem and packet[_ID] in self._ids and packet[_LENGTH] == register.size + 4:
                answers[packet[_ID]] = bytes(packet[_FIRST_PARAMETER : _FIRST_PARAMETER + register.size])
        return answers

    def _write(self, register: Register, values: Sequence[int]) -> None:
        size = register.size
        parameters: list[int] = []
        for servo, value in zip(self._ids, values, strict=True):
            parameters += [servo, *value.to_bytes(size, "little", signed=value < 0)]
        self._packets.syncWriteTxOnly(self._port, register.address, size, parameters, len(parameters))

    def _find(self) -> None:
        for servo in self._ids:
            if not any(self._packets.ping(self._port, servo)[1] == 0 for _ in range(_PING_TRIES)):
                port, rate = self._port.port_name, self._port.baudrate
                raise DriverError(f"{port}: no servo with ID {servo} answers at {rate} baud, protocol 2.0")

    def _guarded(self, action: Any, *arguments: Any) -> Any:
        """An adapter that is pulled out is a value."""
        try:
            return action(*arguments)
        # Inside pyserial a closed descriptor is a TypeError or a ValueError.
        except (OSError, TypeError, ValueError, termios.error) as error:
            self.failure = f"{self._port.port_name}: the serial port is gone: {error}"
            self._port.is_using = False
            return None
