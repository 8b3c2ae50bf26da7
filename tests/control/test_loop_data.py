"""Latency, pace and run-time parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.control.latency import LatencyEstimate
from mpc_controller.control.pace import Pace
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.model.parameters import ParameterError
from tests.control.machines import MS, observation, sled, task

ROBOT = sled()


def measured(estimate: LatencyEstimate, latencies_ms: list[int]) -> int:
    for k, latency in enumerate(latencies_ms):
        for _ in range(5):  # several observations tell of one plan
            estimate.observe(observation(ROBOT, k, [0.0], plan_epoch=1, plan_sequence=k + 2, latency_ns=latency * MS))
    return estimate.value_ns


def test_latency_is_the_ninetieth_percentile_of_the_plans():
    assert measured(LatencyEstimate(100 * MS, epoch=1), list(range(1, 11))) == 9 * MS


def test_rare_outliers_do_not_move_the_latency():
    assert measured(LatencyEstimate(100 * MS, epoch=1), [2] * 9 + [50] + [2] * 10) == 2 * MS


def test_latency_is_zero_before_a_plan_arrived_and_never_beyond_its_limit():
    estimate = LatencyEstimate(10 * MS, epoch=1)
    estimate.observe(observation(ROBOT, 0, [0.0]))
    assert estimate.value_ns == 0
    assert measured(estimate, [500]) == 10 * MS


@pytest.mark.parametrize("plan", [(1, 0), (1, 1), (7, 5)], ids=["holding", "first plan", "another controller"])
def test_neither_a_holding_plant_nor_the_first_plan_nor_another_controller_tells_the_latency(plan: tuple[int, int]):
    estimate = LatencyEstimate(10 * MS, epoch=1)
    estimate.observe(observation(ROBOT, 0, [0.0], plan_epoch=plan[0], plan_sequence=plan[1], latency_ns=3 * MS))
    assert estimate.value_ns == 0


def test_plans_are_due_once_a_period_without_slipping():
    pace = Pace(10 * MS, 2 * MS)
    due = []
    for k in range(26):
        jitter = (-1) ** k * MS // 4
        if pace.is_due(2 * MS * k + jitter):
            pace.planned(2 * MS * k + jitter)
            due.append(k)
    assert due == [0, 5, 10, 15, 20, 25]


def test_lost_observations_put_off_the_plans_that_they_were_due_for_and_not_the_next_ones():
    pace = Pace(10 * MS, 2 * MS)
    due = []
    for k in (k for k in range(51) if k not in (10, 11, 20, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35)):
        if pace.is_due(2 * MS * k):
            pace.planned(2 * MS * k)
            due.append(k)
    assert due == [0, 5, 12, 15, 21, 25, 36, 41, 46]


def parameters() -> RuntimeParameters:
    return RuntimeParameters(ROBOT, task().problem)


def test_an_update_reaches_the_model_and_the_problem():
    values = parameters()
    values.update({"mass": 3.0, "weight.effort[0]": 0.5})
    p = values.with_disturbance(np.array([0.25]))
    names = task().problem.parameters.names
    assert [p[names.index(n)] for n in ("mass", "weight.effort[0]", "disturbance.q_dot")] == [3.0, 0.5, 0.25]
    assert values.model[0] == 3.0


def test_values_of_the_robot_replace_those_that_the_problem_was_built_with():
    table = tuple(replace(q, value=5.0) if q.name == "mass" else q for q in ROBOT.dynamics.parameters)
    robot = sled()
    robot.dynamics.parameters = replace(robot.dynamics.parameters, table=table)
    assert RuntimeParameters(robot, task().problem).with_disturbance(np.zeros(1))[0] == 5.0


def test_changes_add_up():
    values = parameters()
    values.update({"mass": 3.0, "weight.effort[0]": 0.5})
    values.update({"mass": 4.0})
    assert values.changes == {"mass": 4.0, "weight.effort[0]": 0.5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mass": 3.0, "mas": 1.0}, "no parameter 'mas'"),
        ({"mass": 99.0}, "must be in"),
        ({"mass": float("nan")}, "finite"),
        ({"weight.effort[0]": -1.0}, "must be in"),
        ({"lower.control[0]": 30.0}, "reversed"),
        ({"disturbance.q_dot": 1.0}, "estimated"),
    ],
)
def test_a_wrong_update_changes_nothing_and_says_why(changes: dict[str, float], message: str):
    values = parameters()
    before = values.with_disturbance(np.zeros(1))
    with pytest.raises(ParameterError, match=message):
        values.update(changes)
    np.testing.assert_array_equal(values.with_disturbance(np.zeros(1)), before)
    assert values.model[0] == 2.0
    assert values.changes == {}
