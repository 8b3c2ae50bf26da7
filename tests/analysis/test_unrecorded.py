"""A run that nobody recorded has the same summary, as far as its nodes can tell."""

from __future__ import annotations

from mpc_controller.analysis import format_table, run_of, summarize
from mpc_controller.analysis.unrecorded import summarize_nodes
from tests.analysis.runs import flight
from tests.sim.sliders import slider, track_task

SPREAD = {"p50": 1.0, "p99": 2.0, "max": 3.0}
CHANGE = {"time_s": 0.01, "from": "HOLD", "to": "NOMINAL", "reason": "fresh plan"}
CONTROL = {
    "plans": 7,
    "failed_solves": 1,
    "deadline_misses": 2,
    "solve_time_us": SPREAD,
    "loop_time_us": SPREAD,
    "tracking_rmse": {"position_m": 0.1},
    "tracking_max": {"position_m": 0.3},
    "build_s": 0.5,
}
PLANT = {
    "duration_s": 1.5,
    "plan_age_ms": SPREAD,
    "mode_changes": [CHANGE],
    "limited_ticks": 4,
    "safety_interventions": 5,
    "mode_s": {"NOMINAL": 1.2, "HOLD": 0.3},
}


def test_it_has_the_keys_of_a_recorded_run(tmp_path):
    recorded = summarize(run_of(flight(lambda t: 0.1), "run.mcap"), slider(tmp_path), track_task())
    for control, plant in ((CONTROL, PLANT), ({}, PLANT), (CONTROL, {}), ({}, {})):
        assert list(summarize_nodes("slider", "track", "multiple-shooting", control, plant)) == list(recorded)


def test_it_tells_what_the_nodes_counted():
    summary = summarize_nodes("slider", "track", "multiple-shooting", CONTROL, PLANT)
    assert summary.items() >= (CONTROL | PLANT).items()
    assert summary["tracking_from"] == "estimate"
    table = format_table(summary)
    assert "HOLD → NOMINAL  (fresh plan)" in table
    assert "limits" not in table
    assert "fresh plan followed            1.20 s      80.00 %" in table


def test_nodes_that_planned_nothing_have_no_times():
    nothing = {"p50": 0.0, "p99": 0.0, "max": 0.0}
    control = CONTROL | {"plans": 0, "solve_time_us": nothing, "loop_time_us": nothing, "tracking_rmse": {}, "tracking_max": {}}
    summary = summarize_nodes("slider", "track", "", control, PLANT | {"plan_age_ms": nothing})
    assert summary["solve_time_us"] is summary["loop_time_us"] is summary["plan_age_ms"] is summary["tracking_from"] is None
    assert "no plans" in format_table(summary)
