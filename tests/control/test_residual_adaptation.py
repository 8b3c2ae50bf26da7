from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.control.residual_adaptation import LinearAdaptation, RecursiveLeastSquares
from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.model.residual.network import mlp_shape
from mpc_controller.model.residual.residual import Guard, ResidualShape
from mpc_controller.model.residual.residual_file import ResidualError
from mpc_controller.native.native_residual import NativeResidual
from tests.learning.carts import Cart, cart_port
from tests.model.residuals import linear_residual, random_residual

FOREVER_S = 1e12
_GUARD = Guard(np.full(2, -3.0), np.full(2, 3.0), np.ones(2), np.eye(2), 100.0, np.ones(1), np.array([5.0]))


def test_recursive_least_squares_is_ridge_regression() -> None:
    random = np.random.default_rng(0)
    phi, r, first = random.standard_normal((50, 3)), random.standard_normal((50, 2)), random.standard_normal((2, 3))
    covariance = np.diag([0.5, 1.0, 2.0])
    recursive = RecursiveLeastSquares(first, covariance, FOREVER_S, 1e6)
    for features, outputs in zip(phi, r, strict=True):
        recursive.update(features, outputs, 0.01)
    precision = np.linalg.inv(covariance)
    batch = np.linalg.solve(phi.T @ phi + precision, phi.T @ r + precision @ first.T).T
    np.testing.assert_allclose(recursive.weights, batch, rtol=1e-8)


def test_old_samples_are_forgotten() -> None:
    random = np.random.default_rng(0)
    recursive = RecursiveLeastSquares(np.zeros((1, 2)), np.eye(2), 1.0, 10.0)
    for truth in (np.array([1.0, 2.0]), np.array([-1.0, 0.5])):
        for _ in range(1000):
            features = random.standard_normal(2)
            recursive.update(features, np.array([truth @ features]), 0.01)
    np.testing.assert_allclose(recursive.weights[0], truth, atol=1e-3)


def test_without_excitation_the_covariance_stays_bounded() -> None:
    recursive = RecursiveLeastSquares(np.zeros((1, 2)), np.eye(2), 0.1, 2.0)
    for _ in range(5000):
        recursive.update(np.array([1.0, 0.0]), np.array([0.7]), 0.01)
    assert recursive.weights[0] == pytest.approx([0.7, 0.0])
    assert (np.diag(recursive.covariance) <= 2.0 + 1e-12).all()
    assert (np.linalg.eigvalsh(recursive.covariance) > 0).all()


def test_what_is_not_finite_teaches_nothing() -> None:
    recursive = RecursiveLeastSquares(np.ones((1, 2)), np.eye(2), 1.0, 1.0)
    recursive.update(np.array([np.nan, 1.0]), np.array([0.0]), 0.01)
    recursive.update(np.array([1.0, 1.0]), np.array([np.inf]), 0.01)
    assert (recursive.weights == 1).all()
    with pytest.raises(ValueError, match="must be above 0"):
        RecursiveLeastSquares(np.ones((1, 2)), np.eye(2), 0.0, 1.0)


def _adaptation(**changes: float) -> LinearAdaptation:
    start = replace(linear_residual(np.zeros((1, 2))), guard=_GUARD, family="linear")
    return LinearAdaptation(start, DisturbedDynamics(Cart(), ("velocity",)), cart_port(), **changes)


def test_the_disturbance_of_a_drag_becomes_the_residual() -> None:
    """The estimator sees what is left: (truth − residual)/m on the velocity's derivative."""
    random, parameters = np.random.default_rng(0), np.array([2.0, 0.0])
    adaptation = _adaptation(memory_s=20.0)
    native, residual = NativeResidual(adaptation.residual.shape), adaptation.residual
    for _ in range(800):
        x, u = random.uniform(-2, 2, 2), random.uniform(-1, 1, 1)
        now = native.values(residual, np.array([[x[1], u[0]]]))[0][0, 0]
        residual = adaptation.update(x, u, parameters, np.array([(-0.8 * x[1] + 0.3 - now) / 2.0]), 0.02)
    assert residual.shape == adaptation.residual.shape
    r, _ = native.values(residual, np.array([[1.5, 0.0], [-1.0, 0.5]]))
    np.testing.assert_allclose(r[:, 0], [-0.9, 1.1], atol=0.01)


def test_samples_outside_the_guard_teach_nothing() -> None:
    adaptation = _adaptation()
    before = adaptation.residual
    after = adaptation.update(np.array([0.0, 50.0]), np.zeros(1), np.array([2.0]), np.array([3.0]), 0.02)
    assert after is before


def test_only_linear_residuals_adapt() -> None:
    network = random_residual(ResidualShape(mlp_shape(2, (4,), 1)))
    with pytest.raises(ResidualError, match="only a linear residual adapts"):
        LinearAdaptation(network, DisturbedDynamics(Cart(), ("velocity",)), cart_port())
