"""What of a recording with holes a replay can compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.comparable import comparable
from mpc_controller.bus.messages import Event, EventKind, Message, Observation, Plan
from mpc_controller.bus.recording import RecordingWriter, read_recording
from tests.analysis.runs import TICK, TICKS_A_PLAN, flight
from tests.launch.command import run


def _without(*sequences: int) -> list[Message]:
    return [m for m in flight(lambda t: 0.0, 100) if not (isinstance(m, Observation) and m.sequence in sequences)]


def _numbered(messages: list[Message]) -> list[Message]:
    """With plans 1, 2, 3 in answer to observations 0, 5, 10."""
    return [
        Plan(**{**vars(m), "sequence": m.answers_sequence // TICKS_A_PLAN + 1}) if isinstance(m, Plan) else m for m in messages
    ]


def _plans(messages: list[Message]) -> list[int]:
    return [m.sequence for m in messages if isinstance(m, Plan)]


def test_a_whole_recording_stays_whole() -> None:
    messages = _numbered(flight(lambda t: 0.0, 100))
    assert comparable(messages) == (messages, [])


def test_plans_before_the_first_gap_are_compared_and_what_is_lost_is_counted() -> None:
    kept, (gap,) = comparable(_numbered(_without(43, 44, 60)))
    assert _plans(kept) == list(range(1, 10))
    assert (gap.observations, gap.plans, gap.left_out) == (3, 0, 11)
    assert gap.time_s == pytest.approx(40 * TICK * 1e-9)
    assert str(gap) == "3 lost observations"


def test_what_the_controller_said_it_had_not_is_no_gap() -> None:
    details = {"epoch": "1", "first_lost": "43", "last_lost": "44"}
    told = Event(EventKind.INFO, 0, "controller", "observations 43 to 44 did not arrive", details=details)
    messages = [*_numbered(_without(43, 44)), told]
    assert comparable(messages) == (messages, [])
    _, (gap,) = comparable([*_numbered(_without(42, 43, 44, 45)), told])
    assert gap.observations == 2
    other = Event(EventKind.INFO, 0, "controller", "", details=details | {"epoch": "2"})
    _, (gap,) = comparable([*_numbered(_without(43, 44)), other])
    assert gap.observations == 2


def test_a_plan_that_is_missing_is_a_gap_and_so_is_the_first() -> None:
    whole = _numbered(flight(lambda t: 0.0, 100))
    kept, (gap,) = comparable([m for m in whole if not (isinstance(m, Plan) and m.sequence == 7)])
    assert (_plans(kept), str(gap)) == (list(range(1, 7)), "1 lost plan")
    kept, (gap,) = comparable([m for m in whole if not (isinstance(m, Plan) and m.sequence == 1)])
    assert (_plans(kept), gap.left_out) == ([], 19)


def test_a_plant_that_started_again_is_no_gap() -> None:
    first = _numbered(flight(lambda t: 0.0, 100))
    second = [Plan(**{**vars(m), "epoch": 2}) if isinstance(m, Plan) else m for m in first]
    assert comparable([*first, *second])[1] == []


def test_a_recording_with_a_hole_is_compared_up_to_it_and_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('robot = "cartpole"\nduration_s = 1.5\n[sim]\nlock_step = true\n')
    launched = run("launch", "run.toml", "--headless", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path)
    assert launched.returncode == 0, launched.stderr
    (whole,) = (tmp_path / "runs").glob("*.mcap")
    assert run("replay", str(whole), cwd=tmp_path).returncode == 0
    with RecordingWriter(tmp_path / "holed.mcap", {"robot": "cartpole"}) as writer:
        for time_ns, message in read_recording(whole).messages():
            if not (isinstance(message, Observation) and 200 <= message.sequence < 230):
                writer.write(message, time_ns)
    replayed = run("replay", "holed.mcap", cwd=tmp_path)
    assert "are identical to the last bit; what came after 30 lost observations can not be compared" in replayed.stdout
    assert "differs" not in replayed.stdout
    assert replayed.returncode == 2
