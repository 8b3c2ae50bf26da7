"""One bus per transport, so that the same tests run over all of them."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.frame_link import PeerEnd, PlantEnd
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import EStop, Message
from mpc_controller.bus.zmq_link import PeerLink, PlantLink

PATIENCE_S = 120.0
T = TypeVar("T")


class Bus:
    """Makes links and closes them; `meet` waits until two of them hear each other."""

    def __init__(self, plant: Callable[[], PlantEnd], peer: Callable[..., PeerEnd]) -> None:
        self._stack = contextlib.ExitStack()
        self._plant, self._peer = plant, peer

    def plant_link(self) -> PlantEnd:
        return self._stack.enter_context(self._plant())

    def peer_link(self, **options: Any) -> PeerEnd:
        return self._stack.enter_context(self._peer(**options))

    def close(self) -> None:
        self._stack.close()


def meet(plant: PlantEnd, *peers: PeerEnd) -> None:
    """Every peer has heard from the plant and been heard by it; all queues are empty afterwards. Peers must hear EStops."""
    marks = [EStop(1000 + number) for number in range(len(peers))]
    ends = [EStop(2000 + number) for number in range(len(peers))]
    for peer, mark in zip(peers, marks, strict=True):
        wait_until(lambda peer=peer, mark=mark: _is_heard(plant, peer, mark))  # type: ignore[misc]
    for peer, end in zip(peers, ends, strict=True):
        peer.send(end)
    gather(plant.receive, lambda so_far: all(end in so_far for end in ends))
    plant.send(EStop(3000))
    for peer in peers:
        gather(peer.receive, lambda so_far: EStop(3000) in so_far)


def _is_heard(plant: PlantEnd, peer: PeerEnd, mark: EStop) -> bool:
    peer.send(mark)
    plant.receive(0.01)  # repeats what it hears
    return mark in peer.receive(0.01)


def receive_all(link: Link, count: int) -> list[Message]:
    """The next `count` messages, however they are split over calls."""
    messages = gather(link.receive, lambda so_far: len(so_far) >= count)
    assert len(messages) == count
    return messages


def gather(source: Callable[[float], Sequence[T]], is_enough: Callable[[list[T]], bool]) -> list[T]:
    """All that a link's `receive` or `receive_frames` gives until it is enough."""
    gathered: list[T] = []

    def is_there() -> bool:
        gathered.extend(source(0.05))
        return is_enough(gathered)

    wait_until(is_there)
    return gathered


def wait_until(condition: Callable[[], bool]) -> None:
    """Fails when the condition does not come true."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"


def free_tcp_address() -> str:
    """A loopback port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return f"tcp://127.0.0.1:{port}"


@pytest.fixture(params=["ipc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/robot" if request.param == "ipc" else free_tcp_address()


@pytest.fixture(params=["fake", "ipc", "tcp"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bus]:
    if request.param == "fake":
        fake = FakeBus()
        result = Bus(fake.plant_link, fake.peer_link)
    else:
        endpoints = Endpoints.of(f"ipc://{tmp_path}/robot" if request.param == "ipc" else free_tcp_address())
        result = Bus(lambda: PlantLink(endpoints), lambda **options: PeerLink(endpoints, **options))
    yield result
    result.close()
