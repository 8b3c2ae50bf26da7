"""An arm of Universal Robots on TCP: RTDE (protocol version 2) for several clients, the port for programs, and six joints.

The program itself is not interpreted: of its text the watchdog and the motion command are read, and what its loop does with the
registers is done here. Written from the RTDE guide and the script manual, and apart from the driver.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import threading
import time

import numpy as np

JOINTS = 6
TYPES = {
    "timestamp": "DOUBLE",
    "actual_q": "VECTOR6D",
    "actual_qd": "VECTOR6D",
    "target_q": "VECTOR6D",
    "joint_temperatures": "VECTOR6D",
    "robot_mode": "INT32",
    "safety_mode": "INT32",
    "runtime_state": "UINT32",
    "robot_status_bits": "UINT32",
    "safety_status_bits": "UINT32",
    **{f"output_int_register_{k}": "INT32" for k in range(48)},
}
FORMATS = {"DOUBLE": "d", "VECTOR6D": "6d", "INT32": "i", "UINT32": "I", "BOOL": "?"}
STOPPED, PLAYING = 1, 2
NORMAL, PROTECTIVE_STOP = 1, 3
HARD_STOP = 40.0  # rad/s²
SERVO = 30.0  # rad/s: the bandwidth behind servoj
STEP_S, LONGEST_TICK_S = 0.002, 0.02


def type_of(name: str) -> str:
    if re.fullmatch(r"input_int_register_([0-9]|[1-3][0-9]|4[0-7])", name):
        return "INT32"
    if re.fullmatch(r"(input|output)_double_register_([0-9]|[1-3][0-9]|4[0-7])", name):
        return "DOUBLE"
    return TYPES.get(name, "NOT_FOUND")


class UrEmulator:
    """Listens at `host` on `port` (RTDE) and `script_port`; 0 picks free ones."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, script_port: int = 0) -> None:
        self.lock = threading.Lock()
        self.q, self.qd = np.linspace(-1.0, 1.0, JOINTS), np.zeros(JOINTS)
        self.runtime_state, self.safety_mode = STOPPED, NORMAL
        self.program, self.watchdog_trips = "", 0
        self.input_int, self.input_double, self.output_int = [0] * 48, [0.0] * 48, [0] * 48
        self.is_mute = False  # sends no data, as if the cable were cut
        self.takes_programs = True
        self.ends_programs = False  # as soon as they begin
        self.garbage = b""  # sent once, ahead of the next data
        self._began_s, self._updated_s = 0.0, dict[str, float]()
        self._owned: dict[str, int] = {}
        self.time_s = 0.0  # its own: a machine too busy to serve it in time does not make it miss inputs
        self._stop = threading.Event()
        self._rtde, self._script = socket.create_server((host, port)), socket.create_server((host, script_port))
        self.port, self.script_port = self._rtde.getsockname()[1], self._script.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._threads = [
            threading.Thread(target=self._accept, args=(server, work), daemon=True)
            for server, work in ((self._rtde, self._serve), (self._script, self._take_program))
        ]
        self._threads.append(threading.Thread(target=self._tick, daemon=True))

    def __enter__(self) -> UrEmulator:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._stop.set()
        for thread in list(self._threads):
            thread.join(5)
        for server in (self._rtde, self._script):
            server.close()

    def cut(self) -> None:
        """All connections end."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def play(self, program: str) -> None:
        """As a person does at the pendant."""
        with self.lock:
            self.program = program
            self.runtime_state = STOPPED if self.ends_programs else PLAYING
            written = re.search(r"write_output_integer_register\((\d+), (\d+)\)", self.program)
            if written:
                self.output_int[int(written[1])] = int(written[2])
            self._began_s = self.time_s

    def is_written_to(self) -> bool:
        """Whether a client writes inputs, which the watchdog wants."""
        return bool(self._updated_s)

    def _tick(self) -> None:
        before_s = time.monotonic()
        while not self._stop.wait(2 * STEP_S):
            now_s = time.monotonic()
            with self.lock:
                for _ in range(round(min(now_s - before_s, LONGEST_TICK_S) / STEP_S)):
                    self.time_s += STEP_S
                    self._watch()
                    self._move()
            before_s = now_s

    def _watch(self) -> None:
        watchdog = re.search(r'rtde_set_watchdog\("(\w+)", ([\d.]+), "stop"\)', self.program)
        if self.runtime_state == PLAYING and watchdog:
            fed_s = max(self._began_s, self._updated_s.get(watchdog[1], -np.inf))  # counts from where the program sets it
            if self.time_s - fed_s > 1 / float(watchdog[2]):
                self.runtime_state, self.watchdog_trips = STOPPED, self.watchdog_trips + 1

    def _move(self) -> None:
        order, target = self.input_int[24], np.array(self.input_double[24:30])
        is_playing = self.runtime_state == PLAYING and self.safety_mode == NORMAL
        if is_playing and order == 2:
            self.safety_mode = PROTECTIVE_STOP
        if is_playing and order == 1 and "servoj(" in self.program:
            self.qd += STEP_S * (SERVO**2 * (target - self.q) - 2 * SERVO * self.qd)
        else:
            speedj = re.search(r"speedj\(target, ([\d.]+)", self.program)
            goal = target if is_playing and order == 1 else np.zeros(JOINTS)
            limit = float(speedj[1]) if is_playing and speedj else HARD_STOP
            self.qd += np.clip(goal - self.qd, -limit * STEP_S, limit * STEP_S)
        self.q += STEP_S * self.qd

    def _value(self, name: str) -> list[float]:
        if name.startswith("output_int"):
            return [self.output_int[int(name.rpartition("_")[2])]]
        values = {
            "timestamp": [self.time_s],
            "actual_q": list(self.q),
            "actual_qd": list(self.qd),
            "target_q": list(self.q),
            "joint_temperatures": [30.0 + k for k in range(JOINTS)],
            "robot_mode": [7],
            "safety_mode": [self.safety_mode],
            "runtime_state": [self.runtime_state],
            "robot_status_bits": [1 | (self.runtime_state == PLAYING) << 1],  # power on, program running
            "safety_status_bits": [1 if self.safety_mode == NORMAL else 4],  # normal, protective stopped
        }
        return values[name]

    def _accept(self, server: socket.socket, work: object) -> None:
        while not self._stop.is_set():
            if select.select([server], [], [], 0.05)[0]:
                client, _ = server.accept()
                self._clients.append(client)
                thread = threading.Thread(target=self._guarded, args=(work, client), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _guarded(self, work: object, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            work(client)  # type: ignore[operator]

    def _take_program(self, client: socket.socket) -> None:
        text = b""
        with contextlib.suppress(OSError):  # of one who did not wait for an answer: what was sent has come all the same
            client.sendall(b"\x00\x00\x00\x05\x10")  # a message of the robot's state, empty
            while data := client.recv(4096):
                text += data
        if self.takes_programs:
            self.play(text.decode())

    def _serve(self, client: socket.socket) -> None:
        """One RTDE client."""
        outputs: list[str] = []
        inputs: dict[int, list[str]] = {}
        period_s, next_s, waiting = 1 / 500, np.inf, b""
        while not self._stop.is_set():
            pause_s = min(max(next_s - time.monotonic(), 0.0), 0.05)
            if select.select([client], [], [], pause_s)[0]:
                data = client.recv(4096)
                if not data:
                    return
                waiting += data
            while len(waiting) >= 3 and len(waiting) >= struct.unpack_from(">H", waiting)[0]:
                size = struct.unpack_from(">H", waiting)[0]
                kind, payload, waiting = waiting[2], waiting[3:size], waiting[size:]
                if kind == ord("V"):
                    _reply(client, kind, bytes([struct.unpack(">H", payload)[0] == 2]))
                elif kind == ord("v"):
                    _reply(client, kind, struct.pack(">4I", 5, 12, 0, 0))
                elif kind == ord("O"):
                    period_s = 1 / struct.unpack_from(">d", payload)[0]
                    outputs = [name for name in payload[8:].decode().split(",") if name]  # a comma at the end is forgiven
                    _reply(client, kind, b"\x01" + ",".join(map(type_of, outputs)).encode())
                elif kind == ord("I"):
                    names = payload.decode().split(",")
                    types = [type_of(n) if self._owned.setdefault(n, id(client)) == id(client) else "IN_USE" for n in names]
                    inputs[len(inputs) + 1] = names
                    _reply(client, kind, bytes([len(inputs)]) + ",".join(types).encode())
                elif kind == ord("S"):
                    next_s = time.monotonic()
                    _reply(client, kind, b"\x01")
                elif kind == ord("P"):
                    next_s = np.inf
                    _reply(client, kind, b"\x01")
                elif kind == ord("U"):
                    self._update(inputs[payload[0]], payload[1:])
            if time.monotonic() >= next_s:
                next_s = max(next_s + period_s, time.monotonic() - period_s)
                self._send_data(client, outputs)

    def _update(self, names: list[str], payload: bytes) -> None:
        values = struct.unpack(">" + "".join(FORMATS[type_of(n)] for n in names), payload)
        with self.lock:
            for name, value in zip(names, values, strict=True):
                registers = self.input_int if "_int_" in name else self.input_double
                registers[int(name.rpartition("_")[2])] = value  # type: ignore[assignment,call-overload]
                self._updated_s[name] = self.time_s

    def _send_data(self, client: socket.socket, outputs: list[str]) -> None:
        if self.is_mute:
            return
        with self.lock:
            values = [number for name in outputs for number in self._value(name)]
        if self.garbage:
            client.sendall(self.garbage)
            self.garbage = b""
        packed = struct.pack(">" + "".join(FORMATS[type_of(n)] for n in outputs), *values)
        _reply(client, ord("U"), b"\x01" + packed)


def _reply(client: socket.socket, kind: int, payload: bytes) -> None:
    client.sendall(struct.pack(">HB", 3 + len(payload), kind) + payload)
