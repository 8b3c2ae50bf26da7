"""Frames of more than 64 KiB hold neither the plant's tick nor its memory."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from mpc_controller.bus.codec import encode
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.frame import LARGEST_UPDATE, Kind, WireError, read_header, wrap
from mpc_controller.bus.keys import KeyFolder, Role
from mpc_controller.bus.large_frames import LargeFrames, header_of
from mpc_controller.bus.messages import EStop, ParameterUpdate, Plan
from mpc_controller.bus.zmq_link import PeerLink, PlantLink
from tests.bus.conftest import free_tcp_address, gather, meet, receive_all, wait_until
from tests.bus.examples import EXAMPLES, plan_of
from tests.bus.test_plant_link import HostilePeer, resident_bytes, see

LARGE = encode(ParameterUpdate(1, {}, bytes(LARGEST_UPDATE - 100)))


def told_by(read: object, frame: object) -> object:
    try:
        return read(frame)  # type: ignore[operator]
    except WireError as error:
        return error.reason, str(error)


def test_a_header_is_read_without_a_copy_as_it_is_with_one():
    random = np.random.default_rng(0)
    frames = [encode(message) for message in EXAMPLES.values()]
    frames += [LARGE, LARGE[:-1], LARGE[:3] + b"\x07" + LARGE[4:], b"", b"MPC", b"garbage" * 10_000]
    for frame in list(frames):
        changed = bytearray(frame[:20])
        for _ in range(20 if changed else 0):
            changed[random.integers(len(changed))] = random.integers(256)
            frames.append(bytes(changed))
    for frame in frames:
        assert told_by(header_of, zmq.Frame(frame)) == told_by(read_header, frame)


def test_of_large_updates_one_is_due_in_a_tenth_of_a_second_and_four_wait():
    now_s, counts = [5.0], Counts()
    large = LargeFrames(counts, lambda: now_s[0])
    frames = [encode(ParameterUpdate(k, {}, bytes(70_000))) for k in range(6)]
    assert [large.admit(zmq.Frame(frame)) for frame in frames] == [None] * 6
    assert (counts.received, counts.reasons) == (2, {"size": 2})
    assert counts.last_error.startswith("PARAMETER_UPDATE frame of 70")
    given = []
    with zmq.Context() as context, context.socket(zmq.PAIR) as near, context.socket(zmq.PAIR) as far:
        near.bind("inproc://large")
        far.connect("inproc://large")
        for k in range(100):
            now_s[0] = 5.0 + 0.01 * k
            large.repeat_due(near)
            while far.poll(0):
                given.append((far.recv(), 0.01 * k))
    assert [frame for frame, _ in given] == frames[:4]
    np.testing.assert_allclose([at_s for _, at_s in given], [0.0, 0.1, 0.2, 0.3], atol=0.011)
    assert counts.received == 6


def test_a_swapped_residual_is_repeated_at_once_and_a_flood_of_them_holds_no_stop(address: str):
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant, PeerLink(endpoints) as listener, PeerLink(endpoints, kinds=(EStop,)) as flooder:
        meet(plant, listener, flooder)
        flooder.put(LARGE)
        wait_until(lambda: plant.receive(0.01) == [] and bool(listener.receive(0.01)))
        for _ in range(20):
            flooder.put(LARGE)
        flooder.send(EStop(7))
        start_s = time.monotonic()
        assert receive_all(plant, 1) == [EStop(7)]
        assert plant.counts.reasons["size"] >= 20 - 4 - 1 - (time.monotonic() - start_s) / 0.1
        heard = gather(listener.receive, lambda so_far: plant.receive(0.0) == [] and len(so_far) >= 4)
        assert EStop(7) in heard


def test_large_plans_are_taken_in_as_they_come(address: str):
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant, PeerLink(endpoints, newest_only=()) as peer:
        meet(plant, peer)
        large = plan_of(50, 60, 30, 60)
        sent = [replace(large, sequence=k) for k in range(8)]
        for message in sent:
            peer.send(message)
        taken = gather(plant.receive, lambda so_far: len(so_far) >= 8)
        assert [m.sequence for m in taken if isinstance(m, Plan)] == list(range(8))
        heard = gather(peer.receive, lambda so_far: len(so_far) >= 8)
        assert [m.sequence for m in heard if isinstance(m, Plan)] == list(range(8))
        assert plant.counts.reasons == {}


def test_what_a_peer_that_does_not_read_keeps_of_large_frames_is_bounded(tmp_path: Path):
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints) as plant, PeerLink(endpoints) as peer:
        meet(plant, peer)
        with HostilePeer(endpoints) as paused:
            paused.say(b"\x01", b"\x01peer12345678")
            see(plant, 2)
            before = resident_bytes()
            for _ in range(60):
                plant.put(wrap(Kind.PARAMETER_UPDATE, bytes(LARGEST_UPDATE - 12)))
                peer.receive_frames(0.0)
            assert plant.counts.reasons["size"] >= 60 - 32
            wait_until(lambda: not peer.receive_frames(0.2))  # those for it that were under way
            assert resident_bytes() - before < 190e6
            plant.send(EStop(8))  # small ones are still sent
            gather(peer.receive, lambda so_far: EStop(8) in so_far)
        see(plant, 1)

        def is_sent() -> bool:
            plant.put(LARGE)
            return any(isinstance(message, ParameterUpdate) for message in peer.receive(0.05))

        wait_until(is_sent)


@pytest.mark.parametrize(("frame", "reason"), [(LARGE, "role"), (bytes(LARGEST_UPDATE), "magic")], ids=["update", "noise"])
def test_large_frames_of_those_who_may_not_send_them_are_refused_unread(tmp_path: Path, frame: bytes, reason: str):
    keys, address = KeyFolder.create(tmp_path / "keys"), free_tcp_address()
    with (
        PlantLink(Endpoints.of(address, keys)) as plant,
        PeerLink(Endpoints.of(address, keys.add("eyes", Role.OBSERVER)), kinds=()) as observer,
    ):

        def is_refused() -> bool:
            observer.put(frame)
            return plant.receive(0.01) == [] and plant.counts.reasons[reason] >= 3

        wait_until(is_refused)
        assert plant.counts.received == plant.counts.rejected


def test_with_keys_an_update_may_be_as_large_as_without(tmp_path: Path):
    keys, address = KeyFolder.create(tmp_path / "keys"), free_tcp_address()
    with (
        PlantLink(Endpoints.of(address, keys)) as plant,
        PeerLink(Endpoints.of(address, keys.add("desk", Role.OPERATOR)), newest_only=()) as operator,
    ):
        meet(plant, operator)
        largest = wrap(Kind.PARAMETER_UPDATE, bytes(LARGEST_UPDATE - 12))
        operator.put(largest)
        assert gather(lambda s: plant.receive(s) or operator.receive_frames(s), lambda so_far: bool(so_far)) == [largest]
