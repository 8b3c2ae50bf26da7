"""The equations of collocation's inner states: derivatives against differences, and the order of their elimination."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pytest

from mpc_controller.solvers.collocation_schemes import COLLOCATION_SCHEMES
from mpc_controller.solvers.collocation_stages import InnerStates, eliminated
from tests.solvers.test_stage_functions import RigidSpin


@pytest.mark.parametrize("name", COLLOCATION_SCHEMES)
def test_the_generated_system_is_the_derivative_of_the_equations(name):
    dynamics = RigidSpin()
    inner, nx, nu = InnerStates(COLLOCATION_SCHEMES[name], dynamics), dynamics.nx, dynamics.nu
    sizes = {"x": nx, "u": nu, "x_next": nx, "p": dynamics.np, "dt": 1}
    symbols = [ca.SX.sym(symbol, size) for symbol, size in sizes.items()]
    interval = inner.linearized(*symbols, ca.SX.eye(nx))
    inputs = [*symbols, inner.symbol]
    system = ca.Function("system", inputs, [ca.densify(interval.system), interval.gap_w])
    residual = ca.Function("residual", inputs, list(inner.residual(*symbols)))
    rng = np.random.default_rng(1)
    point = [rng.normal(size=size) for size in sizes.values()]
    point[3], point[4] = dynamics.parameters.values, np.array([0.1])
    w = point[0][inner.states] + 0.1 * rng.normal(size=inner.size)

    def derivative(output: int, which: int):
        def moved(step):
            arguments = [*point, w]
            arguments[which] = arguments[which] + step
            return np.array(residual(*arguments)[output]).ravel()

        size = len([*point, w][which])
        return np.stack([(moved(1e-6 * e) - moved(-1e-6 * e)) / 2e-6 for e in np.eye(size)], axis=1)

    matrix, gap_w = (np.array(value) for value in system(*point, w))
    M, first = inner.size, matrix.shape[1] - 16
    np.testing.assert_allclose(matrix[:, :M], derivative(0, 5), atol=1e-7)
    np.testing.assert_allclose(matrix[:, M], np.array(residual(*point, w)[0]).ravel(), rtol=1e-13)
    np.testing.assert_allclose(matrix[:, first : first + nu], derivative(0, 1), atol=1e-7)
    np.testing.assert_allclose(matrix[:, first + nu : first + nu + nx], derivative(0, 0), atol=1e-7)
    np.testing.assert_array_equal(matrix[:, first + nu + nx :], 0.0)
    np.testing.assert_allclose(gap_w, derivative(1, 5)[:, inner.end], atol=1e-6)


def test_elimination_in_its_order_fills_the_announced_pattern_and_nothing_else():
    rng = np.random.default_rng(2)
    for _ in range(50):
        n = int(rng.integers(1, 25))
        pattern = rng.uniform(size=(n, n)) < 0.15
        order, filled = eliminated(pattern)
        assert sorted(order) == list(range(n))
        A = np.where(pattern, rng.uniform(0.5, 1.0, size=(n, n)), 0.0) + n * np.eye(n)
        A = A[np.ix_(order, order)]
        for k in range(n):  # Gaussian elimination, multipliers kept below the diagonal
            A[k + 1 :, k] /= A[k, k]
            A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
        np.testing.assert_array_equal(A != 0, filled)


def test_a_chain_of_integrators_needs_no_elimination():
    """Positions before velocities: of every pivot, nothing is left below."""
    chain = np.eye(6, dtype=bool) | np.eye(6, k=1, dtype=bool)
    rng = np.random.default_rng(3)
    shuffled = rng.permutation(6)
    _, filled = eliminated(chain[np.ix_(shuffled, shuffled)])
    np.testing.assert_array_equal(filled, np.triu(filled))
