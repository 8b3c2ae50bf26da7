"""Parameters on disk: exact round trips, and errors that say where and what."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc_controller.model.parameter_file import load_parameters, save_parameters
from mpc_controller.model.parameters import Parameter, ParameterError, Parameters

MODEL = Parameters((Parameter("mass", 1.0, "kg"), Parameter("drag.x", 0.0, "kg/s")))
GOOD = '[mass]\nvalue = 2\nunit = "kg"\n\n["drag.x"]\nvalue = 0.5\nunit = "kg/s"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "parameters.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0.0, 1e300))
def test_floats_come_back_to_the_last_bit(tmp_path_factory, value, std):
    path = tmp_path_factory.mktemp("parameters") / "p.toml"
    parameters = Parameters((Parameter("a.b", value, "N m", std=std), Parameter("b", -math.pi, "", lower=-4.0)))
    save_parameters(parameters, path)
    assert load_parameters(path).table == parameters.table


def test_everything_comes_back(tmp_path):
    parameters = Parameters(
        (
            Parameter("mass", 0.1 + 0.2, "kg", 0.0, 1.0, "what it is", "where it is from", 1e-3),
            Parameter("drag.x", 1e-5, "kg/s"),
        ),
        covariance=np.array([[1e-6, 1e-9 / 3], [1e-9 / 3, 2e-6]]),
        provenance={"method": "weighed", "files": ["a.mcap", "b.mcap"], "rms": 0.1, "date": "2026-01-31"},
    )
    path = tmp_path / "p.toml"
    save_parameters(parameters, path)
    loaded = load_parameters(path)
    assert loaded.table == parameters.table
    assert dict(loaded.provenance) == dict(parameters.provenance)
    np.testing.assert_array_equal(loaded.covariance, parameters.covariance)


def test_an_existing_file_is_replaced_only_when_forced(tmp_path):
    path = write(tmp_path, "precious")
    with pytest.raises(ParameterError, match=r"parameters\.toml exists"):
        save_parameters(MODEL, path)
    assert path.read_text() == "precious"
    save_parameters(MODEL, path, force=True)
    assert load_parameters(path).table == MODEL.table
    assert [f.name for f in tmp_path.iterdir()] == ["parameters.toml"]  # no temporary file stays behind


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write(tmp_path, "precious")
    reserved = Parameters((Parameter("covariance", 1.0, ""),))
    with pytest.raises(ParameterError, match="'covariance' cannot be saved"):
        save_parameters(reserved, path, force=True)
    assert path.read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_value_that_no_file_can_hold_is_not_saved(tmp_path):
    path = tmp_path / "p.toml"
    with pytest.raises(ParameterError, match="'wall' is inf; only finite values can be saved"):
        save_parameters(Parameters((Parameter("wall", math.inf, "m", may_be_infinite=True),)), path)
    assert not path.exists()


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ParameterError, match="no folder"):
        save_parameters(MODEL, tmp_path / "nowhere" / "p.toml")


def test_the_models_order_is_kept_whatever_the_files(tmp_path):
    text = '["drag.x"]\nvalue = 0.5\nunit = "kg/s"\n[mass]\nvalue = 2\nunit = "kg"\n'
    text += '[covariance]\nnames = ["drag.x"]\nmatrix = [[0.25]]\n'
    loaded = load_parameters(write(tmp_path, text), MODEL)
    assert loaded.names == ("mass", "drag.x")
    np.testing.assert_array_equal(loaded.values, [2.0, 0.5])
    np.testing.assert_array_equal(loaded.covariance, [[0.0, 0.0], [0.0, 0.25]])  # mass is taken as exact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("value = 2", "value = nan"), r"'mass': value is nan; it must be a finite number \(line 2\)"),
        (("value = 2", "value = inf"), r"'mass': value is inf; it must be a finite number \(line 2\)"),
        (("value = 2", 'value = "2"'), r"'mass': value is '2'; it must be a number \(line 2\)"),
        (("value = 2", "value = true"), r"'mass': value is True; it must be a number \(line 2\)"),
        (("value = 2\n", ""), r"'mass': no 'value'; every parameter needs 'value' and 'unit' \(line 1\)"),
        (('unit = "kg"\n', ""), r"'mass': no 'unit'; every parameter needs 'value' and 'unit' \(line 1\)"),
        (('unit = "kg"\n', "unit = 3\n"), r"'mass': unit is 3; it must be a string \(line 3\)"),
        (("value = 2", "value = 2\nupper = 1"), r"'mass' is 2 kg; it must be in \[-inf, 1\] kg \(line 2\)"),
        (("value = 2", "value = 2\nlower = 3\nupper = 1"), r"'mass': bounds \[3, 1\] are reversed or not numbers \(line 3\)"),
        (("value = 2", "value = 2\nstd = -1"), r"'mass': std is -1; it must be at least 0 \(line 3\)"),
        (("value = 2", "value = 2\nuper = 3"), r"'mass': unknown key 'uper'; valid are value, lower, upper, .* \(line 3\)"),
        (('unit = "kg"', 'unit = "g"'), r"'mass': unit is 'g'; this model has 'kg' \(line 3\)"),
        (("[mass]", "[weight]"), r"unknown parameter 'weight'; this model has mass, drag\.x \(line 1\)"),
        (('["drag.x"]', "[drag.x]"), r"'drag\.x': write a name with a dot in quotes, \[\"drag\.x\"\] \(line 5\)"),
        (('[mass]\nvalue = 2\nunit = "kg"', ""), r"no parameter 'mass'; this model has mass, drag\.x"),
        (('[mass]\nvalue = 2\nunit = "kg"', "mass = 2"), r"'mass' is 2; it must be a table with the keys .* \(line 1\)"),
        (("[mass]", "provenance = 3\n[mass]"), r"'provenance' is 3; it must be a table \(line 1\)"),
        (("[mass]", "[mass"), r"not valid TOML: .*line 1"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_what_would_be_valid(tmp_path, change, message):
    assert change[0] in GOOD
    with pytest.raises(ParameterError, match=r"parameters\.toml: " + message):
        load_parameters(write(tmp_path, GOOD.replace(*change, 1)), MODEL)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ('names = ["mass", "speed"]\nmatrix = [[1.0, 0.0], [0.0, 1.0]]', "each must be one of mass, drag.x, once"),
        ('names = ["mass", "mass"]\nmatrix = [[1.0, 0.0], [0.0, 1.0]]', "each must be one of mass, drag.x, once"),
        ('names = ["mass"]\nmatrix = [[1.0, 0.0]]', "1 rows of 1 finite numbers"),
        ('names = ["mass"]\nmatrix = [[nan]]', "1 rows of 1 finite numbers"),
        ('names = ["mass"]\nmatrix = [[-1.0]]', "a diagonal of at least 0"),
        ('names = ["mass", "drag.x"]\nmatrix = [[1.0, 0.5], [0.0, 1.0]]', "symmetric"),
        ('names = ["mass"]\nmatrix = "none"', "1 rows of 1 finite numbers"),
        ('names = ["mass"]', "the keys names, matrix"),
    ],
)
def test_a_wrong_covariance_is_refused(tmp_path, covariance, message):
    with pytest.raises(ParameterError, match=rf"'covariance'.*{message}.* \(line \d+\)"):
        load_parameters(write(tmp_path, f"{GOOD}[covariance]\n{covariance}\n"), MODEL)


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"nothing\.toml: no such file"):
        load_parameters(tmp_path / "nothing.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParameterError, match=r"binary\.toml: cannot be read"):
        load_parameters(binary)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1" + "0" * 400, "'mass': value has 401 digits; it must be below 1.8e308"),
        ("[" * 3000, "not valid TOML: nested too deep"),
    ],
    ids=["digits", "depth"],
)
def test_a_value_beyond_all_numbers_is_refused(tmp_path, value, message):
    with pytest.raises(ParameterError, match=message):
        load_parameters(write(tmp_path, GOOD.replace("value = 2", f"value = {value}")), MODEL)
