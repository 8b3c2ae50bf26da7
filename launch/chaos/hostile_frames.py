"""Whoever reaches the sockets and means no good: mutated frames, garbage instead of ZeroMQ, connections that stay half-open."""

from __future__ import annotations

import dataclasses
import random
import socket
import time
from contextlib import ExitStack, suppress
from typing import final

import numpy as np
import zmq

from launch.chaos.checks import largest_step, led_by_one, within_slew
from launch.chaos.flight import Flight, FlightError
from launch.chaos.outcome import Outcome, Requirement, Scale, at_most
from launch.chaos.plant_summary import PlantSummaryFile
from launch.chaos.processes import memory_mb, open_files
from mpc_controller.bus.codec import encode
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.frame import Kind, WireError, read_header, wrap
from mpc_controller.bus.messages import Arm, Event, EventKind, Message, ParameterUpdate, Reference
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_IN_MOTION = 250
_AT_ONCE = 32  # frames; the plant takes so many in a tick
_GROWTH_MB = 5.0
_GREETING = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL".ljust(64, b"\x00")  # of ZMTP 3.0
_PATIENCE_S = 15.0
_HANDSHAKE_S = 3.2  # the plant closes those that have not said who they are after 3 s


def hostile_frames(scale: Scale) -> Outcome:
    """All three, one after the other, against one flight."""
    frames, garbage, half_open = scale.times(1_000_000, 10_000), scale.times(100_000, 1_000), scale.times(1_000, 100)
    with PlantSummaryFile() as summary, Flight(_ROBOT, _TASK, None, *summary.options) as flight:
        controller = flight.start_controller()
        flight.fly(_IN_MOTION)
        attacker = _Attacker(flight)
        with attacker.stack:
            attacker.throw_frames(max(frames // 10, 3_000))  # warm-up
            attacker.connect_garbage(max(garbage // 10, 200))
            before, files = memory_mb(flight.plant.pid), open_files(flight.plant.pid)
            begun = len(flight.observations)
            scale.report(f"{frames} mutated frames")
            attacker.throw_frames(frames)
            scale.report(f"{garbage} connections with garbage")
            attacker.connect_garbage(garbage)
            scale.report(f"{half_open} connections half-open")
            attacker.half_open(half_open)
        left = _files_after(flight, files)
        growth = memory_mb(flight.plant.pid) - before
        flight.fly(_IN_MOTION)
        alive = flight.plant.poll() is None and controller.poll() is None
        flight.stop_plant()
        no_hang = summary.no_hang(flight.observations[-1].plan_period_ns * 1e-6)
    return Outcome(
        f"{frames} mutated frames, {garbage} connections with garbage, {half_open} half-open ones",
        frames + garbage + half_open,
        (
            Requirement("plant and controller go on", "they do" if alive else "they do not", alive),
            no_hang,
            at_most("memory of the plant grows by less than 5 MB", growth, _GROWTH_MB, "MB"),
            Requirement("file descriptors are as before", f"{left} after {files}", left <= files),
            *led_by_one(flight.observations[begun:]),
            within_slew([largest_step(flight.observations, load_robot(_ROBOT))]),
        ),
    )


def _files_after(flight: Flight, wanted: int) -> int:
    """When no more are closed."""
    end_s = time.monotonic() + _PATIENCE_S
    while open_files(flight.plant.pid) > wanted and time.monotonic() < end_s:
        flight.listen(0.1)
    return open_files(flight.plant.pid)


@final
class _Attacker:
    """Speaks to the plant's sockets without a link of ours, and lets the flight listen meanwhile."""

    def __init__(self, flight: Flight) -> None:
        self.stack = ExitStack()
        self._flight = flight
        self._endpoints = Endpoints.of(flight.address)
        self._random = random.Random(0)
        self._context = self.stack.enter_context(zmq.Context())
        self._pub = self._context.socket(zmq.PUB)
        self._pub.setsockopt(zmq.LINGER, 0)
        self._pub.connect(self._endpoints.inbox)
        self._frames = self._examples()
        flight.listen(0.2)

    def throw_frames(self, count: int) -> None:
        """At the rate that the plant takes them in."""
        for start in range(0, count, _AT_ONCE):
            for _ in range(min(_AT_ONCE, count - start)):
                self._pub.send(self._mutated())
            self._flight.listen(0.002)

    def connect_garbage(self, count: int) -> None:
        """Each says something that is not ZeroMQ, or breaks off in the middle of it."""
        for k in range(count):
            with self._connected() as peer:
                start = _GREETING[: self._random.randrange(len(_GREETING) + 1)]
                with suppress(OSError):  # the plant may close it at once
                    peer.sendall(start + self._random.randbytes(self._random.randrange(256)))
            if k % 20 == 0:
                self._flight.listen(0.002)

    def half_open(self, count: int) -> None:
        """Connections that say nothing, or half a greeting, and stay until the plant has had enough."""
        with ExitStack() as stack:
            for k in range(count):
                peer = stack.enter_context(self._connected())
                peer.sendall(_GREETING[: k % 2 * 12])
                if k % 20 == 0:
                    self._flight.listen(0.002)
            self._flight.listen(_HANDSHAKE_S)

    def _connected(self) -> socket.socket:
        path = self._random.choice(self._endpoints.paths)
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(_PATIENCE_S)
        try:
            peer.connect(str(path))
        except OSError as error:
            peer.close()
            raise FlightError(f"the plant takes no connection any more: {error}") from error
        return peer

    def _examples(self) -> list[bytes]:
        """What must be refused, or changes nothing, however it is mutated: old plans, references of a wrong size, values of no
        name. Stops are left out: any of them stops the robot, as it should."""
        plans = [dataclasses.replace(plan, epoch=1) for plan in self._flight.plans[-5:]]
        if not plans:
            raise FlightError("no plan was heard")
        messages: list[Message] = [
            *plans,
            Reference(1, 2**62, np.full(40, 1.0)),
            ParameterUpdate(1, {"no such name": 1.0}),
            Event(EventKind.INFO, 1, "chaos", "nothing", details={"a": "b"}),
            Arm(_ROBOT, 1, 0),
            self._flight.observations[-1],
        ]
        return [encode(message) for message in messages]

    def _mutated(self) -> bytes:
        """Bytes changed, cut out, doubled or appended; half of them with a header that fits."""
        draw = self._random
        frame = bytearray(draw.choice(self._frames))
        for _ in range(draw.randrange(1, 8)):
            place = draw.randrange(len(frame))
            match draw.randrange(4):
                case 0:
                    frame[place] = draw.randrange(256)
                case 1:
                    del frame[place : place + draw.randrange(1, 9)]
                case 2:
                    frame[place:place] = draw.randbytes(draw.randrange(1, 9))
                case _:
                    del frame[place:]
            if not frame:
                frame = bytearray(b"\0")
        if draw.random() < 0.5:
            frame = bytearray(self._with_header(bytes(frame)))
        return _no_stop(frame)

    def _with_header(self, frame: bytes) -> bytes:
        try:
            return wrap(self._random.choice([Kind.PLAN, Kind.REFERENCE, Kind.PARAMETER_UPDATE, Kind.EVENT]), frame[12:])
        except WireError:
            return frame


def _no_stop(frame: bytearray) -> bytes:
    """The frame, unless it has become a stop."""
    with suppress(WireError):
        if read_header(bytes(frame)) is Kind.E_STOP:
            frame[3] = 0
    return bytes(frame)
