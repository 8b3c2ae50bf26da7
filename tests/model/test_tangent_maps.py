import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.manifold import Euclidean, Manifold
from mpc_controller.model.tangent_maps import normalized, tangent_maps

MANIFOLD = Manifold(9, quaternions=(2,))
STEP = 1e-6


@pytest.fixture
def state() -> np.ndarray:
    return MANIFOLD.normalized(np.random.default_rng(3).normal(size=MANIFOLD.nx))


def test_lifting_is_the_derivative_of_plus_and_lowering_that_of_minus(state):
    lift, lower = tangent_maps(MANIFOLD)
    moves = STEP * np.eye(MANIFOLD.ndx)
    by_plus = [(MANIFOLD.retract(state, d) - MANIFOLD.retract(state, -d)) / (2 * STEP) for d in moves]
    np.testing.assert_allclose(np.array(lift(state)), np.transpose(by_plus), atol=1e-8)
    pushes = STEP * np.eye(MANIFOLD.nx)
    by_minus = [(MANIFOLD.difference(state + e, state) - MANIFOLD.difference(state - e, state)) / (2 * STEP) for e in pushes]
    np.testing.assert_allclose(np.array(lower(state)), np.transpose(by_minus), atol=1e-8)


def test_lowering_undoes_lifting(state):
    lift, lower = tangent_maps(MANIFOLD)
    np.testing.assert_allclose(np.array(lower(state)) @ np.array(lift(state)), np.eye(MANIFOLD.ndx), atol=1e-12)


def test_without_quaternions_both_are_the_identity_and_stored_as_such():
    for tangent_map in tangent_maps(Euclidean(3)):
        assert tangent_map.nnz_out() == 3
        np.testing.assert_array_equal(np.array(tangent_map(np.ones(3))), np.eye(3))


def test_normalized_as_an_expression_is_that_in_numbers():
    x = ca.SX.sym("x", MANIFOLD.nx)
    function = ca.Function("normalized", [x], [normalized(MANIFOLD, x)])
    values = np.random.default_rng(4).normal(size=MANIFOLD.nx)
    np.testing.assert_allclose(np.array(function(values))[:, 0], MANIFOLD.normalized(values), rtol=1e-14)
