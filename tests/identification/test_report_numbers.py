"""The numbers of a report against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc_controller.identification.fit import Estimated, Standing
from mpc_controller.identification.report.autocorrelation import autocorrelation, white_noise_band
from mpc_controller.identification.report.digits import UNKNOWN, short, shown, shown_change, shown_estimate
from mpc_controller.identification.report.horizon_error import cumulated_error, log_errors, mean_errors
from mpc_controller.identification.report.lines import components, shown_line, thinned
from mpc_controller.identification.report.time_panels import worst_stretch
from tests.identification.report_examples import decays_example, flown_log, quadrotor_example

NAN = float("nan")


def estimate(value, half_width, nominal=1.0):
    return shown_estimate(Estimated("a", "m", nominal, value, half_width, Standing.IDENTIFIED))


def first_order(pole, n, seed=0):
    noise = np.random.default_rng(seed).normal(size=n)
    result = np.zeros(n)
    for k in range(1, n):
        result[k] = pole * result[k - 1] + noise[k]
    return result


@pytest.mark.parametrize("pole", [0.9, 0.5, -0.6])
def test_a_first_order_process_forgets_with_the_power_of_its_pole(pole):
    np.testing.assert_allclose(autocorrelation(first_order(pole, 200_000), 12), pole ** np.arange(13), atol=0.02)


def test_the_autocorrelation_is_that_of_the_sums_it_stands_for():
    e = np.random.default_rng(1).normal(size=37).cumsum()
    d = e - e.mean()
    expected = [np.mean(d[: 37 - k] * d[k:]) / np.mean(d**2) for k in range(10)]
    np.testing.assert_allclose(autocorrelation(e, 9), expected, atol=1e-12)


def test_missing_samples_leave_the_autocorrelation_where_it_was():
    values = first_order(0.8, 200_000)
    values[np.random.default_rng(2).random(len(values)) < 0.4] = np.nan
    np.testing.assert_allclose(autocorrelation(values, 8), 0.8 ** np.arange(9), atol=0.03)


def test_white_noise_leaves_its_band_in_one_of_twenty_lags():
    r = autocorrelation(np.random.default_rng(3).normal(size=20_000), 2000)[1:]
    assert np.mean(np.abs(r) > white_noise_band(20_000)) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("values", [np.full(20, NAN), np.zeros(20), np.zeros(0)], ids=["missing", "constant", "empty"])
def test_what_does_not_vary_has_no_autocorrelation(values):
    assert np.isnan(autocorrelation(values, 5)).all()


def test_errors_that_grow_linearly_cumulate_to_the_triangle_number():
    h = np.arange(1, 51)
    np.testing.assert_allclose(cumulated_error(np.stack([0.1 * h, 2.0 * np.ones(50)], axis=1)), [0.1 * 50 * 51 / 2, 100.0])


def test_errors_are_paired_by_log_and_role():
    identification, _ = quadrotor_example(seconds=4.0)
    for errors, before, after in zip(
        log_errors(identification), identification.nominal_predictions, identification.predictions, strict=True
    ):
        assert (errors.title, errors.role, errors.steps) == (after.log, after.role, len(after.error))
        position = errors.changes[0]
        assert (position.nominal_end, position.fitted_end) == (before.error[-1, 0], after.error[-1, 0])
        assert position.fitted_cumulated == pytest.approx(after.error[:, 0].sum())


def test_means_over_logs_are_of_one_role():
    identification, _ = decays_example(states=2, fitted=3, validation=1, seconds=2.0)
    fitted = mean_errors(identification, "fitted")
    assert fitted is not None
    assert fitted.changes[1].fitted_end == pytest.approx(np.mean([p.error[-1, 1] for p in identification.predictions[:3]]))
    assert mean_errors(decays_example(seconds=2.0)[0], "validation") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0"), (0.0284123, "0.0284"), (95.114, "95.1"), (9.9996, "10.0"), (54321.4, "54321"), (-0.0012345, "-0.00123")),
        *((1.66e-5, "1.66e-05"), (4.9e-4, "4.90e-04"), (123456.0, "1.23e+05"), (NAN, UNKNOWN), (float("inf"), UNKNOWN)),
    ],
)
def test_a_number_has_three_digits_and_an_exponent_only_where_it_helps(value, text):
    assert shown(value) == text


def test_short_numbers_have_no_zeros_at_the_end():
    assert [short(v) for v in (0.027, 10.0, 1.6e-5, 100.0, 0.0)] == ["0.027", "10", "1.6e-05", "100", "0"]


def test_the_interval_decides_the_digits_of_the_estimate():
    assert estimate(0.0284123, 0.000312).estimate == "0.02841"
    assert estimate(0.0284123, 0.000312).interval == "[0.02810, 0.02872]"
    assert estimate(95.1134, 2.96).estimate == "95.1"
    assert estimate(12345.0, 210.0).interval == "[12140, 12560]"


def test_the_ends_of_an_interval_share_the_exponent_of_the_larger():
    row = estimate(1.0e-5, 4.6e-7, nominal=1.66e-5)
    assert (row.nominal, row.estimate, row.interval) == ("1.66e-05", "1.000e-05", "[0.954e-05, 1.046e-05]")


def test_an_estimate_far_smaller_than_its_interval_is_still_a_number():
    row = estimate(1.66e-5, 4.0)
    assert (row.estimate, row.interval) == ("1.7e-05", "[-4.0, 4.0]")


@pytest.mark.parametrize("half_width", [NAN, float("inf"), 0.0, -1.0])
def test_without_an_interval_the_estimate_has_four_digits(half_width):
    assert (estimate(0.028412, half_width).estimate, estimate(0.028412, half_width).interval) == ("0.02841", UNKNOWN)


@given(
    value=st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12),
    relative=st.floats(1e-6, 1e3),
)
def test_a_shown_interval_is_within_a_tenth_of_its_half_width_of_the_true_one(value, relative):
    half_width = abs(value) * relative
    row = estimate(value, half_width)
    for text, exact in ((row.low, value - half_width), (row.high, value + half_width)):
        assert abs(float(text) - exact) <= 0.0501 * half_width + 1e-7 * abs(exact)
    assert abs(float(row.estimate) - value) <= 0.0501 * max(half_width, abs(value))
    assert len(row.estimate) <= 14


def test_changes_are_percent_or_factors():
    assert [
        shown_change(*pair)
        for pair in ((1.0, 1.052), (4.0, 1.0), (1.0, 250.0), (0.0, 1.0), (-1.0, -1.1), (NAN, 1.0), (3.0, 0.03))
    ] == [
        *("+5.2 %", "-75 %", "×250", "", "-10 %", "", "÷100"),
    ]


def test_thinning_keeps_every_extreme_and_every_break():
    t = np.linspace(0, 10, 100_000)
    v = np.sin(40 * t)
    v[[31_234, 71_111]] = 7.0, -7.0
    v[50_000:50_010] = np.nan
    times, values = thinned(t, v, 400)
    assert len(times) <= 620
    assert (np.nanmax(values), np.nanmin(values)) == (7.0, -7.0)
    assert np.isnan(values).any()
    assert (np.diff(times) > 0).all()
    assert thinned(t[:300], v[:300], 400)[0] is not None


def test_a_line_breaks_where_a_window_starts_and_joins_a_slow_sensor():
    t = np.arange(100) * 0.01
    v = np.where(np.arange(100) % 5 == 0, 1.0, np.nan)
    times, values = shown_line(t, v, 600, starts=(50,))
    assert np.isnan(values).sum() == 1
    assert np.isfinite(values).sum() == 20
    assert times[np.flatnonzero(np.isnan(values))[0] + 1] == pytest.approx(0.5)


def test_an_attitude_is_shown_as_the_angles_that_made_it():
    identification, _ = quadrotor_example(seconds=4.0)
    structure = identification.fit.structure
    attitude = next(s for s in structure.signals if s.unit == "rad")
    rows = np.zeros((1, len(structure.measured)))
    roll, pitch, yaw = 0.3, -0.5, 2.0
    c, s = np.cos(np.array([roll, pitch, yaw]) / 2), np.sin(np.array([roll, pitch, yaw]) / 2)
    rows[0, list(attitude.columns)] = (
        c[0] * c[1] * c[2] + s[0] * s[1] * s[2],
        s[0] * c[1] * c[2] - c[0] * s[1] * s[2],
        c[0] * s[1] * c[2] + s[0] * c[1] * s[2],
        c[0] * c[1] * s[2] - s[0] * s[1] * c[2],
    )
    names, angles = components(structure, attitude, rows)
    assert names == ("roll", "pitch", "yaw")
    np.testing.assert_allclose(angles[0], [roll, pitch, yaw], atol=1e-12)


def test_the_made_up_logs_are_logs_with_unit_quaternions():
    identification, logs = quadrotor_example(seconds=4.0)
    attitude = next(s for s in identification.fit.structure.signals if s.unit == "rad")
    np.testing.assert_allclose(np.linalg.norm(logs[0].measured[:, list(attitude.columns)], axis=1), 1.0)
    assert flown_log(identification.fit.structure, "again", 4.0, 0).name == "again"


def test_the_stretch_that_is_enlarged_is_the_one_with_the_largest_residuals():
    identification, _ = quadrotor_example()
    fit, prediction = identification.fit, identification.predictions[0]
    residuals = prediction.residuals.copy()
    residuals[1720:1740, 4] *= 30.0
    begin, end = worst_stretch(replace(prediction, residuals=residuals), fit.structure, fit.signal_std)
    assert begin <= 17.2
    assert end >= 17.4
    assert end - begin == pytest.approx(6 * fit.structure.horizon_s)
    assert begin in prediction.times[list(prediction.window_starts)]
