"""Dynamixel X-series servos on a pseudo-terminal: protocol 2.0 byte by byte, their control tables, and a joint behind each.

Written from the e-Manual, and apart from the driver: a CRC without a table, its own stuffing, its own units.

    J q̈ = k_t i − b q̇      current mode: i as told; position mode: i = what a critically damped loop asks for
"""

from __future__ import annotations

import contextlib
import math
import os
import pty
import select
import struct
import threading
import time
import tty
from collections.abc import Sequence
from dataclasses import dataclass, field

PING, READ, WRITE, STATUS, SYNC_READ, SYNC_WRITE, BULK_READ, BULK_WRITE = 0x01, 0x02, 0x03, 0x55, 0x82, 0x83, 0x92, 0x93
BROADCAST = 0xFE
RANGE_ERROR, ACCESS_ERROR = 0x04, 0x07
MODEL_XM430 = 1020
INERTIA, FRICTION, TORQUE_PER_AMPERE, CURRENT_UNIT = 0.05, 0.1, 1.78, 2.69e-3
STEP_S, LONGEST_TICK_S = 0.001, 0.02
LOOP = 20.0  # rad/s, of the firmware's position loop


def crc16(data: bytes) -> int:
    """x¹⁶ + x¹⁵ + x² + 1, most significant bit first, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x8005 if crc & 0x8000 else crc << 1
    return crc & 0xFFFF


@dataclass
class Servo:
    """One servo: 147 bytes of control table, and its joint."""

    number: int
    angle: float = 0.0  # rad at the horn, 0 in the middle
    rate: float = 0.0
    table: bytearray = field(default_factory=lambda: bytearray(147))
    heard_s: float = 0.0
    drop: int = 0  # so many of the next answers are never sent
    corrupt: int = 0  # so many get a flipped bit
    truncate: int = 0  # so many lose their last bytes
    noise: bytes = b""  # sent ahead of every answer
    taken_up: list[tuple[int, int]] = field(default_factory=list)  # mode and goal at which the torque came on

    def __post_init__(self) -> None:
        self.put(0, 2, MODEL_XM430)
        self.table[6], self.table[7], self.table[11], self.table[68], self.table[146] = 45, self.number, 3, 2, 31
        self.put(38, 2, 1193)
        self.put(144, 2, 120)
        self.refresh(0.0)

    def get(self, address: int, size: int) -> int:
        return int.from_bytes(self.table[address : address + size], "little", signed=size > 1)

    def put(self, address: int, size: int, value: int) -> None:
        self.table[address : address + size] = value.to_bytes(size, "little", signed=value < 0)

    @property
    def is_on(self) -> bool:
        return self.table[64] == 1

    def write(self, address: int, data: bytes) -> int:
        """The error of a status packet; 0 where the write is done."""
        if address + len(data) > len(self.table):
            return ACCESS_ERROR
        if (address < 64 and self.is_on) or address >= 124:
            return ACCESS_ERROR  # the EEPROM while the torque is on; what is read only
        if 100 <= address < 120 and self.table[98] == 255:
            return RANGE_ERROR  # goals after the bus watchdog has tripped
        was_on = self.is_on
        self.table[address : address + len(data)] = data
        if self.is_on and not was_on:
            self.taken_up.append((self.table[11], self.get(102, 2) if self.table[11] == 0 else self.get(116, 4)))
            self.put(116, 4, self.get(132, 4))
        if abs(self.get(102, 2)) > self.get(38, 2):
            self.put(102, 2, max(-self.get(38, 2), min(self.get(38, 2), self.get(102, 2))))
        return 0

    def advance(self, seconds: float, now_s: float) -> None:
        """The joint, and the watchdog, over the time until now."""
        steps = round(seconds / STEP_S)
        for k in range(steps):
            unheard_s = now_s - (steps - 1 - k) * STEP_S - self.heard_s
            if self.is_on and 1 <= self.table[98] <= 127 and unheard_s > 0.02 * self.table[98]:
                self.table[98] = 255
                self.put(102, 2, 0)
                self.put(116, 4, self.get(132, 4))
            torque = self._torque()
            self.rate += STEP_S * (torque - FRICTION * self.rate) / INERTIA
            self.angle += STEP_S * self.rate
            self.refresh(torque)

    def _torque(self) -> float:
        if not self.is_on:
            return 0.0
        if self.table[11] == 0:
            return self.get(102, 2) * CURRENT_UNIT * TORQUE_PER_AMPERE
        goal = (self.get(116, 4) - 2048) * math.tau / 4096
        wanted = INERTIA * (LOOP**2 * (goal - self.angle) - 2 * LOOP * self.rate)
        limit = self.get(38, 2) * CURRENT_UNIT * TORQUE_PER_AMPERE
        return max(-limit, min(limit, wanted))

    def refresh(self, torque: float) -> None:
        self.put(126, 2, round(torque / TORQUE_PER_AMPERE / CURRENT_UNIT))
        self.put(128, 4, round(self.rate * 60 / math.tau / 0.229))
        self.put(132, 4, round(self.angle * 4096 / math.tau) + 2048)


class DynamixelEmulator:
    """The line. `port` is what a driver opens; `unplug` takes it away as a pulled cable does."""

    def __init__(self, ids: list[int]) -> None:
        self.servos = {k: Servo(k) for k in ids}
        self.instructions: list[tuple[int, int, bytes]] = []  # ID, instruction, parameters
        self.bad_packets = 0
        self.lock = threading.Lock()
        self.time_s = 0.0  # its own: a machine too busy to serve it in time does not trip its watchdogs
        self._advanced_s = time.monotonic()
        self._stop = threading.Event()
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port, self._slave = os.ttyname(slave), slave
        self._waiting = b""
        self._stop_reader, self._stop_writer = os.pipe()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve, self._tick)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> DynamixelEmulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            os.write(self._stop_writer, b"x")
            for thread in self._threads:
                thread.join(5)
            for descriptor in (self._master, self._slave, self._stop_reader, self._stop_writer):
                os.close(descriptor)

    def now(self, servo: int) -> Servo:
        """A servo as it is now."""
        with self.lock:
            self._advance()
        return self.servos[servo]

    def put_joints(self, angles: Sequence[float]) -> None:
        """As a hand moves them."""
        with self.lock:
            for servo, angle in zip(self.servos.values(), angles, strict=True):
                servo.angle, servo.rate = angle, 0.0
                servo.refresh(0.0)

    def _advance(self) -> None:
        now_s = time.monotonic()
        self._advanced_s = max(self._advanced_s, now_s - LONGEST_TICK_S)
        steps = int((now_s - self._advanced_s) / STEP_S)
        self._advanced_s += steps * STEP_S
        self.time_s += steps * STEP_S
        for servo in self.servos.values():
            servo.advance(steps * STEP_S, self.time_s)

    def _tick(self) -> None:
        while not self._stop.wait(LONGEST_TICK_S / 4):
            with self.lock:
                self._advance()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._stop_reader], [], [])
            if self._stop_reader in ready:
                return
            with contextlib.suppress(OSError):
                self._waiting += os.read(self._master, 4096)
            with self.lock:
                while packet := self._next_packet():
                    self._answer(packet)

    def _next_packet(self) -> bytes:
        """The next whole packet with a sound CRC, unstuffed."""
        while True:
            start = self._waiting.find(b"\xff\xff\xfd\x00")
            if start < 0 or len(self._waiting) < start + 7:
                return b""
            end = start + 7 + struct.unpack_from("<H", self._waiting, start + 5)[0]
            if len(self._waiting) < end:
                return b""
            packet, self._waiting = self._waiting[start:end], self._waiting[end:]
            if crc16(packet[:-2]) == struct.unpack("<H", packet[-2:])[0]:
                return packet[:7] + packet[7:-2].replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
            self.bad_packets += 1

    def _answer(self, packet: bytes) -> None:
        self._advance()
        number, instruction, data = packet[4], packet[7], packet[8:]
        self.instructions.append((number, instruction, data))
        for servo in self.servos.values():
            servo.heard_s = self.time_s
        if instruction == PING:
            for servo in self.servos.values():
                if number in (servo.number, BROADCAST):
                    self._send(servo, 0, bytes([*servo.table[0:2], servo.table[6]]))
        elif instruction in (SYNC_READ, BULK_READ):
            for k, address, size in _reads(instruction, data):
                if k in self.servos:
                    self._send(self.servos[k], 0, bytes(self.servos[k].table[address : address + size]))
        elif instruction == READ and number in self.servos:
            address, size = struct.unpack("<HH", data)
            self._send(self.servos[number], 0, bytes(self.servos[number].table[address : address + size]))
        elif instruction == WRITE and number in self.servos:
            error = self.servos[number].write(struct.unpack_from("<H", data)[0], data[2:])
            self._send(self.servos[number], error, b"")
        elif instruction in (SYNC_WRITE, BULK_WRITE):
            for k, address, value in _writes(instruction, data):
                if k in self.servos:
                    self.servos[k].write(address, value)

    def _send(self, servo: Servo, error: int, data: bytes) -> None:
        if servo.drop:
            servo.drop -= 1
            return
        alert = 0x80 if servo.table[70] else 0
        body = (bytes([STATUS, error | alert]) + data).replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
        packet = b"\xff\xff\xfd\x00" + bytes([servo.number]) + struct.pack("<H", len(body) + 2) + body
        packet += struct.pack("<H", crc16(packet))
        if servo.corrupt:
            servo.corrupt -= 1
            packet = packet[:12] + bytes([packet[12] ^ 0x10]) + packet[13:]
        if servo.truncate:
            servo.truncate -= 1
            packet = packet[:-5]
        os.write(self._master, servo.noise + packet)


def _reads(instruction: int, data: bytes) -> list[tuple[int, int, int]]:
    if instruction == SYNC_READ:
        address, size = struct.unpack_from("<HH", data)
        return [(k, address, size) for k in data[4:]]
    return [struct.unpack_from("<BHH", data, k) for k in range(0, len(data), 5)]  # type: ignore[misc]


def _writes(instruction: int, data: bytes) -> list[tuple[int, int, bytes]]:
    if instruction == SYNC_WRITE:
        address, size = struct.unpack_from("<HH", data)
        return [(data[k], address, data[k + 1 : k + 1 + size]) for k in range(4, len(data), 1 + size)]
    writes, k = [], 0
    while k < len(data):
        number, address, size = struct.unpack_from("<BHH", data, k)
        writes.append((number, address, data[k + 5 : k + 5 + size]))
        k += 5 + size
    return writes
