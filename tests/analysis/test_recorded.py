"""Runs from recordings on disk, and their picture."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from mpc_controller.analysis import draw, format_table, load_run, run_of, summarize
from mpc_controller.bus.messages import Mode
from mpc_controller.bus.recording import RecordingError, RecordingWriter
from robots.car import robot as car
from tests.analysis.runs import START, TICK, flight, observation, plan
from tests.sim.sliders import slider, track_task


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "run.mcap"
    with RecordingWriter(path, {"robot": "slider"}) as writer:
        for k, message in enumerate(flight(lambda t: 0.2)):
            writer.write(message, 10**18 + k)
    return path


def test_a_recorded_run_has_the_summary_of_its_messages(recording, tmp_path):
    robot, task = slider(tmp_path), track_task()
    expected = summarize(run_of(flight(lambda t: 0.2), str(recording)), robot, task)
    assert summarize(load_run(recording), robot, task) == expected


def test_a_recording_cut_short_gives_what_came_before_the_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("mpc_controller.bus.recording.FLUSH_S", 0.0)  # every message at once
    path = tmp_path / "cut.mcap"
    with RecordingWriter(path, {}) as writer:
        for k, message in enumerate(flight(lambda t: 0.2, ticks=100)):
            writer.write(message, 10**18 + k)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    run = load_run(path)
    assert run.truncated
    seen = run.observations.times
    assert 10 < len(seen) < 100
    np.testing.assert_array_equal(seen, [START + k * TICK for k in range(len(seen))])
    robot, task = slider(tmp_path), track_task()
    assert "cut short" in format_table(summarize(run, robot, task))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere\.mcap"):
        load_run(tmp_path / "nowhere.mcap")


def test_a_recording_of_nothing_says_so(tmp_path):
    path = tmp_path / "empty.mcap"
    with RecordingWriter(path, {}):
        pass
    with pytest.raises(ValueError, match="no observation in 0 messages"):
        load_run(path)


@pytest.mark.parametrize(
    "messages",
    [
        flight(lambda t: 0.3 * math.sin(t)),
        [observation(k, Mode(k % 4)) for k in range(20)],
        [observation(0)],
        [observation(0), observation(1), plan(0, solve_time_ns=0)],
    ],
    ids=["flight", "without plans", "one observation", "one plan"],
)
def test_every_run_has_a_picture(messages, tmp_path):
    path = tmp_path / "run.png"
    draw(run_of(messages, "run.mcap"), slider(tmp_path), track_task(), path)
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert (width, height) == (1560, 1008)
    assert matplotlib.image.imread(path).std() > 0.02


def test_what_stands_in_the_way_is_drawn(tmp_path):
    """The car's obstacle is a filled grey disc: the picture without it has fewer pixels of its colour."""
    robot = car()
    states = np.zeros((400, 7))
    states[:, 0] = np.linspace(0, 12, 400)

    def picture(name):
        task = robot.tasks[name]()
        row = task.reference(np.zeros(1))[0]
        seen = [replace(observation(k), robot="car", measured=np.zeros(6)) for k in range(len(states))]
        plans = [replace(plan(k), robot="car", task=name, estimate=x, reference=row) for k, x in enumerate(states)]
        path = tmp_path / f"{name}.png"
        draw(run_of([*seen, *plans], "car.mcap"), robot, task, path)
        pixels = np.rint(255 * matplotlib.image.imread(path)[:, :, :3])
        return int((np.abs(pixels - [216, 219, 224]).max(axis=2) <= 1).sum())

    assert picture("pass-obstacle") > picture("lane-keep") + 500
