"""The recorder's loop keeps everything that is said."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mpc_controller.bus import wire_pb2 as wire
from mpc_controller.bus.frame import Kind, wrap
from mpc_controller.bus.frame_link import PeerEnd
from mpc_controller.bus.messages import EStop
from mpc_controller.bus.recording import read_recording
from mpc_controller.node.recorder import record
from tests.bus.conftest import PATIENCE_S, Bus, meet, receive_all
from tests.bus.examples import EXAMPLES, assert_same, observation


def test_everything_said_until_the_stop_is_recorded(bus: Bus, tmp_path: Path) -> None:
    plant, listener, controller = bus.plant_link(), bus.peer_link(newest_only=()), bus.peer_link()
    meet(plant, listener, controller)
    spoken = [message for message in EXAMPLES.values() for _ in range(20)]
    turns = 0

    def stop() -> bool:
        """Lets the plant speak, then two parties; ends when all of it was heard."""
        nonlocal turns
        turns += 1
        if turns == 1:
            for message in spoken:
                plant.send(message)
        if turns == 2:
            controller.send(EStop(77))
            receive_all(plant, 1)
        return has_heard(len(spoken) + 1)

    has_heard = hearing(listener)
    summary = record(listener, tmp_path / "run.mcap", {"robot": "cartpole"}, stop)
    read = [message for _, message in read_recording(tmp_path / "run.mcap").messages()]
    for actual, expected in zip(read, [*spoken, EStop(77)], strict=True):
        assert_same(actual, expected)
    assert summary.messages == {
        "/observation": 20,
        "/plan": 40,
        "/truth": 20,
        "/reference": 20,
        "/arm": 20,
        "/parameter_update": 20,
        "/e_stop": 41,
        "/event": 20,
    }
    assert (summary.rejected, summary.bytes) == (0, (tmp_path / "run.mcap").stat().st_size)


def test_observations_that_do_not_come_are_counted_late_ones_and_a_new_start_are_none(bus: Bus, tmp_path: Path) -> None:
    plant, listener = bus.plant_link(), bus.peer_link(newest_only=())
    meet(plant, listener)
    for sequence in (5, 6, 6, 9, 7, 12, 1, 2, 4, 2):  # without 8, 10, 11 and 3
        plant.send(replace(observation(sequence), time_ns=sequence, lock_step=False))
    has_heard = hearing(listener)
    summary = record(listener, tmp_path / "run.mcap", {}, lambda: has_heard(10))
    assert summary.lost == 4


def test_frames_that_cannot_be_read_are_counted(bus: Bus, tmp_path: Path) -> None:
    plant, listener = bus.plant_link(), bus.peer_link(newest_only=())
    meet(plant, listener)
    plant.put(b"garbage")
    plant.put(wrap(Kind.PLAN, b"\xff"))
    unknown_kind = wrap(Kind.EVENT, wire.Event.FromString(b"\x08\x63").SerializeToString())
    plant.put(unknown_kind)
    has_heard = hearing(listener)
    summary = record(listener, tmp_path / "run.mcap", {}, lambda: has_heard(3))
    assert summary.rejected == 3
    assert listener.counts.reasons == {"magic": 1, "payload": 1, "value": 1}
    assert list(read_recording(tmp_path / "run.mcap").messages()) == []


def hearing(link: PeerEnd) -> Callable[[int], bool]:
    """Whether so many frames came since this call; fails when they never do."""
    before, end_s = link.counts.received, time.monotonic() + PATIENCE_S

    def has_heard(frames: int) -> bool:
        assert time.monotonic() < end_s, "waited in vain"
        return link.counts.received - before >= frames

    return has_heard
