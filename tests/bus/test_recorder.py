"""The recorder's loop keeps everything that is said."""

from pathlib import Path

from mpc_controller.bus.frame import Kind, wrap
from mpc_controller.bus.messages import EStop
from mpc_controller.bus.recording import read_recording
from mpc_controller.node.recorder import record
from tests.bus.conftest import Bus, meet
from tests.bus.examples import EXAMPLES, assert_same


def test_everything_said_until_the_stop_is_recorded(bus: Bus, tmp_path: Path) -> None:
    plant, listener, controller = bus.plant_link(), bus.peer_link(newest_only=()), bus.peer_link()
    meet(plant, listener, controller)
    spoken = [message for message in EXAMPLES.values() for _ in range(20)]
    stops = 0

    def stop() -> bool:
        """Lets the plant speak, then two parties, then ends."""
        nonlocal stops
        stops += 1
        if stops == 1:
            for message in spoken:
                plant.send(message)
        if stops == 2:
            controller.send(EStop(77))
            plant.receive(20.0)
        return stops > 5

    summary = record(listener, tmp_path / "run.mcap", {"robot": "cartpole"}, stop)
    read = [message for _, message in read_recording(tmp_path / "run.mcap").messages()]
    for actual, expected in zip(read, [*spoken, EStop(77)], strict=True):
        assert_same(actual, expected)
    assert summary.messages == {
        "/observation": 20,
        "/plan": 40,
        "/truth": 20,
        "/reference": 20,
        "/parameter_update": 20,
        "/e_stop": 41,
        "/event": 20,
    }
    assert (summary.rejected, summary.bytes) == (0, (tmp_path / "run.mcap").stat().st_size)


def test_frames_that_cannot_be_read_are_counted(bus: Bus, tmp_path: Path) -> None:
    plant, listener = bus.plant_link(), bus.peer_link(newest_only=())
    meet(plant, listener)
    plant.put(b"garbage")
    plant.put(wrap(Kind.PLAN, b"\xff"))
    turns = iter([False, False, False, True])
    summary = record(listener, tmp_path / "run.mcap", {}, lambda: next(turns))
    assert summary.rejected == 2
    assert listener.counts.reasons == {"magic": 1, "payload": 1}
