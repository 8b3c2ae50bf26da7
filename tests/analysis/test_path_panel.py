"""Which path of a run is shown, and from where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.analysis.path_panel import FlownPath, path_of
from mpc_controller.analysis.tracking import Tracking
from mpc_controller.arrays import Array
from robots.car import robot as car
from tests.sim.sliders import slider, track_task

ANGLES = np.linspace(0, 2 * np.pi, 50)


def tracked(states: Array, wanted: Array) -> Tracking:
    return Tracking(np.arange(len(states), dtype=float), states, wanted, {}, True)


def test_states_named_x_and_y_are_a_path_against_the_references_of_the_same_names(tmp_path):
    states, wanted = np.random.default_rng(0).normal(size=(2, 50, 4))
    path = path_of(tracked(states, wanted[:, :2]), slider(tmp_path), track_task())
    np.testing.assert_array_equal(path.flown, states[:, :2])
    np.testing.assert_array_equal(path.wanted, wanted[:, :2])
    assert path.plane == (0, 1)
    assert path.depth is None


def test_where_nothing_is_wanted_of_a_coordinate_the_flown_one_stands():
    robot = car()
    states = np.random.default_rng(0).normal(size=(50, 7))
    path = path_of(tracked(states, np.zeros((50, 2))), robot, robot.tasks["lane-keep"]())
    np.testing.assert_array_equal(path.wanted, np.column_stack([states[:, 0], np.zeros(50)]))


def test_a_tasks_own_position_is_shown_in_the_plane_in_which_it_should_move(tmp_path):
    """A circle in y and z that should begin after a long way along x, which does not count before it has settled."""
    task = replace(track_task(), position=lambda x: x[:3], settle_s=10.0)
    wanted = np.column_stack([np.maximum(10.0 - np.arange(50), 0.0), np.cos(ANGLES), np.sin(ANGLES)])
    path = path_of(tracked(np.zeros((50, 4)), wanted), slider(tmp_path), task)
    assert path.plane == (1, 2)
    assert path.depth == 0


def test_without_plans_there_is_no_path(tmp_path):
    assert path_of(tracked(np.zeros((0, 4)), np.zeros((0, 2))), slider(tmp_path), track_task()) is None


@pytest.mark.parametrize(("height", "is_long"), [(1.0, True), (5.0, False)])
def test_a_path_more_than_four_times_as_long_as_wide_is_long(height, is_long):
    flown = np.array([[0.0, 0.0], [10.0, height]])
    assert FlownPath(flown, flown).is_long is is_long
