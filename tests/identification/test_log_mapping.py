"""Mapping files: what is refused, and what the refusal says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mpc_controller.identification.log_files import mapping as module
from mpc_controller.identification.log_files.mapping import read_mapping
from mpc_controller.toml_table import TomlError
from tests.identification.log_structures import cart, flyer, swing
from tests.identification.log_writing import CART, mapping_of

FLYER_QUATERNION = """
[measured.quaternion]
columns = ["qx", "qy", "qz", "qw"]
order = "xyzw"
direction = "world-to-body"
"""


def test_factors_signs_and_offsets_become_the_models_unit(tmp_path: Path) -> None:
    text = CART.replace('column = "x", unit = "m"', 'column = "x", unit = "mm", sign = -1, scale = 2, offset = 5')
    position = mapping_of(tmp_path, text, cart()).measured["position"]
    assert position.factor == pytest.approx(-2e-3)
    assert position.offset == pytest.approx(5e-3)


def test_a_model_without_controls_needs_none(tmp_path: Path) -> None:
    text = """
    [time]
    rate_hz = 200
    [measured]
    angle = { column = "Y", index = 0, unit = "deg" }
    angular_velocity = { column = "Y", index = 1, unit = "deg/s" }
    """
    mapping = mapping_of(tmp_path, text, swing())
    assert mapping.controls == {}
    assert mapping.rate_hz == 200
    assert mapping.measured["angle"].factor == pytest.approx(math.pi / 180)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "m/s"', 'unit = "deg"', r"log.toml: 'measured.velocity.unit': unit 'deg' cannot become 'm/s' \(line 7\)"),
        ('unit = "m/s"', 'unit = "knots"', r"'measured.velocity.unit': unit 'knots' is not known"),
        (', unit = "m/s"', "", r"no 'measured.velocity.unit'; it must be one that can become 'm/s'"),
        ("velocity =", "speed =", r"no 'measured.velocity'; it must be a table with its column, or its name in 'absent'"),
        ("force =", "torque =", r"no 'controls.force'; it must be a table with its column"),
        ("[controls]", "[controls]\nmass = 1", r"unknown key 'controls.mass'; valid are force \(line 9\)"),
        ("[time]", "absent = ['speed']\n[time]", r"'absent' is \['speed'\]; it must name measured states: position, velocity"),
        ("[time]", "decimate = 0\n[time]", r"'decimate' is 0; it must be an integer in \[1, 1000\]"),
        ('column = "v"', 'colum = "v"', r"no 'measured.velocity.column'; it must be a string"),
        ('column = "v"', 'column = "v", sign = 0', r"'measured.velocity.sign' is 0; it must be 1 or -1"),
        ('column = "v"', 'column = "v", scale = 0', r"'measured.velocity.scale' is 0; it must not be 0"),
        ('column = "v"', 'column = "v", factor = 2', r"unknown key 'measured.velocity.factor'; valid are column, unit"),
        ('unit = "s"', 'unit = "m"', r"'time.unit': unit 'm' cannot become 's'"),
        ('unit = "s"', "rate_hz = 10", r"no 'time.column'; it must be the time of every sample, or 'rate_hz'"),
        ('\nunit = "s"', "", r"no 'time.unit'; it must be s, ms, us or ns"),
        ("[controls]", "[keep]\nwhen = ['z >> 1']\n[controls]", r"'keep.when': condition 'z >> 1' cannot be read"),
        ("[controls]", "[records]\nwhich = [-1]\n[controls]", r"'records.which' is \[-1\]; it must be a list of integers"),
        ("[controls]", "[record]\n[controls]", r"unknown key 'record' \(did you mean 'records'\?\)"),
    ],
)
def test_a_mapping_that_does_not_fit_the_model_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CART
    with pytest.raises(TomlError, match=message):
        mapping_of(tmp_path, CART.replace(old, new, 1), cart())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"xyzw"', '"xywz"', r"'measured.quaternion.order' is 'xywz'; it must be one of wxyz, xyzw"),
        ('order = "xyzw"', "", r"no 'measured.quaternion.order'; it must be one of wxyz, xyzw"),
        ('"qx", ', "", r"'measured.quaternion.columns' is \['qy', 'qz', 'qw'\]; it must be four columns, or one matrix"),
        ("world-to-body", "inverse", r"it must be one of body-to-world, world-to-body"),
    ],
)
def test_a_quaternion_says_its_order_and_direction(tmp_path: Path, old: str, new: str, message: str) -> None:
    others = [name for name in flyer().measured if not name.startswith("quaternion")]
    text = f"absent = {others}\n[time]\nrate_hz = 10\n" + FLYER_QUATERNION.replace(old, new)
    with pytest.raises(TomlError, match=message):
        mapping_of(tmp_path, text, flyer())


def test_the_documented_example_is_a_mapping(tmp_path: Path) -> None:
    """What the module's docstring shows, with each of its signals in a model."""
    shown = "\n".join(line[4:] for line in (module.__doc__ or "").splitlines() if line.startswith("    "))
    structure = flyer()
    shown = shown.replace(
        'absent = ["motor_1"]', f"absent = {[n for n in structure.measured if n[:4] in ('posi', 'velo', 'angu')]}"
    )
    for line in ("position = ", "velocity = ", "force = ", "pwm = "):
        shown = "\n".join(row for row in shown.splitlines() if not row.startswith(line))
    controls = "\n".join(f'{name} = {{ column = "c", unit = "V" }}' for name in structure.dynamics.control_names[4:])
    ratios = "\n".join(
        f'{name} = {{ column = "c", scale = 0.001, offset = -1.0, unit = "" }}' for name in structure.dynamics.control_names[:4]
    )
    mapping = mapping_of(tmp_path, shown.replace("[controls]", f"[controls]\n{controls}\n{ratios}\n#"), structure)
    assert mapping.set_name == "id"
    assert mapping.which == (0, 2)
    assert mapping.decimate == 4
    assert mapping.keep.margin_s == 0.5


def test_a_missing_mapping_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TomlError, match=r"absent.toml: no such file"):
        read_mapping(tmp_path / "absent.toml", cart())
