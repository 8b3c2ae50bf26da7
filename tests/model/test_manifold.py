"""R^n with unit quaternions: the laws of plus and minus, in numbers and as expressions."""

import math

import casadi as ca
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mpc_controller.model.manifold import Euclidean, Manifold

MANIFOLD = Manifold(13, quaternions=(2, 8))  # 2 numbers, a quaternion, 2 numbers, a quaternion, 1 number

_numbers = st.floats(-10.0, 10.0)
_tangent = st.lists(_numbers, min_size=11, max_size=11).map(np.array)
# Rotation vectors shorter than π, where minus undoes plus.
_short_tangent = st.lists(st.floats(-1.8, 1.8), min_size=11, max_size=11).map(np.array)


@st.composite
def states(draw: st.DrawFn) -> np.ndarray:
    dx = draw(_tangent)
    origin = np.zeros(13)
    origin[[2, 8]] = 1.0
    return MANIFOLD.retract(origin, dx)


@given(states(), _short_tangent)
def test_minus_undoes_plus(x, dx):
    np.testing.assert_allclose(MANIFOLD.difference(MANIFOLD.retract(x, dx), x), dx, atol=1e-9)


@given(states(), states())
def test_plus_undoes_minus_up_to_the_sign_of_quaternions(x0, x1):
    result = MANIFOLD.retract(x0, MANIFOLD.difference(x1, x0))
    for start in (2, 8):
        block = slice(start, start + 4)
        if result[block] @ x1[block] < 0:
            result[block] *= -1
    np.testing.assert_allclose(result, x1, atol=1e-9)


@given(states(), _tangent)
def test_plus_keeps_quaternions_at_unit_length(x, dx):
    result = MANIFOLD.retract(x, dx)
    assert math.isclose(np.linalg.norm(result[2:6]), 1.0, abs_tol=1e-12)
    assert math.isclose(np.linalg.norm(result[8:12]), 1.0, abs_tol=1e-12)


@given(states(), states())
def test_minus_goes_the_shorter_way_round_and_does_not_see_the_sign(x0, x1):
    difference = MANIFOLD.difference(x1, x0)
    assert np.linalg.norm(difference[2:5]) <= math.pi + 1e-9
    flipped = x1.copy()
    flipped[2:6] *= -1
    if np.linalg.norm(difference[2:5]) < math.pi - 1e-6:  # at π both ways are as short
        np.testing.assert_allclose(MANIFOLD.difference(flipped, x0), difference, atol=1e-8)


@given(states(), states(), _short_tangent)
def test_expressions_and_numbers_agree(x0, x1, dx):
    a, b, d = ca.SX.sym("a", 13), ca.SX.sym("b", 13), ca.SX.sym("d", 11)
    plus, minus = ca.Function("plus", [a, d], [MANIFOLD.plus(a, d)]), ca.Function("minus", [a, b], [MANIFOLD.minus(a, b)])
    np.testing.assert_allclose(plus(x0, dx).full().ravel(), MANIFOLD.retract(x0, dx), atol=1e-12)
    np.testing.assert_allclose(minus(x1, x0).full().ravel(), MANIFOLD.difference(x1, x0), atol=1e-12)


@given(states(), _short_tangent)
def test_a_quaternions_tangent_is_a_rotation_vector_in_the_body_frame(x, dx):
    before = Rotation.from_quat(x[2:6], scalar_first=True)
    after = Rotation.from_quat(MANIFOLD.retract(x, dx)[2:6], scalar_first=True)
    np.testing.assert_allclose((before.inv() * after).as_rotvec(), dx[2:5], atol=1e-9)


def test_the_derivative_of_minus_is_the_identity_where_both_are_equal():
    x, d = ca.SX.sym("x", 13), ca.SX.sym("d", 11)
    minus = MANIFOLD.minus(MANIFOLD.plus(x, d), x)
    jacobian = ca.Function("J", [x, d], [ca.jacobian(minus, d)])
    origin = np.zeros(13)
    origin[[2, 8]] = 1.0
    np.testing.assert_allclose(jacobian(origin, np.zeros(11)).full(), np.eye(11), atol=1e-9)


def test_many_states_at_once_give_the_same_as_one_by_one():
    rng = np.random.default_rng(0)
    x0 = MANIFOLD.normalized(rng.normal(size=(5, 13)))
    dx = rng.normal(size=(5, 11))
    x1 = MANIFOLD.retract(x0, dx)
    for i in range(5):
        np.testing.assert_array_equal(x1[i], MANIFOLD.retract(x0[i], dx[i]))
        np.testing.assert_array_equal(MANIFOLD.difference(x1, x0)[i], MANIFOLD.difference(x1[i], x0[i]))


def test_halfway_along_the_geodesic_is_half_the_rotation():
    manifold = Manifold(4, quaternions=(0,))
    quarter_turn = np.array([math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4)])
    middle = manifold.interpolate(np.array([1.0, 0.0, 0.0, 0.0]), quarter_turn, 0.5)
    np.testing.assert_allclose(middle, [math.cos(math.pi / 8), 0.0, 0.0, math.sin(math.pi / 8)], atol=1e-12)


def test_normalized_scales_only_quaternions_and_leaves_its_argument_alone():
    x = np.arange(1.0, 14.0)
    before = x.copy()
    result = MANIFOLD.normalized(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(result[[0, 1, 6, 7, 12]], x[[0, 1, 6, 7, 12]])
    np.testing.assert_allclose(result[2:6], x[2:6] / np.linalg.norm(x[2:6]))


def test_tangent_indices_take_a_quaternion_as_a_whole():
    assert MANIFOLD.tangent_indices([0, 2, 3, 4, 5, 7]) == [0, 2, 3, 4, 6]
    with pytest.raises(ValueError, match="part of the quaternion at 2"):
        MANIFOLD.tangent_indices([2, 3])


def test_euclidean_space_adds_and_subtracts():
    x, dx = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    np.testing.assert_array_equal(Euclidean(2).retract(x, dx), [1.5, 1.5])
    np.testing.assert_array_equal(Euclidean(2).difference(x, dx), [0.5, 2.5])


@pytest.mark.parametrize(("nx", "quaternions"), [(0, ()), (4, (1,)), (8, (0, 3)), (8, (4, 0)), (8, (-1,))])
def test_a_layout_that_does_not_fit_is_refused(nx, quaternions):
    with pytest.raises(ValueError, match="Manifold"):
        Manifold(nx, quaternions)
