"""CSV, NPZ and MAT files come in as the model's signals, whatever their layout; broken ones are refused by name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from mpc_controller.identification.log_files import Keep, parse_condition, read_logs
from mpc_controller.identification.model_structure import IdentificationError
from tests.identification.log_structures import cart, flyer, swing
from tests.identification.log_writing import CART, cart_columns, mapping_of, write_csv


@pytest.mark.parametrize(("name", "delimiter"), [("run.csv", ","), ("run.csv.gz", ","), ("run.csv", ";"), ("run.txt", "\t")])
def test_csv_comes_in_to_the_last_bit(tmp_path: Path, name: str, delimiter: str) -> None:
    columns = cart_columns()
    path = write_csv(tmp_path / name, {"remark": np.array(["a"] * 400), **columns}, delimiter)
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, CART, cart()))
    np.testing.assert_array_equal(log.times, columns["t"])
    np.testing.assert_array_equal(log.measured, np.stack([columns["x"], columns["v"]], axis=1))
    np.testing.assert_array_equal(log.controls, columns["f"][:, None])
    assert log.pieces == ((0, 400),)
    assert log.notes == ()
    assert (log.path, log.name) == (path, name)
    assert log.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_units_signs_scales_and_offsets_are_applied(tmp_path: Path) -> None:
    c = cart_columns()
    stamps = np.array([1_700_000_000_000_000_000 + round(t * 1e9) for t in c["t"]])
    path = write_csv(
        tmp_path / "run.csv",
        {"t": stamps, "x": -1000 * c["x"] + 30, "v": 100 * c["v"], "f": c["f"] / 7, "gain": np.full(400, 7.0)},
    )
    text = """
    [time]
    column = "t"
    unit = "ns"
    [measured]
    position = { column = "x", unit = "mm", sign = -1, offset = 30 }
    velocity = { column = "v", unit = "cm/s" }
    [controls]
    force = { column = "f", unit = "N", scale_by = "gain" }
    """
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, text, cart()))
    np.testing.assert_allclose(log.times, c["t"], atol=1e-12)
    np.testing.assert_allclose(log.measured, np.stack([c["x"], c["v"]], axis=1), atol=1e-12)
    np.testing.assert_allclose(log.controls[:, 0], c["f"], atol=1e-12)


def test_a_command_that_acted_before_its_row_moves_to_the_row_before(tmp_path: Path) -> None:
    c = cart_columns()
    path = write_csv(tmp_path / "run.csv", c)
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, 'control_applied = "before"\n' + CART, cart()))
    np.testing.assert_array_equal(log.controls[:-1, 0], c["f"][1:])


def test_irregular_times_stay_as_they_are_and_long_steps_are_gaps(tmp_path: Path) -> None:
    c = cart_columns(8.0)
    rng = np.random.default_rng(1)
    rows = np.sort(rng.choice(800, 700, replace=False))
    rows = rows[(rows < 300) | (rows > 360)]
    path = write_csv(tmp_path / "run.csv", {k: v[rows] for k, v in c.items()})
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, "gap_s = 0.2\n" + CART, cart()))
    at = int(np.searchsorted(rows, 330))
    np.testing.assert_array_equal(log.times, c["t"][rows] - c["t"][rows[0]])
    assert log.pieces == ((0, at), (at, len(rows)))
    assert "1 gaps of more than 0.2 s, the first of 0.6" in log.notes[0]


def test_npz_matrices_lie_along_rows_or_columns(tmp_path: Path) -> None:
    c = cart_columns()
    both = np.stack([c["x"], c["v"]])
    text = CART.replace('"x"', '"Y", index = 0').replace('"v"', '"Y", index = 1')
    for name, matrix in (("rows", both.T), ("columns", both)):
        np.savez(tmp_path / f"{name}.npz", t=c["t"].astype(np.float32), Y=matrix, f=c["f"][None, :])
        (log,) = read_logs(tmp_path / f"{name}.npz", cart(), mapping_of(tmp_path, text, cart()))
        np.testing.assert_array_equal(log.measured, both.T)
        np.testing.assert_array_equal(log.controls[:, 0], c["f"])


def test_a_square_matrix_must_say_how_it_lies(tmp_path: Path) -> None:
    c = cart_columns()
    square = np.tile(c["x"][:, None], (1, 400))
    np.savez(tmp_path / "run.npz", t=c["t"], Y=square, v=c["v"], f=c["f"])
    text = CART.replace('"x"', '"Y", index = 0')
    with pytest.raises(IdentificationError, match=r"'Y' has the shape \(400, 400\) for 400 samples; 'samples_along' must say"):
        read_logs(tmp_path / "run.npz", cart(), mapping_of(tmp_path, text, cart()))
    (log,) = read_logs(tmp_path / "run.npz", cart(), mapping_of(tmp_path, 'samples_along = "rows"\n' + text, cart()))
    np.testing.assert_array_equal(log.measured[:, 0], c["x"])


def test_a_scalar_of_a_mat_file_scales_a_column(tmp_path: Path) -> None:
    c = cart_columns()
    content = {"t": c["t"][:, None], "x": c["x"][:, None], "d": {"v": c["v"]}, "f": c["f"][:, None] / 35.15, "gtau": 35.15}
    scipy.io.savemat(tmp_path / "run.mat", content)
    text = CART.replace('"f"', '"f", scale_by = "gtau"').replace('"v"', '"d.v"')
    (log,) = read_logs(tmp_path / "run.mat", cart(), mapping_of(tmp_path, text, cart()))
    np.testing.assert_allclose(log.controls[:, 0], c["f"], rtol=1e-14)
    np.testing.assert_array_equal(log.measured[:, 1], c["v"])


SWING = """
[records]
set = "id"
[time]
column = "Time_{set}"
unit = "s"
[measured]
angle = { column = "Y_{set}", index = 0, unit = "rad" }
angular_velocity = { column = "Y_{set}", index = 1, unit = "rad/s" }
"""


def _swings(path: Path) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Five swings in cells, three in the set id and two in vad, each with its own time and length."""
    swings = []
    for k in range(5):
        t = 3.0 * k + np.arange(300 + k) / 100
        swings.append(np.stack([t, (k + 1) * np.sin(5 * t), 5 * (k + 1) * np.cos(5 * t)]))

    def cells(entries: list[np.ndarray]) -> np.ndarray:  # type: ignore[type-arg]
        array = np.empty((len(entries), 1), dtype=object)
        array[:, 0] = entries
        return array

    content = {}
    for name, part in (("id", swings[:3]), ("vad", swings[3:])):
        content[f"Time_{name}"] = cells([s[0][:, None] for s in part])
        content[f"Y_{name}"] = cells([s[1:] for s in part])
    scipy.io.savemat(path, content)
    return swings


@pytest.mark.parametrize(
    ("behind", "numbers"), [("", [0, 1, 2]), ("#vad", [3, 4]), ("#vad:1", [4]), ("#:0,2", [0, 2]), ("#id:2,0", [2, 0])]
)
def test_cells_of_a_mat_file_are_records_that_can_be_chosen(tmp_path: Path, behind: str, numbers: list[int]) -> None:
    swings = _swings(tmp_path / "swings.mat")
    logs = read_logs(tmp_path / f"swings.mat{behind}", swing(), mapping_of(tmp_path, SWING, swing()))
    assert len(logs) == len(numbers)
    for log, number in zip(logs, numbers, strict=True):
        expected = swings[number]
        np.testing.assert_allclose(log.times, expected[0] - expected[0][0], atol=1e-12)
        np.testing.assert_array_equal(log.measured, expected[1:].T)
        assert log.controls.shape == (300 + number, 0)
        assert log.name == (f"swings.mat#id:{number}" if number < 3 else f"swings.mat#vad:{number - 3}")


def test_a_record_that_is_not_there_is_refused_with_how_many_are(tmp_path: Path) -> None:
    _swings(tmp_path / "swings.mat")
    with pytest.raises(IdentificationError, match=r"swings.mat: no record 7; there are 2, from 0 on"):
        read_logs(tmp_path / "swings.mat#vad:7", swing(), mapping_of(tmp_path, SWING, swing()))
    with pytest.raises(
        IdentificationError, match=r"no column 'Time_test'; there are Time_id|no column 'Time_test' \(did you mean"
    ):
        read_logs(tmp_path / "swings.mat#test", swing(), mapping_of(tmp_path, SWING, swing()))


def _flight(tmp_path: Path, order: str, inverse: bool) -> Path:
    """Three seconds of rolling and yawing; the quaternion changes its sign in between."""
    t = np.arange(300) / 100
    roll, yaw = 0.5 * np.sin(4 * t), 0.3 * t
    q = {
        "w": np.cos(roll / 2) * np.cos(yaw / 2),
        "x": np.sin(roll / 2) * np.cos(yaw / 2),
        "y": np.sin(roll / 2) * np.sin(yaw / 2),
        "z": np.cos(roll / 2) * np.sin(yaw / 2),
    }
    rates = {"wx": 2 * np.cos(4 * t), "wy": 0.3 * np.sin(roll), "wz": 0.3 * np.cos(roll)}
    flip = np.where((t > 1) & (t < 2), -1.0, 1.0)
    columns = {f"q{k}": (-1 if inverse and k != "w" else 1) * flip * q[k] for k in order}
    return write_csv(tmp_path / "flight.csv", {"t": t, **columns, **rates, "c": np.sin(t), "b": 4 - 0.1 * t})


def _flight_mapping(order: str, direction: str) -> str:
    axes = "\n".join(f'angular_velocity_{a} = {{ column = "w{a}", unit = "rad/s" }}' for a in "xyz")
    pwm = "\n".join(f'pwm_{k} = {{ column = "c", unit = "" }}' for k in range(1, 5))
    absent = [f"{what}_{a}" for what in ("position", "velocity") for a in "xyz"]
    return f"""
absent = {absent}
[time]
column = "t"
unit = "s"
[measured]
{axes}
[measured.quaternion]
columns = {[f"q{k}" for k in order]}
order = "{order}"
direction = "{direction}"
[controls]
{pwm}
battery_voltage = {{ column = "b", unit = "V" }}
"""


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
@pytest.mark.parametrize("direction", ["body-to-world", "world-to-body"])
def test_a_quaternion_of_either_order_and_direction_becomes_ours_without_flips(
    tmp_path: Path, order: str, direction: str
) -> None:
    path = _flight(tmp_path, order, direction == "world-to-body")
    (log,) = read_logs(path, flyer(), mapping_of(tmp_path, _flight_mapping(order, direction), flyer()))
    t = log.times
    q = log.measured[:, 3:7]
    np.testing.assert_allclose(q[:, 1], np.sin(0.25 * np.sin(4 * t)) * np.cos(0.15 * t), atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, rtol=1e-14)
    assert np.isnan(log.measured[:, :3]).all()
    assert log.notes == ()


@pytest.mark.parametrize(
    ("written", "read", "message"),
    [
        (
            ("xyzw", False),
            ("wxyz", "body-to-world"),
            r"'attitude about \w' (moves while|stands still while|does not move as) its measured",
        ),
        (
            ("wxyz", False),
            ("wxyz", "world-to-body"),
            r"'attitude about x' moves against .* is a sign, or the direction of a quaternion",
        ),
    ],
)
def test_a_wrong_order_or_direction_is_seen_in_the_rates(
    tmp_path: Path, written: tuple[str, bool], read: tuple[str, str], message: str
) -> None:
    text = _flight_mapping(*read)
    if written[0] != read[0]:
        text = text.replace(f"columns = {[f'q{k}' for k in read[0]]}", f"columns = {[f'q{k}' for k in written[0]]}")
    with pytest.raises(IdentificationError, match=message):
        read_logs(_flight(tmp_path, *written), flyer(), mapping_of(tmp_path, text, flyer()))


def test_conditions_name_signals_in_the_models_unit_and_columns_in_their_own(tmp_path: Path) -> None:
    c = cart_columns(8.0)
    height = np.where((c["t"] > 2) & (c["t"] < 6), 300.0, 0.0)
    path = write_csv(tmp_path / "run.csv", {**c, "height_mm": height})
    text = CART + "[keep]\nwhen = ['height_mm > 100']\nmargin_s = 0.5\n"
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, text, cart()))
    assert log.pieces == ((251, 550),)
    assert log.notes == ("501 of 800 samples left out where not height_mm > 100 with a margin of 0.5 s",)
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, text, cart()), Keep((parse_condition("velocity > -100"),)))
    assert log.pieces == ((251, 550),)
    with pytest.raises(
        IdentificationError, match=r"a condition names 'depth'; it must be a signal \(position, velocity, force\)"
    ):
        read_logs(path, cart(), mapping_of(tmp_path, text, cart()), Keep((parse_condition("depth > 0"),)))


def _refused(path: Path, tmp_path: Path, text: str = CART) -> str:
    with pytest.raises(IdentificationError) as caught:
        read_logs(path, cart(), mapping_of(tmp_path, text, cart()))
    return str(caught.value)


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    c = cart_columns()
    path = write_csv(tmp_path / "run.csv", {**{k: c[k] for k in "txf"}, "vel": c["v"]})
    assert _refused(path, tmp_path) == f"{path}: no column 'v'; there are t, x, f, vel"
    assert "absent.csv: no such file" in _refused(tmp_path / "absent.csv", tmp_path)
    (tmp_path / "run.xlsx").write_bytes(b"PK")
    assert "logs are .mcap, .csv, .csv.gz, .txt, .npz, .mat" in _refused(tmp_path / "run.xlsx", tmp_path)
    with pytest.raises(IdentificationError, match=r"run.csv: a mapping must say which columns are the signals of cart"):
        read_logs(path, cart())


def test_text_that_is_no_number_is_refused_with_its_line_and_column(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "run.csv", cart_columns())
    lines = path.read_text().splitlines()
    lines[17] = "0.16,oops,1.0,2.0"
    path.write_text("\n".join(lines))
    assert _refused(path, tmp_path) == f"{path}: line 18: 'x' is 'oops'; it must be a number"
    lines[17] = "0.16,1.0,2.0"
    path.write_text("\n".join(lines))
    assert _refused(path, tmp_path) == f"{path}: line 18 has 3 fields; the first line names 4 columns"


def test_a_last_line_that_was_cut_is_left_out_and_noted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "run.csv", cart_columns())
    path.write_text(path.read_text() + "4.0,0.1")
    (log,) = read_logs(path, cart(), mapping_of(tmp_path, CART, cart()))
    assert len(log.times) == 400
    assert log.notes == ("the last line is incomplete; left out",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.csv", b"", "the first line must have the columns' names"),
        ("run.csv", b"0.1,0.2,0.3,0.4\n1,2,3,4\n", "the first line must have the columns' names; it starts with ['0.1']"),
        ("run.csv", b"t,x,x,f\n1,2,3,4\n", "the first line names 'x' more than once"),
        ("run.csv", b"t,x,v,f\n", "no rows"),
        ("run.csv", b"\xff\xfe\x00t", "cannot be read as csv"),
        ("run.csv.gz", b"no gzip", "cannot be read as gz"),
        ("run.npz", b"PK\x03\x04 cut", "cannot be read as npz"),
        ("run.mat", b"not a mat file at all" * 20, "cannot be read as mat"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in _refused(tmp_path / name, tmp_path)


def test_columns_that_are_not_numbers_or_of_other_lengths_are_named(tmp_path: Path) -> None:
    c = cart_columns()
    np.savez(tmp_path / "run.npz", t=c["t"], x=c["x"].astype(complex), v=c["v"], f=c["f"])
    assert "'x' is complex128; it must be real numbers" in _refused(tmp_path / "run.npz", tmp_path)
    np.savez(tmp_path / "run.npz", t=c["t"], x=c["x"][:-1], v=c["v"], f=c["f"])
    assert "'x' has 399 samples, there are 400; they must be as many" in _refused(tmp_path / "run.npz", tmp_path)
    np.savez(tmp_path / "run.npz", t=c["t"], x=np.stack([c["x"], c["v"]]), v=c["v"], f=c["f"])
    assert "of a matrix, 'index' says which signal" in _refused(tmp_path / "run.npz", tmp_path)
    assert "'x' has 2 signals; there is no index 2" in _refused(
        tmp_path / "run.npz", tmp_path, CART.replace('"x"', '"x", index = 2')
    )


def test_a_set_that_the_models_name_ends_with_is_found_in_a_matrix(tmp_path: Path) -> None:
    c = cart_columns()
    positions = np.stack([c["x"], 2 * c["x"], 3 * c["x"]], axis=1)
    np.savez(tmp_path / "legs.npz", t=c["t"], q=positions, f=np.stack([c["f"]] * 3, axis=1))
    text = """
    [records]
    sets = ["hip", "knee", "ankle"]
    [time]
    column = "t"
    unit = "s"
    [measured]
    position = { column = "q", index = "{set}", unit = "m" }
    [controls]
    force = { column = "f", index = "{set}", unit = "N" }
    """
    knee = replace(cart(("position",)), name="leg_knee")
    (log,) = read_logs(tmp_path / "legs.npz", knee, mapping_of(tmp_path, text, knee))
    np.testing.assert_array_equal(log.measured[:, 0], 2 * c["x"])
    (log,) = read_logs(tmp_path / "legs.npz#ankle", knee, mapping_of(tmp_path, text, knee))
    np.testing.assert_array_equal(log.measured[:, 0], 3 * c["x"])
    with pytest.raises(IdentificationError, match=r"legs.npz: no set 'toe'; sets are hip, knee, ankle"):
        read_logs(tmp_path / "legs.npz#toe", knee, mapping_of(tmp_path, text, knee))
    other = cart(("position",))
    with pytest.raises(IdentificationError, match=r"names columns by set; say which: legs.npz#SET; sets are hip, knee, ankle"):
        read_logs(tmp_path / "legs.npz", other, mapping_of(tmp_path, text, other))
