"""The plant's sockets: who is there, who may enter, and how urgent the threads behind them are."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import zmq

from mpc_controller.bus import zmq_link
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import EStop
from mpc_controller.bus.zmq_link import PeerLink, PlantLink
from tests.bus.conftest import PATIENCE_S, meet, wait_until

PER_CALL = 16  # subscriptions
MOST_PEERS = 256
MOST_OF_ONE = 32


class HostilePeer:
    """Speaks ZMTP 3.0 over an ipc socket by hand, so that it may say what libzmq would not.

    Source: https://rfc.zeromq.org/spec/23 (greeting, READY command, message frames).
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(endpoints.out.removeprefix("ipc://"))
        self._socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(52, b"\x00"))
        ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
        self._socket.sendall(b"\x04" + bytes([len(ready)]) + ready)
        self._read(64)  # the plant's greeting
        self._read(self._read(2)[1])  # its READY

    def say(self, *bodies: bytes) -> None:
        """One message each, of up to 255 bytes."""
        self._socket.sendall(b"".join(b"\x00" + bytes([len(body)]) + body for body in bodies))

    @property
    def has_ended(self) -> bool:
        """Whether the plant closed the connection; what it said before is read and forgotten."""
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def _read(self, size: int) -> bytes:
        return self._socket.recv(size, socket.MSG_WAITALL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@contextlib.contextmanager
def hostile_peers(endpoints: Endpoints, count: int) -> Iterator[list[HostilePeer]]:
    """Many at once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(HostilePeer(endpoints)) for _ in range(count)]


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def see(plant: PlantLink, peers: int) -> None:
    """Waits until the plant counts so many peers."""

    def is_so() -> bool:
        plant.receive(0.01)
        return plant.peers == peers

    wait_until(is_so)


def test_peers_are_counted_as_they_come_and_go(address: str) -> None:
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant:
        with PeerLink(endpoints), PeerLink(endpoints, kinds=(EStop,)):
            see(plant, 2)
        see(plant, 0)
        with PeerLink(endpoints):
            see(plant, 1)


def test_a_peer_that_is_counted_hears_the_next_word(address: str) -> None:
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant, PeerLink(endpoints, kinds=(EStop,)) as peer:
        see(plant, 1)
        plant.send(EStop(1))
        assert peer.receive(20.0) == [EStop(1)]


def test_subscriptions_that_no_peer_of_the_bus_makes_change_no_count(tmp_path: Path) -> None:
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints) as plant, PeerLink(endpoints), HostilePeer(endpoints) as hostile:
        see(plant, 1)
        for presence in (b"peer", b"peer1234567", b"peer123456789", b"", b"MPC"):
            hostile.say(b"\x01" + presence, b"\x00" + presence)
        hostile.say(*[b"\x00peer--------"] * 100, *[b"neither"] * 100)  # ends without a beginning, and no subscriptions
        hostile.say(*[b"\x01peer12345678"] * 3)
        see(plant, 2)
        hostile.say(b"\x00peer12345678", b"\x01peer87654321", b"\x01peer87654322")
        see(plant, 3)


def test_one_call_looks_at_a_bounded_number_of_subscriptions(tmp_path: Path) -> None:
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints) as plant, hostile_peers(endpoints, 10) as crowd:
        for i, hostile in enumerate(crowd):
            hostile.say(*[b"\x01peer%08d" % (20 * i + number) for number in range(20)])
        seen = [0]

        def are_seen() -> bool:
            plant.receive(0.001)
            seen.append(plant.peers)
            return plant.peers == 200

        wait_until(are_seen)
        assert max(after - before for before, after in itertools.pairwise(seen)) <= PER_CALL


def test_peers_are_not_counted_without_end(tmp_path: Path) -> None:
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints) as plant:
        with hostile_peers(endpoints, 20) as crowd:
            for i, hostile in enumerate(crowd):
                hostile.say(*[b"\x01peer%08d" % (20 * i + number) for number in range(20)])
            see(plant, MOST_PEERS)
        see(plant, 0)


@pytest.mark.parametrize("each", [b"\x01peer%08d", b"\x01%060d"], ids=["presences", "what no peer says"])
def test_a_connection_that_asks_for_more_than_any_peer_is_ended_and_forgotten(tmp_path: Path, each: bytes) -> None:
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints) as plant, PeerLink(endpoints) as peer:
        meet(plant, peer)
        with HostilePeer(endpoints) as hostile:
            hostile.say(*[each % number for number in range(MOST_OF_ONE + 1)])
            wait_until(lambda: not plant.receive(0.005) and hostile.has_ended)
        see(plant, 1)
        meet(plant, peer)


def test_a_peer_does_not_inherit_what_another_with_its_number_asked_for(tmp_path: Path) -> None:
    """Accomplices keep topics alive that the plant counts for a connection that is gone; the kernel gives its number again."""
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    topics = [b"\x01%08d" % number for number in range(MOST_OF_ONE)]
    with PlantLink(endpoints) as plant:
        first = HostilePeer(endpoints)
        first.say(*topics, b"\x00" + topics[0][1:], b"\x01peer--------")
        see(plant, 1)
        with HostilePeer(endpoints) as accomplice:
            accomplice.say(*topics, b"\x01peer++++++++")
            see(plant, 2)
            with first:
                pass
            see(plant, 1)
            with PeerLink(endpoints) as peer:
                meet(plant, peer)


def test_thousands_of_subscriptions_by_a_peer_of_another_make_cost_no_memory(address: str) -> None:
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant, PeerLink(endpoints) as peer, zmq.Context() as context:
        meet(plant, peer)
        before = resident_bytes()
        greedy = context.socket(zmq.SUB)
        greedy.linger = 0
        greedy.connect(endpoints.out)
        for _ in range(20_000):
            greedy.subscribe(os.urandom(50))
        mine = resident_bytes() - before  # what the greedy peer itself needs, in this process
        for _ in range(200):
            plant.receive(0.005)
        assert resident_bytes() - before < mine + 5e6
        meet(plant, peer)
        greedy.close()


def test_a_long_subscription_ends_its_connection_and_stops_nobody(tmp_path: Path) -> None:
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints) as plant, zmq.Context() as context, context.socket(zmq.SUB) as long, PeerLink(endpoints) as peer:
        long.connect(endpoints.out)
        long.subscribe(bytes(100_000))
        meet(plant, peer)


def test_sockets_are_private_from_their_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder and under a umask that would let everyone in."""
    tmp_path.chmod(0o777)
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    bind, modes = zmq_link._bind, []

    def bind_and_look(bound: zmq.Socket[bytes], endpoint: str) -> None:
        bind(bound, endpoint)
        modes.append(Path(endpoint.removeprefix("ipc://")).stat().st_mode & 0o077)

    monkeypatch.setattr(zmq_link, "_bind", bind_and_look)
    before = os.umask(0)
    try:
        with PlantLink(endpoints):
            assert modes == [0, 0]
        assert os.umask(0) == 0
    finally:
        os.umask(before)


@pytest.mark.parametrize("priority", [0, 5, 1000])
def test_the_threads_of_the_sockets_are_as_urgent_as_asked_for_and_permitted(address: str, priority: int) -> None:
    expected = {(os.SCHED_FIFO, priority)} if may_be_urgent(priority) else {(os.SCHED_OTHER, 0)}
    endpoints = Endpoints.of(address)
    before = threads()
    with PlantLink(endpoints, io_priority=priority) as plant, PeerLink(endpoints, io_priority=priority) as peer:
        meet(plant, peer)
        new = threads() - before
        assert len(new) >= 4  # two for each link
        wait_until(lambda: {(os.sched_getscheduler(t), os.sched_getparam(t).sched_priority) for t in new} == expected)


def threads() -> set[int]:
    """The threads of this process, by the kernel's number."""
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def may_be_urgent(priority: int) -> bool:
    """Asked of the kernel with a process that ends at once."""
    child = os.fork()
    if child == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
