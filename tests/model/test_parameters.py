"""Named numbers: bounds, order, changes."""

import math

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.parameters import Parameter, ParameterError, Parameters

TABLE = Parameters((Parameter("mass", 2.0, "kg", 0.0, 5.0), Parameter("length", 0.5, "m")))


def test_values_are_in_the_order_of_the_table_and_fresh_each_time():
    TABLE.values[0] = 99.0
    np.testing.assert_array_equal(TABLE.values, [2.0, 0.5])
    assert TABLE.names == ("mass", "length")
    assert TABLE.index("length") == 1
    assert "mass" in TABLE
    assert "drag" not in TABLE


def test_with_values_gives_a_changed_copy():
    changed = TABLE.with_values({"mass": 3})
    assert changed["mass"].value == 3.0
    assert TABLE["mass"].value == 2.0


def test_a_value_outside_its_bounds_is_refused_with_the_bounds():
    with pytest.raises(ParameterError, match=r"'mass' is 6 kg; it must be in \[0, 5\] kg"):
        TABLE.with_values({"mass": 6.0})


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(ParameterError, match="no parameter 'drag'; there are mass, length"):
        TABLE.with_values({"drag": 1.0})


@pytest.mark.parametrize("value", [math.nan, -1.0, 6.0, math.inf])
def test_values_that_are_not_within_bounds_are_refused(value):
    with pytest.raises(ParameterError, match="'mass'"):
        Parameter("mass", value, "kg", 0.0, 5.0)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_values_are_for_those_that_say_so(value):
    with pytest.raises(ParameterError, match=r"'mass' is -?inf kg; it must be finite"):
        Parameter("mass", value, "kg")
    with pytest.raises(ParameterError, match="must be finite"):
        TABLE.with_values({"length": value})
    wall = Parameters((Parameter("wall", 1.0, "m", may_be_infinite=True),))
    assert wall.with_values({"wall": value})["wall"].value == value


@pytest.mark.parametrize("std", [-1e-3, math.nan, math.inf])
def test_a_standard_deviation_that_is_negative_or_not_finite_is_refused(std):
    with pytest.raises(ParameterError, match=r"'mass': std is .*; it must be finite and at least 0"):
        Parameter("mass", 1.0, "kg", std=std)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.eye(3), r"shape \(3, 3\); 2 parameters need \(2, 2\)"),
        (np.ones(2), r"shape \(2,\)"),
        (np.array([[1.0, 0.1], [0.2, 1.0]]), "symmetric"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "finite"),
        (np.diag([1.0, -1.0]), "diagonal of at least 0"),
    ],
)
def test_a_covariance_that_cannot_be_one_is_refused(covariance, message):
    with pytest.raises(ParameterError, match=message):
        Parameters(TABLE.table, covariance)


def test_tables_are_equal_with_equal_values_covariance_and_provenance():
    P = np.array([[1e-3, 1e-5], [1e-5, 2e-3]])
    made = Parameters(TABLE.table, P, {"method": "weighed"})
    assert made == Parameters(TABLE.table, P.copy(), {"method": "weighed"})
    assert hash(made) == hash(Parameters(TABLE.table, P.copy(), {"method": "weighed"}))
    others = (Parameters(TABLE.table, 2 * P, made.provenance), Parameters(TABLE.table, P), made.with_values({"mass": 1.0}))
    assert made not in (*others, Parameters(TABLE.table, None, made.provenance))


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 0.0), (math.nan, 1.0), (0.0, math.nan)])
def test_bounds_that_are_reversed_or_not_numbers_are_refused(lower, upper):
    with pytest.raises(ParameterError, match="reversed or not numbers"):
        Parameter("mass", 0.5, "kg", lower, upper)


def test_a_name_given_twice_is_refused():
    with pytest.raises(ParameterError, match=r"named twice: \['mass'\]"):
        Parameters((Parameter("mass", 1.0, "kg"), Parameter("mass", 2.0, "kg")))


def test_adding_tables_keeps_their_order():
    both = TABLE + Parameters((Parameter("drag", 0.1, "kg/s"),))
    assert both.names == ("mass", "length", "drag")


def test_unpack_names_the_entries_of_an_expression():
    p = ca.SX.sym("p", 2)
    values = ca.Function("f", [p], [TABLE.unpack(p)["length"] / TABLE.unpack(p)["mass"]])
    assert float(values([2.0, 0.5])) == 0.25
