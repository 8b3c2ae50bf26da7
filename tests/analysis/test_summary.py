"""The numbers of a run against closed forms."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.analysis import format_table, run_of, summarize
from mpc_controller.bus.messages import EventKind, Mode
from mpc_controller.solvers.solution import Status
from tests.analysis.runs import LATENCY, START, TICK, event, flight, observation, plan
from tests.sim.sliders import slider, track_task


@pytest.fixture
def robot(tmp_path):
    return slider(tmp_path)


def summary_of(messages, robot, task=None):
    return summarize(run_of(messages, "run.mcap"), robot, task or track_task())


def test_the_rmse_of_a_sine_is_its_amplitude_over_root_two(robot):
    summary = summary_of(flight(lambda t: 0.3 * math.sin(2 * math.pi * 4 * t)), robot)
    assert summary["tracking_rmse"]["position_m"] == pytest.approx(0.3 / math.sqrt(2), rel=1e-3)
    assert summary["tracking_max"]["position_m"] == pytest.approx(0.3, rel=1e-2)
    assert summary["tracking_from"] == "truth"


def test_errors_before_the_task_has_settled_do_not_count(robot):
    summary = summary_of(flight(lambda t: 5.0 if t < 0.49 else 0.2), robot)
    assert summary["tracking_rmse"]["position_m"] == pytest.approx(0.2, rel=1e-9)
    assert summary["tracking_max"]["position_m"] == pytest.approx(0.2, rel=1e-9)


def test_the_truth_is_interpolated_to_the_start_of_each_plan(robot):
    task = replace(track_task(lambda x, r: {"ahead_m": x[0] - 0.5}), settle_s=0.4999)
    summary = summary_of(flight(lambda t: t), robot, task)
    assert summary["tracking_max"]["ahead_m"] == pytest.approx(1.49, abs=1e-9)


def test_signed_errors_count_by_their_size(robot):
    summary = summary_of(flight(lambda t: -0.4), robot, track_task(lambda x, r: {"side_m": x[0] - r[0]}))
    assert summary["tracking_max"] == {"side_m": pytest.approx(0.4)}


def test_without_truth_the_estimates_are_judged(robot):
    summary = summary_of(flight(lambda t: 0.5, truth=False), robot)
    assert summary["tracking_rmse"]["position_m"] == pytest.approx(1.5)
    assert summary["tracking_from"] == "estimate"


def test_times_are_percentiles_over_plans_and_ages_over_followed_observations(robot):
    messages = [observation(k, plan_age_ns=k * 1_000_000) for k in range(101)]
    messages += [plan(k, solve_time_ns=1000 * (k + 1)) for k in range(101)]
    summary = summary_of(messages, robot)
    assert summary["solve_time_us"] == {"p50": pytest.approx(51.0), "p99": pytest.approx(100.0), "max": pytest.approx(101.0)}
    assert summary["loop_time_us"]["p50"] == pytest.approx(102.0)
    assert summary["plan_age_ms"] == {"p50": pytest.approx(50.0), "p99": pytest.approx(99.0), "max": pytest.approx(100.0)}


def test_observations_without_a_plan_have_no_age(robot):
    messages = [replace(observation(0, plan_age_ns=10**9), plan_sequence=0), observation(1, plan_age_ns=10**6), plan(1)]
    assert summary_of(messages, robot)["plan_age_ms"]["max"] == pytest.approx(1.0)


def test_misses_and_failures_are_counted_with_plans_that_came_without_arrays(robot):
    empty = np.zeros(0)
    messages = [
        *flight(lambda t: 0.1, ticks=100),
        plan(101, status=Status.INFEASIBLE, reference=empty, estimate=empty),
        plan(102, status=Status.ITERATION_LIMIT),
        plan(103, status=Status.DEADLINE, solve_time_ns=2_000_000),
    ]
    summary = summary_of(messages, robot)
    assert (summary["plans"], summary["failed_solves"], summary["deadline_misses"]) == (23, 2, 1)


def test_a_plan_that_was_sent_twice_counts_once(robot):
    again = [m for m in flight(lambda t: 0.1, ticks=100) for _ in range(2)]
    assert summary_of(again, robot)["plans"] == 20


def test_mode_changes_come_with_time_and_reason(robot):
    messages = [observation(0, Mode.HOLD), *(observation(k) for k in (1, 2, 3)), observation(4, Mode.STALE_PLAN), plan(0)]
    messages.append(event(EventKind.MODE_CHANGE, 0, "HOLD -> NOMINAL: fresh plan", reason="fresh plan"))
    changes = summary_of(messages, robot)["mode_changes"]
    late = -LATENCY * 1e-9
    assert changes == [
        {"time_s": pytest.approx(late), "from": "HOLD", "to": "NOMINAL", "reason": "fresh plan"},
        {"time_s": pytest.approx(late + 3 * TICK * 1e-9), "from": "NOMINAL", "to": "STALE_PLAN", "reason": ""},
    ]


def test_safety_interventions_and_limited_ticks_are_the_plants_own_last_totals(robot):
    messages = [observation(0)]
    messages += [
        event(EventKind.SAFETY, 0, "slew", 1, safety_interventions="1", limited_ticks="2"),
        event(EventKind.SAFETY, 1, "slew", 9),
        event(EventKind.INFO, 600, "totals", safety_interventions="12", limited_ticks="31"),
        event(EventKind.MODE_CHANGE, 601, "HOLD"),
    ]
    summary = summary_of(messages, robot)
    assert (summary["safety_interventions"], summary["limited_ticks"]) == (12, 31)
    assert "31  ticks at the slew limit, into or out of a hold" in format_table(summary)


def test_safety_interventions_of_a_plant_without_totals_are_the_gates_last_count(robot):
    messages = [observation(0), event(EventKind.SAFETY, 0, "slew", 1), event(EventKind.SAFETY, 600, "range", 7)]
    assert summary_of(messages, robot)["safety_interventions"] == 7


def test_control_used_is_the_share_of_the_nearer_limit(robot):
    messages = [observation(0, control=np.array([-3.0, 2.0])), observation(1, control=np.array([1.0, -1.0]))]
    assert summary_of(messages, robot)["control_used"] == {"force_x": 0.75, "force_y": 0.25}


def test_constraint_excess_is_the_worst_step_over_a_path_constraint(robot):
    assert summary_of(flight(lambda t: 1.25), robot)["constraint_excess"] == {"rail": pytest.approx(0.25)}
    assert summary_of(flight(lambda t: -0.9), robot)["constraint_excess"] == {"rail": 0.0}


def test_the_table_tells_which_constraints_are_soft(robot):
    summary = summary_of(flight(lambda t: 1.25), robot)
    assert summary["soft_constraints"] == ["rail"]
    assert "over by 0.25 (soft)" in format_table(summary)
    assert "over by 0.25\n" in format_table(summary | {"soft_constraints": []})


def test_the_build_time_is_what_the_controller_told(robot):
    messages = [observation(0), event(EventKind.INFO, 0, "ready", build_s="2.5")]
    assert summary_of(messages, robot)["build_s"] == 2.5


def test_a_run_without_plans_has_a_summary_that_says_so(robot):
    summary = summary_of([observation(k) for k in range(10)], robot)
    assert summary["plans"] == 0
    assert summary["tracking_rmse"] == {}
    assert summary["solve_time_us"] is None
    assert "no plans" in format_table(summary)


def test_summaries_are_json_without_nan(robot):
    for messages in ([observation(0)], flight(lambda t: 0.1)):
        summary = summary_of(messages, robot)
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary
        assert {"robot", "task", "solver", "duration_s", "tracking_rmse", "build_s", "recording"} <= summary.keys()


def test_the_duration_is_from_the_first_to_the_last_observation(robot):
    assert summary_of([observation(0), observation(500)], robot)["duration_s"] == pytest.approx(1.0)


def test_a_run_of_another_robot_or_task_is_refused(robot):
    other = [replace(m, robot="arm") for m in [observation(0)]]
    with pytest.raises(ValueError, match=r"run\.mcap: a run of 'arm', not of 'slider'"):
        summary_of(other, robot)
    with pytest.raises(ValueError, match="a run of the task 'track', not of 'hover'"):
        summary_of(flight(lambda t: 0.0), robot, replace(track_task(), name="hover"))


def test_a_run_of_a_robot_with_other_controls_is_refused(robot):
    with pytest.raises(ValueError, match="3 controls; this 'slider' has 2"):
        summary_of([observation(0, control=np.zeros(3))], robot)


def test_a_recording_without_observations_is_no_run():
    with pytest.raises(ValueError, match=r"run\.mcap: no observation in 1 messages"):
        run_of([plan(0)], "run.mcap")


def test_messages_of_another_size_are_left_out(robot):
    odd = replace(observation(3), measured=np.zeros(7))
    run = run_of([observation(1), odd, observation(0)], "run.mcap")
    np.testing.assert_array_equal(run.observations.times, [START, START + TICK])


def test_the_table_shows_every_number_with_its_unit(robot):
    table = format_table(summary_of(flight(lambda t: 0.25), robot))
    lines = [line.split() for line in table.splitlines()]
    assert ["position", "25", "cm", "25", "cm"] in lines
    assert ["solve", "time", "100", "µs", "100", "µs", "100", "µs"] in lines
    assert ["force", "y", "50", "%", "used"] in lines
    assert ["rail", "kept"] in lines
    assert max(len(line) for line in table.splitlines()) <= 80
