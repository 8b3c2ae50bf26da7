"""Trajectories in time: interpolation, and warm starts that are shifted by time on grids of any spacing."""

from __future__ import annotations

import numpy as np

from mpc_controller.model.manifold import Euclidean, Manifold
from mpc_controller.solvers.trajectory import Trajectory

TIMES = np.array([0, 10, 20, 40, 80], dtype=np.int64) * 1_000_000


def _ramp() -> Trajectory:
    """q = t, u_k = k."""
    return Trajectory(Euclidean(1), TIMES, TIMES[:, None] * 1e-9, np.arange(4.0)[:, None])


def test_states_are_interpolated_and_controls_are_held():
    state, control = _ramp().at(30_000_000)
    np.testing.assert_allclose(state, [0.030])
    np.testing.assert_array_equal(control, [2.0])


def test_outside_its_times_a_trajectory_is_held():
    np.testing.assert_allclose(_ramp().at(-5)[0], [0.0])
    np.testing.assert_allclose(_ramp().at(90_000_000)[0], [0.080])
    np.testing.assert_array_equal(_ramp().at(90_000_000)[1], [3.0])


def test_a_shift_by_time_keeps_the_motion_on_an_uneven_grid():
    shifted = _ramp().shifted(5_000_000)
    np.testing.assert_array_equal(shifted.times, TIMES + 5_000_000)
    np.testing.assert_allclose(shifted.states[:, 0], np.minimum(shifted.times * 1e-9, 0.080))
    np.testing.assert_array_equal(shifted.controls[:, 0], [0, 1, 2, 3])


def test_a_shift_by_nothing_changes_nothing():
    shifted = _ramp().shifted(0)
    np.testing.assert_array_equal(shifted.states, _ramp().states)
    np.testing.assert_array_equal(shifted.controls, _ramp().controls)


def test_shifted_attitudes_are_on_the_way_between_their_neighbours_whatever_their_sign():
    manifold = Manifold(4, (0,))
    q0 = np.array([1.0, 0.0, 0.0, 0.0])
    q1 = manifold.retract(q0, np.array([0.2, 0.0, 0.0]))
    times = np.array([0, 10_000_000], dtype=np.int64)
    for sign in (1.0, -1.0):
        motion = Trajectory(manifold, times, np.stack([q0, sign * q1]), np.zeros((1, 1)))
        middle = motion.shifted(5_000_000).states[0]
        np.testing.assert_allclose(manifold.difference(middle, q0), [0.1, 0.0, 0.0], atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(middle), 1.0)
