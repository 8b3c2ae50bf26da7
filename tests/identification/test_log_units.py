"""Units become one another or not, and conditions read as they are written."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mpc_controller.identification.log_files import Keep, parse_condition
from mpc_controller.identification.log_files.condition import kept
from mpc_controller.identification.log_files.units import UnitError, conversion
from mpc_controller.identification.model_structure import IdentificationError


@pytest.mark.parametrize(
    ("given", "wanted", "factor"),
    [
        ("deg", "rad", math.pi / 180),
        ("°/s", "rad/s", math.pi / 180),
        ("rpm", "rad/s", 2 * math.pi / 60),
        ("rev/min", "rad/s", 2 * math.pi / 60),
        ("mm", "m", 1e-3),
        ("g", "kg", 1e-3),
        ("us", "s", 1e-6),
        ("µs", "s", 1e-6),
        ("ns", "s", 1e-9),
        ("km/h", "m/s", 1 / 3.6),
        ("g0", "m/s²", 9.80665),
        ("%", "", 0.01),
        ("1/65535", "", 1 / 65535),
        ("mN m", "N m", 1e-3),
        ("N mm", "N m", 1e-3),
        ("kg m^2", "kg m²", 1.0),
        ("kg m²/s²", "J", 1.0),
        ("g cm²", "kg m²", 1e-7),
        ("mV", "V", 1e-3),
        ("N m/A", "N m/A", 1.0),
        ("1/s²", "Hz²", 1.0),
        ("", "", 1.0),
    ],
)
def test_a_unit_becomes_another_of_its_dimension(given: str, wanted: str, factor: float) -> None:
    assert conversion(given, wanted) == pytest.approx(factor, rel=1e-14)


@pytest.mark.parametrize(("given", "wanted"), [("m", "rad"), ("rad", ""), ("deg", "m"), ("V", "N"), ("us", ""), ("kg", "N")])
def test_a_unit_of_another_dimension_is_refused_with_both_names(given: str, wanted: str) -> None:
    with pytest.raises(UnitError, match=f"unit '{given}' cannot become '{wanted}'"):
        conversion(given, wanted)


@pytest.mark.parametrize("unit", ["furlong", "degree", "m/", "kdeg2x", "rad//s x", "mmm"])
def test_an_unknown_unit_is_refused_with_examples(unit: str) -> None:
    if unit in ("m/",):
        assert conversion(unit, "m") == 1.0  # a stray bar names no other unit
        return
    with pytest.raises(UnitError, match="is not known; units are built like m, mm"):
        conversion(unit, "m")


@pytest.mark.parametrize(
    ("text", "name", "comparison", "number"),
    [
        ("position_z > 0.1", "position_z", ">", 0.1),
        ("  a<=-1e3 ", "a", "<=", -1000.0),
        ("Y[2] >= +.5", "Y[2]", ">=", 0.5),
        ("motor speed != 0", "motor speed", "!=", 0.0),
        ("mode == 1", "mode", "==", 1.0),
    ],
)
def test_a_condition_reads_as_it_is_written(text: str, name: str, comparison: str, number: float) -> None:
    condition = parse_condition(text)
    assert (condition.name, condition.comparison, condition.number) == (name, comparison, number)


@pytest.mark.parametrize(
    "text", ["", "position_z", "z > ", "> 1", "z => 1", "z > one", "0 < z < 1", "z = 1", "z > 1; print()", "z > 1.2.3"]
)
def test_a_condition_of_another_form_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(IdentificationError, match="cannot be read; it must be NAME OP NUMBER, such as"):
        parse_condition(text)


def test_a_margin_is_taken_where_a_condition_begins_and_ends_but_not_where_the_record_does() -> None:
    times = np.arange(11.0)
    z = np.array([1, 1, 1, 0, 1, 1, 1, 1, 1, 0, np.nan])
    mask, notes = kept(Keep((parse_condition("z > 0.5"),), margin_s=1.0), times, lambda name: z)
    np.testing.assert_array_equal(np.flatnonzero(mask), [0, 1, 5, 6, 7])
    assert notes == ["6 of 11 samples left out where not z > 0.5 with a margin of 1 s"]


def test_conditions_add_up_and_the_larger_margin_counts() -> None:
    both = Keep((parse_condition("a > 1"),), 0.5) & Keep((parse_condition("b < 2"),), 0.2)
    assert [str(c) for c in both.conditions] == ["a > 1", "b < 2"]
    assert both.margin_s == 0.5
