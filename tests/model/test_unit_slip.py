"""A number off by a thousand, or in degrees, is told so."""

from __future__ import annotations

import math

import pytest

from mpc_controller.model.parameters import Parameter, ParameterError
from mpc_controller.model.unit_slip import likely_meant


@pytest.mark.parametrize(
    ("value", "unit", "lower", "upper", "meant"),
    [
        (27.0, "kg", 0.02, 0.05, 0.027),
        (0.0951, "kg", 50.0, 150.0, 95.1),
        (16.6, "kg m²", 1e-6, 1e-4, 16.6e-6),
        (90.0, "rad", -math.pi, math.pi, math.pi / 2),
        (0.052, "rad/s", 2.0, 4.0, 2.979),
        (-27.0, "kg", 0.02, 0.05, None),  # no factor makes it positive
        (0.06, "kg", 0.02, 0.05, None),  # a little too much is no slip
        (5.0, "kg", 0.0, 1.0, None),  # bounds that any number fits into
        (27.0, "", 0.02, 0.05, None),
        (math.inf, "kg", 0.02, 0.05, None),
        (-1.0, "kg", 0.0, math.inf, None),
    ],
)
def test_the_one_value_that_a_slip_explains_is_found(
    value: float, unit: str, lower: float, upper: float, meant: float | None
) -> None:
    found = likely_meant(value, unit, lower, upper)
    assert (found is None) if meant is None else (found == pytest.approx(meant, rel=1e-3))


def test_a_parameter_outside_its_bounds_says_what_was_meant() -> None:
    with pytest.raises(ParameterError, match=r"^'mass' is 27 kg; it must be in \[0.02, 0.05\] kg; did you mean 0.027 kg\?$"):
        Parameter("mass", 27.0, "kg", 0.02, 0.05)
    with pytest.raises(ParameterError, match=r"^'mass' is 0.06 kg; it must be in \[0.02, 0.05\] kg$"):
        Parameter("mass", 0.06, "kg", 0.02, 0.05)
