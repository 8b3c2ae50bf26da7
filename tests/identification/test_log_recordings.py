"""Our own recordings: commands move to the sample that they act from, stops and losses cut, other robots are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.bus.messages import EStop, Message, Mode, Observation
from mpc_controller.bus.recording import RecordingError, RecordingWriter
from mpc_controller.identification.log_files import Keep, parse_condition, read_logs
from mpc_controller.identification.model_structure import IdentificationError
from tests.identification.log_structures import cart, swing
from tests.identification.log_writing import cart_columns

START_NS = 7_000_000_000_000_123


def observations(change: Callable[[int, Observation], Observation] = lambda k, o: o) -> list[Observation]:
    """Four seconds of the cart at 100 Hz, commands as the plant sends them: each after it was applied."""
    c = cart_columns()
    result = []
    for k in range(400):
        made = Observation(
            robot="cart",
            model_hash="0123456789ab",
            sequence=k + 1,
            time_ns=START_NS + 10_000_000 * k,
            measured=np.array([c["x"][k], c["v"][k]]),
            control=np.array([c["f"][k - 1] if k else 0.0]),
            mode=Mode.NOMINAL,
            plan_epoch=0 if k < 50 else 3,
            plan_sequence=0,
            plan_age_ns=0,
            latency_ns=-1,
        )
        result.append(change(k, made))
    return result


def record(path: Path, messages: Sequence[Message]) -> Path:
    with RecordingWriter(path, {"robot": "cart"}) as writer:
        for k, message in enumerate(messages):
            writer.write(message, log_time_ns=k)
    return path


def test_a_row_holds_the_command_that_the_next_observation_brought(tmp_path: Path) -> None:
    c = cart_columns()
    path = record(tmp_path / "run.mcap", [EStop(1, clear=True), *observations()])
    (log,) = read_logs(path, cart())
    np.testing.assert_allclose(log.times, c["t"], atol=1e-12)
    np.testing.assert_array_equal(log.measured, np.stack([c["x"], c["v"]], axis=1))
    np.testing.assert_array_equal(log.controls[:-1, 0], c["f"][:-1])
    assert log.pieces == ((0, 400),)
    assert log.notes == ()


def test_hold_is_kept_and_a_stop_is_not(tmp_path: Path) -> None:
    def change(k: int, o: Observation) -> Observation:
        return dataclasses.replace(o, mode=Mode.HOLD if k < 100 else Mode.E_STOP if 200 <= k < 230 else Mode.STALE_PLAN)

    (log,) = read_logs(record(tmp_path / "run.mcap", observations(change)), cart())
    assert log.pieces == ((0, 200), (230, 400))
    assert log.notes == ("30 samples in E_STOP left out, first at 2.000 s",)


def test_a_lost_observation_starts_a_new_piece(tmp_path: Path) -> None:
    every = observations()
    (log,) = read_logs(record(tmp_path / "run.mcap", every[:150] + every[151:300] + every[302:]), cart())
    assert log.pieces == ((0, 150), (150, 299), (299, 397))
    assert log.notes == ("3 observations lost at 2 places, first after 1.490 s",)


def test_a_plant_that_starts_again_is_another_record(tmp_path: Path) -> None:
    second = [dataclasses.replace(o, time_ns=o.time_ns - START_NS + 5) for o in observations()]
    path = record(tmp_path / "run.mcap", [*observations(), *second[:300]])
    first, again = read_logs(path, cart())
    assert (len(first.times), len(again.times)) == (400, 300)
    assert again.times[0] == 0.0
    (chosen,) = read_logs(tmp_path / "run.mcap#:1", cart())
    assert chosen.name == again.name == "run.mcap#:1"


def test_a_start_that_is_too_short_is_left_out_beside_one_that_is_not(tmp_path: Path) -> None:
    path = record(tmp_path / "run.mcap", [*observations(), *observations()[:20]])
    (log,) = read_logs(path, cart())
    assert log.notes[-1].startswith("left out: run.mcap#:1: 0.19 s of 0.19 s can be used; a log needs two horizons, 1 s")


def test_conditions_cut_recordings_too(tmp_path: Path) -> None:
    path = record(tmp_path / "run.mcap", observations())
    (log,) = read_logs(path, cart(), keep=Keep((parse_condition("plan_epoch > 0"),), 0.2))
    assert log.pieces == ((70, 400),)
    with pytest.raises(
        IdentificationError, match="condition names 'height'; it must be one of position, velocity, force, mode, plan_"
    ):
        read_logs(path, cart(), keep=Keep((parse_condition("height > 0"),)))


def test_a_recording_of_another_robot_or_of_nothing_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "run.mcap", observations())
    with pytest.raises(IdentificationError, match=r"run.mcap: a recording of cart; it must be of swing"):
        read_logs(path, swing())
    with pytest.raises(IdentificationError, match=r"empty.mcap: no observation; there is nothing to fit"):
        read_logs(record(tmp_path / "empty.mcap", [EStop(1)]), cart())
    with pytest.raises(
        IdentificationError, match=r"run.mcap: observation 1 has 2 measured states and 1 controls; cart has 1 and 1"
    ):
        read_logs(path, cart(("position",)))
    (tmp_path / "other.mcap").write_bytes(b"not an MCAP file")
    with pytest.raises(RecordingError, match="is not an MCAP file"):
        read_logs(tmp_path / "other.mcap", cart())
    with pytest.raises(IdentificationError, match=r"absent.mcap: no such file"):
        read_logs(tmp_path / "absent.mcap", cart())


def test_a_recording_that_was_cut_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    with RecordingWriter(path, {"robot": "cart"}) as writer:
        for k, message in enumerate(observations()):
            writer.write(message, log_time_ns=k)
            if k % 100 == 99:
                writer._flushed_s = 0.0
                writer.flush_if_due()
    path.write_bytes(path.read_bytes()[: int(0.5 * path.stat().st_size)])
    (log,) = read_logs(path, cart())
    assert 200 <= len(log.times) < 400
    assert log.notes[0] == "the recording was cut short"
