"""What is told, and drawn, of a run of which observations are missing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from mpc_controller.analysis import format_table, run_of, summarize
from mpc_controller.analysis.time_panels import draw_controls, draw_error, over_time
from mpc_controller.analysis.tracking import track
from mpc_controller.bus.messages import Mode, Observation, Truth
from tests.analysis.runs import TICK, flight, observation
from tests.sim.sliders import slider, track_task

HOLE = range(400, 700)  # ticks of which neither an observation nor a truth came


def test_the_table_tells_how_long_a_fresh_plan_was_followed(tmp_path):
    modes = [Mode.HOLD] * 101 + [Mode.NOMINAL] * 250 + [Mode.STALE_PLAN] * 50 + [Mode.NOMINAL] * 100
    messages = [observation(k, mode) for k, mode in enumerate(modes)]
    summary = summarize(run_of(messages, "run.mcap"), slider(tmp_path), track_task())
    assert summary["mode_s"] == {"NOMINAL": pytest.approx(0.7), "STALE_PLAN": pytest.approx(0.1), "HOLD": pytest.approx(0.2)}
    lines = [line.split() for line in format_table(summary).splitlines()]
    assert ["fresh", "plan", "followed", "0.70", "s", "70.00", "%"] in lines
    assert ["STALE_PLAN", "0.10", "s", "10.00", "%"] in lines
    assert ["HOLD", "0.20", "s", "20.00", "%"] in lines
    assert summary["lost_observations"] == 0
    assert "did not come" not in format_table(summary)


def test_of_many_changes_those_into_hold_are_told_before_others(tmp_path):
    modes = [Mode(k % 2) for k in range(50)] + [Mode.HOLD, Mode.NOMINAL]
    messages = [observation(k, mode) for k, mode in enumerate(modes)]
    table = format_table(summarize(run_of(messages, "run.mcap"), slider(tmp_path), track_task()))
    assert "STALE_PLAN → HOLD" in table
    assert "… and 43 more" in table


def test_observations_that_did_not_come_are_counted_and_their_time_belongs_to_no_mode(tmp_path):
    summary = summarize(run_of(_with_a_hole(), "run.mcap"), slider(tmp_path), track_task())
    assert (summary["observations"], summary["lost_observations"]) == (700, 300)
    assert summary["mode_s"] == {"NOMINAL": pytest.approx((399 + 299) * TICK * 1e-9)}
    assert "300 of 1000 observations did not come; what is told is of the others" in format_table(summary)


def test_a_plant_that_started_again_is_no_loss(tmp_path):
    first = [observation(k) for k in range(50)]
    again = [replace(m, sequence=m.sequence - 60) for m in map(observation, range(60, 100))]
    run = run_of([*first, *again], "run.mcap")
    assert run.observations.lost == 0


def test_no_line_and_no_shade_crosses_a_hole_and_no_error_is_made_up_within(tmp_path):
    robot, task = slider(tmp_path), track_task()
    run = run_of(_with_a_hole(Mode.STALE_PLAN), "run.mcap")
    tracking = track(run, robot, task)
    begin, end = ((k * TICK) * 1e-9 for k in (HOLE.start, HOLE.stop))
    assert not ((tracking.times > begin) & (tracking.times < end - TICK * 1e-9)).any()
    panel = over_time(run, lambda axes: draw_controls(axes, run, robot, [0]))
    axes = Figure().add_subplot()
    panel(axes)
    for patch in axes.patches:
        left, width = patch.get_x(), patch.get_width()
        assert left + width <= begin or left >= end - TICK * 1e-9
    assert len(axes.patches) == 2
    assert np.isnan(axes.lines[0].get_ydata()).sum() == 1
    axes = Figure().add_subplot()
    draw_error(axes, tracking, "position_m", task.settle_s)
    assert np.isnan(axes.lines[0].get_ydata()).sum() == 1


def _with_a_hole(mode=Mode.NOMINAL):
    """A flight whose recorder heard plans only, for a while."""
    messages = flight(lambda t: 0.3 * math.sin(t))
    kept = [m for m in messages if not (isinstance(m, Observation | Truth) and m.sequence in HOLE)]
    return [replace(m, mode=mode) if isinstance(m, Observation) else m for m in kept]
