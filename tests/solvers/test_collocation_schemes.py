"""Collocation schemes against their order conditions, their stability functions and an equation with a closed form."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameters
from mpc_controller.solvers.collocation_schemes import (
    COLLOCATION_SCHEMES,
    HERMITE_SIMPSON_COMPRESSED,
    HERMITE_SIMPSON_SEPARATED,
    RADAU_2,
    RADAU_3,
)
from tests.solvers.test_stage_functions import RigidSpin

SCHEMES = list(COLLOCATION_SCHEMES.values())


class Scalar(Dynamics):
    """One state with a given right-hand side f(x, u)."""

    name = "scalar"
    state_names, state_units = ("x",), ("",)
    control_names, control_units = ("u",), ("",)
    manifold = Euclidean(1)
    parameters = Parameters()

    def __init__(self, f):
        self._f = f

    def xdot(self, x, u, p):
        return self._f(x, u)


def _step(scheme, dynamics, nodes=1):
    """x⁺ as a function of (x, u, dt), by Newton's method on G = 0."""
    x, u, dt = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu * nodes), ca.SX.sym("dt")
    w = ca.SX.sym("w", dynamics.nx * scheme.inner)
    inner, controls = ca.vertsplit(w, dynamics.nx), ca.vertsplit(u, dynamics.nu)
    G = scheme.residual(dynamics, x, inner, controls, dynamics.parameters.values, dt)
    given = ca.vertcat(x, u, dt)
    roots = ca.rootfinder("step", "newton", {"x": w, "p": given, "g": G}, {"abstol": 1e-15, "abstolStep": 1e-15})

    def step(x0, u0, h):
        start = np.tile(np.atleast_1d(x0), scheme.inner)
        result = roots(x0=start, p=np.concatenate([np.atleast_1d(x0), np.atleast_1d(u0), [h]]))["x"]
        return np.array(result).ravel()[-dynamics.nx :]

    return step


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_the_quadrature_is_exact_up_to_the_order_and_no_further(scheme):
    nodes = np.array(scheme.nodes)
    for power in range(scheme.order):
        assert scheme.weights @ nodes**power == pytest.approx(1 / (power + 1), abs=1e-14)
    assert abs(scheme.weights @ nodes**scheme.order - 1 / (scheme.order + 1)) > 1e-4


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_polynomials_of_the_nodes_number_are_integrated_to_every_point(scheme):
    """Butcher's condition C(η) with η the number of nodes: Σ_j a_ij c_j^(q−1) = c_i^q / q."""
    nodes = np.array(scheme.nodes)
    for q in range(1, len(nodes) + 1):
        for tau in (*scheme.inner_nodes, 0.3):
            assert scheme.integrals(tau) @ nodes ** (q - 1) == pytest.approx(tau**q / q, abs=1e-14)


def test_the_coefficients_are_those_of_the_literature():
    """Hairer, Wanner, "Solving Ordinary Differential Equations II", tables IV.5.5, IV.5.6 and IV.5.8."""
    r = np.sqrt(6)
    radau_3 = [
        [(88 - 7 * r) / 360, (296 - 169 * r) / 1800, (-2 + 3 * r) / 225],
        [(296 + 169 * r) / 1800, (88 + 7 * r) / 360, (-2 - 3 * r) / 225],
        [(16 - r) / 36, (16 + r) / 36, 1 / 9],
    ]
    tables = {RADAU_2: [[5 / 12, -1 / 12], [3 / 4, 1 / 4]], RADAU_3: radau_3}
    tables |= {HERMITE_SIMPSON_SEPARATED: [[5 / 24, 1 / 3, -1 / 24], [1 / 6, 2 / 3, 1 / 6]]}
    for scheme, table in tables.items():
        np.testing.assert_allclose([scheme.integrals(tau) for tau in scheme.inner_nodes], table, atol=1e-14)


@pytest.mark.parametrize("z", [-0.5, -3.0, 0.4, -80.0])
@pytest.mark.parametrize(
    ("scheme", "numerator", "denominator"),
    [
        (RADAU_2, [1, 1 / 3], [1, -2 / 3, 1 / 6]),
        (RADAU_3, [1, 2 / 5, 1 / 20], [1, -3 / 5, 3 / 20, -1 / 60]),
        (HERMITE_SIMPSON_SEPARATED, [1, 1 / 2, 1 / 12], [1, -1 / 2, 1 / 12]),
        (HERMITE_SIMPSON_COMPRESSED, [1, 1 / 2, 1 / 12], [1, -1 / 2, 1 / 12]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_stability_function_is_the_pade_approximation_of_the_exponential(scheme, numerator, denominator, z):
    """x⁺ = R(z) x for ẋ = λx, z = λ dt."""
    step = _step(scheme, Scalar(lambda x, u: u * x))
    expected = np.polyval(numerator[::-1], z) / np.polyval(denominator[::-1], z)
    assert step(1.0, z, 1.0)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_halving_the_step_divides_the_error_by_two_to_the_order(scheme):
    """Logistic growth ẋ = x (1 − x), whose solution is 1 / (1 + (1/x₀ − 1) e⁻ᵗ)."""
    step = _step(scheme, Scalar(lambda x, u: x * (1 - x)))
    exact = 1 / (1 + 4 * np.exp(-1.0))
    errors = []
    for intervals in (4, 8):
        x = np.array([0.2])
        for _ in range(intervals):
            x = step(x, 0.0, 1.0 / intervals)
        errors.append(abs(x[0] - exact))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(scheme.order, abs=0.15)


@pytest.mark.parametrize("free", [False, True], ids=["held", "free"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_the_jacobians_are_the_derivatives_of_the_residual(scheme, free):
    dynamics, nodes = RigidSpin(), len(scheme.nodes) if free else 1
    x, dt = ca.SX.sym("x", 7), ca.SX.sym("dt")
    w, u = ca.SX.sym("w", 7 * scheme.inner), ca.SX.sym("u", 3 * nodes)
    given = (dynamics, x, ca.vertsplit(w, 7), ca.vertsplit(u, 3), dynamics.parameters.values, dt)
    G = scheme.residual(*given)
    automatic = ca.Function("automatic", [x, w, u, dt], [G, *(ca.jacobian(G, v) for v in (x, w, u))])
    analytic = ca.Function("analytic", [x, w, u, dt], list(scheme.jacobians(*given)))
    rng = np.random.default_rng(1)
    point = (rng.normal(size=7), rng.normal(size=7 * scheme.inner), rng.normal(size=3 * nodes), 0.3)
    for one, other in zip(automatic(*point), analytic(*point), strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), atol=1e-13)


def test_both_forms_of_hermite_simpson_make_the_same_step():
    dynamics, rng = RigidSpin(), np.random.default_rng(2)
    x, u = np.concatenate([[1.0, 0.0, 0.0, 0.0], rng.normal(size=3)]), rng.normal(size=9)
    steps = [_step(scheme, dynamics, 3)(x, u, 0.2) for scheme in (HERMITE_SIMPSON_SEPARATED, HERMITE_SIMPSON_COMPRESSED)]
    np.testing.assert_allclose(*steps, atol=1e-13)


def test_a_wrong_number_of_controls_is_refused():
    with pytest.raises(ValueError, match="radau-3: 2 controls; give 1 that is held, or 3, one a node"):
        RADAU_3.controls([ca.SX.sym("u")] * 2)
