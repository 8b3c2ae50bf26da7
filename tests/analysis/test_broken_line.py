"""Where a line over time breaks."""

from __future__ import annotations

import numpy as np

from mpc_controller.analysis.broken_line import broken_line


def test_a_line_breaks_across_a_gap_in_time_and_not_across_a_late_sample():
    times = np.array([0.0, 1.0, 2.0, 5.0, 6.0, 16.0, 17.0])
    broken, values = broken_line(times, np.column_stack([times, -times]))
    np.testing.assert_array_equal(broken, [0, 1, 2, 5, 6, np.nan, 16, 17])
    np.testing.assert_array_equal(values, np.column_stack([broken, -broken]))


def test_an_angle_that_wraps_breaks_and_a_length_that_jumps_does_not():
    times, values = np.arange(4.0), np.array([3.0, 3.1, -3.1, -3.0])
    np.testing.assert_array_equal(broken_line(times, values, np.pi)[1], [3.0, 3.1, np.nan, -3.1, -3.0])
    np.testing.assert_array_equal(broken_line(times, values)[1], values)


def test_lines_too_short_to_have_a_spacing_stay_whole():
    for k in range(3):
        np.testing.assert_array_equal(broken_line(np.arange(float(k)), np.zeros(k))[1], np.zeros(k))
