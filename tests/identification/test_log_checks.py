"""Every kind of bad input is refused, or left out and counted, by file, signal and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.log_files import check_log, read_logs
from mpc_controller.identification.log_files.noise import noise_of
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from tests.identification.log_structures import cart, flyer, swing
from tests.identification.log_writing import CART, cart_columns, mapping_of, write_csv


def cart_log(change: Callable[[dict[str, Array]], None] = lambda c: None, structure: ModelStructure | None = None) -> Log:
    c = cart_columns()
    change(c)
    names = (structure or cart()).measured
    return whole("run.csv", c["t"], np.stack([c[n[0].replace("p", "x")] for n in names], axis=1), c["f"][:, None])


def refusal(log: Log, structure: ModelStructure | None = None) -> str:
    with pytest.raises(IdentificationError) as caught:
        check_log(log, structure or cart())
    return str(caught.value)


def test_a_good_log_stays_as_it_is() -> None:
    log = cart_log()
    checked = check_log(log, cart())
    np.testing.assert_array_equal(checked.measured, log.measured)
    assert checked.pieces == log.pieces
    assert checked.notes == ()


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (100, 0.5, "run.csv: time runs backwards at row 100: from 0.99 s to 0.5 s after the start"),
        (
            slice(100, 130),
            1.0,
            "run.csv: 29 of 400 time stamps repeat the one before, first at 1 s; times must rise from row to row",
        ),
        (slice(1, None), np.nan, "run.csv: 1 rows with a time; a log needs at least 2"),
    ],
)
def test_a_time_base_that_is_none_is_refused(tmp_path: Path, row: int | slice, value: float, message: str) -> None:
    c = cart_columns()
    c["t"][row] = value
    path = write_csv(tmp_path / "run.csv", c)
    with pytest.raises(IdentificationError) as caught:
        read_logs(path, cart(), mapping_of(tmp_path, CART, cart()))
    assert str(caught.value) == message


def test_single_rows_that_repeat_a_time_or_have_none_are_left_out(tmp_path: Path) -> None:
    c = cart_columns()
    c["t"][200] = c["t"][199]
    c["t"][300] = np.nan
    (log,) = read_logs(write_csv(tmp_path / "run.csv", c), cart(), mapping_of(tmp_path, CART, cart()))
    assert len(log.times) == 398
    assert log.notes == ("1 rows without a time left out", "1 rows that repeat the time before left out, first at 1.99 s")


def test_a_signal_without_a_value_is_refused_unless_it_is_said_to_be_absent() -> None:
    log = cart_log(lambda c: c["v"].fill(np.nan))
    assert refusal(log) == "run.csv: 'velocity' has no value at all; name it in 'absent' if it was not measured"
    assert check_log(log, cart(), absent=("velocity",)).notes == ()


def test_values_that_are_not_there_are_counted_and_controls_that_are_not_cut(tmp_path: Path) -> None:
    c = cart_columns()
    c["x"][50:55] = np.nan
    c["v"][60] = np.inf
    c["f"][200:203] = np.nan
    (log,) = read_logs(write_csv(tmp_path / "run.csv", c), cart(), mapping_of(tmp_path, CART, cart()))
    assert log.notes == (
        "3 samples without a control left out, first at 2.000 s",
        "5 samples of 'position' are NaN and left out, first at 0.500 s",
        "1 samples of 'velocity' are NaN and left out, first at 0.600 s",
    )
    assert log.pieces == ((0, 200), (203, 400))
    assert np.isnan(log.measured).sum() == 6


def test_a_signal_in_another_unit_is_told_by_its_rate() -> None:
    def degrees(log: Log) -> Log:
        return replace(log, measured=np.degrees(log.measured) * [1, np.pi / 180])

    t = np.arange(400) / 100
    log = whole("swing.csv", t, np.stack([np.sin(6 * t), 6 * np.cos(6 * t)], axis=1), np.zeros((400, 0)))
    assert refusal(degrees(log), swing()).startswith("swing.csv: 'angle' moves 57")
    assert refusal(degrees(log), swing()).endswith("its measured rate says: is it in degrees?")
    assert refusal(cart_log(lambda c: np.multiply(c["x"], 1000, out=c["x"]))) == (
        "run.csv: 'position' moves 1000 times as far as its measured rate says: is it in thousandths?"
    )
    assert "'position' moves against its measured rate (correlation -1.00)" in refusal(
        cart_log(lambda c: np.negative(c["v"], out=c["v"]))
    )


def test_values_beyond_what_a_unit_allows_are_refused_or_left_out() -> None:
    message = refusal(cart_log(lambda c: np.multiply(c["x"], 1e6, out=c["x"])))
    assert message.startswith(
        "run.csv: 'position' is 6.279e+04 m at 0.010 s; it must be within ±10000 m; was it recorded in mm?"
    )
    checked = check_log(cart_log(lambda c: c["x"].__setitem__(50, 1e38)), cart())
    assert checked.notes == ("1 values of 'position' beyond what its unit allows left out, first at 0.500 s",)
    checked = check_log(cart_log(lambda c: c["f"].__setitem__(50, 1e9)), cart())
    assert checked.notes == ("1 samples with controls that cannot be left out, first at 0.500 s",)
    assert checked.pieces == ((0, 50), (51, 400))
    assert "'force' is" in refusal(cart_log(lambda c: np.multiply(c["f"], 1e6, out=c["f"])))


def test_a_constant_signal_is_refused_when_its_rate_or_nothing_moves() -> None:
    assert refusal(cart_log(lambda c: c["x"].fill(1.0))) == (
        "run.csv: 'position' holds its value in 100 % of the samples, first at 0.010 s, "
        "while its measured rate says that it moves"
    )
    assert refusal(cart_log(lambda c: [c["x"].fill(1.0), c["v"].fill(0.0)])) == (  # type: ignore[func-returns-value]
        "run.csv: no excitation: all measured signals are constant"
    )
    only = cart(("position",))
    assert (
        refusal(cart_log(lambda c: c["x"].fill(1.0), only), only) == "run.csv: no excitation: all measured signals are constant"
    )


def test_motion_within_the_noise_is_no_excitation() -> None:
    rng = np.random.default_rng(0)
    log = cart_log(lambda c: [c.update(x=5e-4 * rng.standard_normal(400), v=5e-4 * rng.standard_normal(400))])  # type: ignore[func-returns-value]
    assert "run.csv: no excitation: nothing moves by more than its noise; " in refusal(log)


def test_the_noise_of_a_signal_is_found_beside_its_motion() -> None:
    structure = replace(cart(), measurement_std=np.array([1.0, 1.0]))
    rng = np.random.default_rng(0)
    log = cart_log(lambda c: c.update(x=c["x"] + 0.01 * rng.standard_normal(400), v=np.round(c["v"] / 10, 2)))
    position, velocity = (noise_of(log, structure, signal) for signal in structure.signals)
    assert position == pytest.approx(0.01, rel=0.2)
    assert velocity == pytest.approx(0.01, rel=0.01)  # the resolution
    assert noise_of(log, cart(), cart().signals[0]) == 1e-3  # what the model says


def test_a_control_that_never_changes_is_noted() -> None:
    notes = check_log(cart_log(lambda c: c["f"].fill(2.0)), cart()).notes
    assert notes == ("'force' is 2 throughout; what it does cannot be told from an offset",)


def test_a_sensor_at_the_end_of_its_range_is_left_out_or_refused() -> None:
    only = cart(("position",))
    log = cart_log(lambda c: np.clip(c["x"], -0.9, 2.0, out=c["x"]), only)
    assert check_log(log, only).notes == ()  # for a moment, as a machine at its stop
    log = cart_log(lambda c: np.clip(c["x"], -0.6, 2.0, out=c["x"]), only)
    (note,) = check_log(log, only).notes
    assert note == "116 samples of 'position' at its extreme -0.6 (saturated?) left out, first at 0.610 s"
    log = cart_log(lambda c: np.clip(c["x"], 0.5, 2.0, out=c["x"]), only)
    assert refusal(log, only).startswith("run.csv: 'position' is saturated: 67 % of its samples are 0.5, first at ")


def test_a_control_at_its_limit_is_noted_but_used() -> None:
    log = cart_log(lambda c: np.clip(c["f"], -40, -20, out=c["f"]))
    (note,) = check_log(log, cart()).notes
    assert note.startswith("'force' is at its extreme -20 in 6")
    assert check_log(log, cart()).pieces == log.pieces


def test_outliers_are_left_out_and_what_leaps_for_good_starts_a_piece() -> None:
    def change(c: dict[str, Array]) -> None:
        c["x"][80] += 50
        c["x"][300:] += 20

    checked = check_log(cart_log(change), cart())
    assert checked.notes == (
        "1 outliers of 'position' left out, first at 0.800 s",
        "'position' leaps for good 1 times, first at 3.000 s; new pieces start there",
    )
    assert checked.pieces == ((0, 300), (300, 400))
    assert np.flatnonzero(np.isnan(checked.measured[:, 0])).tolist() == [80]


def test_noise_that_leaps_all_the_time_is_refused() -> None:
    def change(c: dict[str, Array]) -> None:
        c["x"][[20, 120, 220, 320]] += [50, -50, 50, 50]

    message = refusal(cart_log(change))
    assert message.startswith("run.csv: 'position' leaps 8 times, first at 0.200 s by ")
    assert message.endswith(" m; that is no motion")


def test_a_tracker_that_holds_its_last_value_is_left_out() -> None:
    def change(c: dict[str, Array]) -> None:
        c["x"][100:130] = c["x"][99]

    checked = check_log(cart_log(change), cart())
    assert checked.notes == (
        "30 samples in which 'position' held its last value while its rate moved on left out, first at 1.000 s",
    )


def test_an_angle_that_wraps_is_made_continuous() -> None:
    t = np.arange(400) / 100
    angle = 5 * t + np.sin(6 * t)
    rate = 5 + 6 * np.cos(6 * t)
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    checked = check_log(whole("turn.csv", t, np.stack([wrapped, rate], axis=1), np.zeros((400, 0))), swing())
    np.testing.assert_allclose(checked.measured[:, 0], angle, atol=1e-12)
    assert checked.notes == ("'angle' wraps 3 times by a whole turn, first at 0.830 s; made continuous",)


def _flight(scale: float = 1.0) -> Log:
    t = np.arange(400) / 100
    measured = np.zeros((400, 13))
    measured[:, 0], measured[:, 7] = np.sin(3 * t), 3 * np.cos(3 * t)
    measured[:, 3], measured[:, 4] = np.cos(np.sin(3 * t) / 2), np.sin(np.sin(3 * t) / 2)
    measured[:, 3:7] *= scale
    measured[:, 10] = 3 * np.cos(3 * t)
    return whole("flight.csv", t, measured, np.ones((400, 5)))


def test_quaternions_are_normalised_and_flips_are_harmless() -> None:
    log = _flight(1.003)
    log.measured[::7, 3:7] *= -1
    checked = check_log(log, flyer())
    np.testing.assert_allclose(checked.measured, _flight().measured, atol=1e-12)


def test_what_is_no_unit_quaternion_is_refused_or_left_out() -> None:
    message = "flight.csv: 'quaternion' has length 2 at 0.000 s; a quaternion of an attitude has 1"
    assert refusal(_flight(2.0), flyer()) == message
    log = _flight()
    log.measured[30:33, 3:7] = 0.0
    checked = check_log(log, flyer())
    assert checked.notes[0] == "3 samples of 'quaternion' are no unit quaternion and left out, first at 0.300 s"
    assert np.isnan(checked.measured[30:33, 3:7]).all()


def test_logs_too_short_or_too_coarse_are_refused_with_what_is_needed() -> None:
    assert refusal(cart_log(), cart(horizon_s=3.0)) == "run.csv: 3.99 s of 3.99 s can be used; a log needs two horizons, 6 s"
    assert refusal(cart_log(), cart(horizon_s=0.03)) == (
        "run.csv: 100 samples a second; a horizon of 0.03 s needs at least 4, 133 Hz"
    )


def test_short_pieces_are_left_out_and_counted() -> None:
    log = replace(cart_log(), pieces=((0, 5), (10, 300), (310, 318)))
    checked = check_log(log, cart())
    assert checked.pieces == ((10, 300),)
    assert checked.notes == ("2 pieces shorter than 0.125 s (13 samples) left out, first at 0.000 s",)


def test_a_log_of_another_model_is_refused_with_both_sizes() -> None:
    assert refusal(cart_log(), swing()) == "run.csv: 2 measured states and 1 controls; swing has 2 and 0"
