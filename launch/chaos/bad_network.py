"""A network that loses, delays, reorders and doubles what passes, or is cut: a proxy between a plant and everyone else."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, final

import numpy as np
import zmq

from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.frame import Kind, WireError, read_header

_POLL_MS = 1
_HIGH_WATER_MARK = 10_000


@final
@dataclass(frozen=True)
class Weather:
    """loss, doubling: shares of the frames, both ways. delay_s: each frame comes later by up to so much, at random; reordering:
    one in ten of them waits until so many others have passed."""

    loss: float = 0.0
    doubling: float = 0.0
    delay_s: float = 0.0
    reordering: int = 0
    seed: int = 0


@final
@dataclass
class Passed:
    """What the proxy did, by kind of message."""

    came: Counter[Kind] = field(default_factory=Counter)
    lost: Counter[Kind] = field(default_factory=Counter)
    doubled: Counter[Kind] = field(default_factory=Counter)
    delivered: Counter[Kind] = field(default_factory=Counter)


@final
class BadNetwork:
    """Looks like the plant at `outside`, for which it stands in; is a peer of the real one at `inside`. `cut`: all is lost."""

    def __init__(self, inside: str, outside: str, weather: Weather) -> None:
        self.weather, self.cut, self.passed = weather, False, Passed()
        self._random = np.random.default_rng(weather.seed)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        near, far = Endpoints.of(inside), Endpoints.of(outside)
        self._from_plant, self._to_plant = self._context.socket(zmq.SUB), self._context.socket(zmq.PUB)
        self._from_peers, self._to_peers = self._context.socket(zmq.SUB), self._context.socket(zmq.PUB)
        for socket in (self._from_plant, self._to_plant, self._from_peers, self._to_peers):
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
            socket.setsockopt(zmq.RCVHWM, _HIGH_WATER_MARK)
        for socket in (self._from_plant, self._from_peers):
            socket.subscribe(b"")
        self._to_peers.bind(far.out)
        self._from_peers.bind(far.inbox)
        self._from_plant.connect(near.out)
        self._to_plant.connect(near.inbox)
        self._ways = (
            _Way(self._from_plant, self._to_peers, Counter()),
            _Way(self._from_peers, self._to_plant, self.passed.delivered),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        poller = zmq.Poller()
        for way in self._ways:
            poller.register(way.source, zmq.POLLIN)
        while not self._stop.is_set():
            poller.poll(_POLL_MS)
            for way in self._ways:
                self._take(way)
                way.deliver(time.monotonic())

    def _take(self, way: _Way) -> None:
        weather, is_counted = self.weather, way is self._ways[1]
        while True:
            try:
                frame = way.source.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            kind = _kind_of(frame)
            if is_counted:
                self.passed.came[kind] += 1
            if self.cut or self._random.random() < weather.loss:
                if is_counted:
                    self.passed.lost[kind] += 1
                continue
            copies = 1
            if self._random.random() < weather.doubling:
                copies = 2
                if is_counted:
                    self.passed.doubled[kind] += 1
            for _ in range(copies):
                later_s = weather.delay_s * self._random.random()
                behind = int(self._random.integers(1, weather.reordering + 1)) if weather.reordering else 0
                waits = behind if self._random.random() < 0.1 else 0
                way.put(frame, kind, time.monotonic() + later_s, waits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._context.destroy(linger=0)


@final
class _Way:
    """One direction: frames wait until their time has come and enough others have passed."""

    def __init__(self, source: zmq.Socket[bytes], sink: zmq.Socket[bytes], delivered: Counter[Kind]) -> None:
        self.source, self._sink, self._delivered = source, sink, delivered
        self._timed: list[tuple[float, int, Kind, bytes]] = []
        self._behind: list[tuple[int, int, Kind, bytes]] = []  # until so many have passed
        self._passed = 0
        self._number = itertools.count()

    def put(self, frame: bytes, kind: Kind, due_s: float, waits: int) -> None:
        number = next(self._number)
        if waits:
            heapq.heappush(self._behind, (self._passed + waits, number, kind, frame))
        else:
            heapq.heappush(self._timed, (due_s, number, kind, frame))

    def deliver(self, now_s: float) -> None:
        while self._timed and self._timed[0][0] <= now_s:
            _, _, kind, frame = heapq.heappop(self._timed)
            self._send(frame, kind)
        while self._behind and self._behind[0][0] <= self._passed:
            _, _, kind, frame = heapq.heappop(self._behind)
            self._send(frame, kind)

    def _send(self, frame: bytes, kind: Kind) -> None:
        self._sink.send(frame, zmq.NOBLOCK)
        self._passed += 1
        self._delivered[kind] += 1


def _kind_of(frame: bytes) -> Kind:
    try:
        return read_header(frame)
    except WireError:
        return Kind.EVENT
