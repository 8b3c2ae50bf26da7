"""The table of what the plant has and the model has not."""

from __future__ import annotations

import dataclasses
import math
import tomllib

import pytest

from sim.truth import SimTruth


def test_a_table_sets_the_fields_of_the_same_names():
    table = tomllib.loads("""
        mass_scale = 1.1
        linear_drag = 2
        actuator_delay_s = 0.004
        [parameter_scale]
        friction = 0.8
    """)
    truth = SimTruth.from_table(table)
    assert truth == SimTruth(mass_scale=1.1, linear_drag=2, actuator_delay_s=0.004, parameter_scale={"friction": 0.8})


def test_an_unknown_key_is_refused_with_all_valid_ones():
    with pytest.raises(ValueError, match="unknown key 'mas_scale'; valid are mass_scale, linear_drag"):
        SimTruth.from_table({"mas_scale": 1.1})


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(SimTruth) if f.name != "parameter_scale"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e6, "1.1", True, None])
def test_a_value_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"sim.truth: '{name}' is .*; it must be a number in \["):
        SimTruth.from_table({name: value})


@pytest.mark.parametrize("scale", [0.0, math.nan, "big"])
def test_a_parameter_scale_that_cannot_be_is_refused_by_name(scale):
    with pytest.raises(ValueError, match=r"'parameter_scale\.friction' is"):
        SimTruth(parameter_scale={"friction": scale})


def test_parameter_scales_are_a_table():
    with pytest.raises(ValueError, match=r"'parameter_scale' is 2\.0; it must be a table"):
        SimTruth.from_table({"parameter_scale": 2.0})
