"""What time it is on the plant's host: asked over real sockets, of a plant in another process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.keys import KeyFolder, Role
from mpc_controller.bus.messages import Event
from mpc_controller.bus.recording import read_recording
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.node.clock_offset import ClockEstimate
from mpc_controller.node.clock_questions import QUESTION, ClockQuestions, may_ask
from mpc_controller.node.recorder import CLOCK, record
from tests.bus.examples import observation
from tests.launch.command import ROOT, environment

MS = 1_000_000
S = 1_000_000_000
# A sled with a clock that is off by argv[2] ns.
PLANT = """
import sys, time
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.zmq_link import PlantLink
from mpc_controller.node.clock import SteadyClock
from mpc_controller.node.plant_node import PlantOptions, run_plant
from tests.control.machines import sled
from tests.node.loop import SledPlant, TICK_NS

clock = SteadyClock(TICK_NS, now_ns=lambda: time.monotonic_ns() + int(sys.argv[2]))
with PlantLink(Endpoints.of(sys.argv[1])) as link:
    run_plant(SledPlant(), sled(), link, clock, PlantOptions(), lambda: False)
"""


@pytest.fixture(params=[0, -5_432_109_876_543_210], ids=["same clock", "other clock"])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Endpoints, int]]:
    """Where it is, and by how much its clock is off."""
    address = f"ipc://{tmp_path}/bus"
    code = [sys.executable, "-c", PLANT, address, str(request.param)]
    process = subprocess.Popen(code, cwd=ROOT, env=environment())
    yield Endpoints.of(address), request.param
    process.kill()
    process.wait()


def _asked(endpoints: Endpoints, seconds: float) -> ClockEstimate:
    """Within a time of the plant's first word."""
    questions, estimate = ClockQuestions("test", 20 * MS), None
    with PeerLink(endpoints, newest_only=()) as link:
        end_s = time.monotonic() + 120.0
        while time.monotonic() < end_s:
            if question := questions.due(time.monotonic_ns()):
                link.send(question)
            for message in link.receive(0.01):
                questions.accept(message, time.monotonic_ns())
            if estimate is None and (estimate := questions.estimate(time.monotonic_ns())):
                end_s = time.monotonic() + seconds
    estimate = questions.estimate(time.monotonic_ns())
    assert estimate is not None
    return estimate


def test_two_processes_of_one_machine_have_one_clock_within_the_bound(plant: tuple[Endpoints, int]):
    endpoints, offset_ns = plant
    estimate = _asked(endpoints, 1.0)
    assert abs(estimate.offset_ns - offset_ns) <= estimate.bound_ns
    assert estimate.bound_ns < 100 * MS  # some ms where nothing else runs
    assert estimate.round_trips > 10
    assert estimate.jumps == 0


def test_a_recording_tells_the_plants_clock_against_its_own(plant: tuple[Endpoints, int], tmp_path: Path):
    endpoints, offset_ns = plant
    to_wall_ns = time.time_ns() - time.monotonic_ns()
    questions = ClockQuestions("recorder", 100 * MS)
    end_s = time.monotonic() + 120.0
    with PeerLink(endpoints, newest_only=()) as link:

        def stop() -> bool:
            estimate = questions.estimate(time.monotonic_ns())
            return time.monotonic() > end_s or (estimate is not None and estimate.round_trips >= 3)

        record(link, tmp_path / "run.mcap", {"robot": "sled"}, stop, questions)
    recording = read_recording(tmp_path / "run.mcap")
    assert recording.metadata["robot"] == "sled"
    note = {name: float(value) for name, value in recording.note(CLOCK).items()}
    assert note["plant_minus_log_time_ns"] == pytest.approx(offset_ns - to_wall_ns, abs=note["bound_ns"] + 5 * MS)
    assert note["round_trips"] >= 3
    assert recording.note("weather") == {}


def test_only_an_observation_after_the_return_of_a_question_answers_it():
    questions = ClockQuestions("test", 10 * MS)
    assert questions.due(0) is None  # nobody is there yet
    questions.accept(replace(observation(1), time_ns=900, lock_step=False), S)
    question = questions.due(S)
    assert question is not None
    assert (question.text, question.time_ns) == (QUESTION, 900)
    assert questions.due(S + 9 * MS) is None
    questions.accept(replace(observation(2), time_ns=1000, lock_step=False), S + MS)
    assert questions.estimate(S + MS) is None
    questions.accept(question, S + 2 * MS)
    questions.accept(replace(observation(2), time_ns=1000, lock_step=False), S + 3 * MS)  # a repeat
    assert questions.estimate(S + 3 * MS) is None
    questions.accept(replace(observation(3), time_ns=2 * MS, lock_step=False), S + 4 * MS)
    estimate = questions.estimate(S + 4 * MS)
    assert estimate is not None
    # Between what was heard first, 900 - S, and 2 MS - S.
    assert (estimate.offset_ns, estimate.bound_ns) == (pytest.approx(MS - S, abs=5000), pytest.approx(MS, abs=5000))
    assert estimate.round_trips == 1


@pytest.mark.parametrize("change", [{"text": "hello"}, {"details": {}}, {"details": {"asker": "another", "question": "1"}}])
def test_the_words_of_others_are_no_return(change: dict[str, object]):
    questions = ClockQuestions("test", 10 * MS)
    questions.accept(replace(observation(1), lock_step=False), S)
    question = questions.due(S)
    assert isinstance(question, Event)
    questions.accept(replace(question, **change), S + MS)  # type: ignore[arg-type]
    questions.accept(replace(observation(2), lock_step=False), S + 2 * MS)
    assert questions.estimate(S + 2 * MS) is None


def test_observers_do_not_ask(tmp_path: Path):
    keys = KeyFolder.create(tmp_path / "keys")
    assert may_ask(None)
    assert may_ask(keys.add("wall", Role.CONTROLLER))
    assert not may_ask(keys.add("eyes", Role.OBSERVER))
    assert ClockQuestions("test", None).due(S) is None
