"""Integrators: their order against closed forms, their derivatives against differences."""

import casadi as ca
import numpy as np
import pytest
import scipy.linalg

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.integrators import ExplicitEuler, ImplicitMidpoint, Integrator, RungeKutta4
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters

EVERY = [ExplicitEuler(), RungeKutta4(), RungeKutta4(steps=3), ImplicitMidpoint(), ImplicitMidpoint(newton_iterations=6)]


class Oscillator(Dynamics):
    """q̈ = u − k q − c q̇."""

    name = "oscillator"
    state_names, state_units = ("q", "q_dot"), ("m", "m/s")
    control_names, control_units = ("u",), ("m/s²",)
    manifold = Euclidean(2)
    parameters = Parameters((Parameter("k", 4.0, "1/s²"), Parameter("c", 0.3, "1/s")))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u - p[0] * x[0] - p[1] * x[1])


class Bernoulli(Dynamics):
    """ẋ = p x − x², so x(t) = p / (1 + (p/x₀ − 1) e^(−pt))."""

    name = "bernoulli"
    state_names, state_units = ("x",), ("",)
    control_names, control_units = ("u",), ("",)
    manifold = Euclidean(1)
    parameters = Parameters((Parameter("rate", 2.0, "1/s"),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return p * x - x**2 + 0 * u


def step_function(integrator: Integrator, dynamics: Dynamics) -> ca.Function:
    x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
    p, dt = ca.SX.sym("p", dynamics.np), ca.SX.sym("dt")
    return ca.Function("F", [x, u, p, dt], [integrator.step(dynamics, x, u, p, dt)])


def linearize_function(integrator: Integrator, dynamics: Dynamics) -> ca.Function:
    x, u = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu)
    p, dt = ca.SX.sym("p", dynamics.np), ca.SX.sym("dt")
    return ca.Function("F", [x, u, p, dt], list(integrator.linearize(dynamics, x, u, p, dt)))


def final_error(integrator: Integrator, steps: int) -> float:
    """Distance from the closed form after 1 s of the Bernoulli equation."""
    F, x = step_function(integrator, Bernoulli()), 0.3
    for _ in range(steps):
        x = float(F(x, 0.0, 2.0, 1.0 / steps))
    return abs(x - 2.0 / (1 + (2.0 / 0.3 - 1) * np.exp(-2.0)))


@pytest.mark.parametrize(
    ("integrator", "order", "steps"),
    [(ExplicitEuler(), 1, 64), (RungeKutta4(), 4, 16), (RungeKutta4(steps=2), 4, 8), (ImplicitMidpoint(), 2, 32)],
)
def test_halving_the_step_divides_the_error_by_two_to_the_order(integrator, order, steps):
    ratio = final_error(integrator, steps) / final_error(integrator, 2 * steps)
    assert ratio == pytest.approx(2**order, rel=0.1)


def test_runge_kutta_follows_a_driven_oscillator_as_the_matrix_exponential_does():
    k, c, u, dt = 4.0, 0.3, 0.7, 0.01
    A = np.array([[0.0, 1.0, 0.0], [-k, -c, 1.0], [0.0, 0.0, 0.0]])  # the held control as a third state
    exact = (scipy.linalg.expm(A * dt) @ [1.0, -0.5, u])[:2]
    step = step_function(RungeKutta4(), Oscillator())([1.0, -0.5], u, [k, c], dt).full().ravel()
    np.testing.assert_allclose(step, exact, atol=1e-10)


def test_implicit_midpoint_keeps_the_energy_of_an_undamped_oscillator():
    F, x = step_function(ImplicitMidpoint(), Oscillator()), np.array([1.0, 0.0])
    for _ in range(200):
        x = F(x, 0.0, [4.0, 0.0], 0.1).full().ravel()
    assert 4 * x[0] ** 2 + x[1] ** 2 == pytest.approx(4.0, rel=1e-10)


def test_steps_inside_an_interval_are_the_same_as_that_many_intervals():
    once, thrice = step_function(RungeKutta4(), Oscillator()), step_function(RungeKutta4(steps=3), Oscillator())
    x, u, p = np.array([1.0, 0.5]), 0.2, [4.0, 0.3]
    for _ in range(3):
        x = once(x, u, p, 0.1).full().ravel()
    np.testing.assert_allclose(thrice([1.0, 0.5], u, p, 0.3).full().ravel(), x, atol=1e-14)


@pytest.mark.parametrize("integrator", EVERY, ids=repr)
@pytest.mark.parametrize("dynamics", [Oscillator(), Bernoulli()], ids=lambda d: d.name)
def test_sensitivities_agree_with_differences_and_values_with_steps(integrator, dynamics):
    rng = np.random.default_rng(1)
    x, u = rng.uniform(0.1, 1.0, dynamics.nx), rng.uniform(-1.0, 1.0, dynamics.nu)
    p, dt, h = dynamics.parameters.values, 0.1, 1e-6
    F = step_function(integrator, dynamics)
    value, A, B = (m.full() for m in linearize_function(integrator, dynamics)(x, u, p, dt))
    np.testing.assert_allclose(value, F(x, u, p, dt).full(), atol=1e-14)
    for i, e in enumerate(np.eye(dynamics.nx)):
        column = (F(x + h * e, u, p, dt) - F(x - h * e, u, p, dt)).full().ravel() / (2 * h)
        np.testing.assert_allclose(A[:, i], column, atol=1e-6 if isinstance(integrator, ImplicitMidpoint) else 1e-8)
    for i, e in enumerate(np.eye(dynamics.nu)):
        column = (F(x, u + h * e, p, dt) - F(x, u - h * e, p, dt)).full().ravel() / (2 * h)
        np.testing.assert_allclose(B[:, i], column, atol=1e-6 if isinstance(integrator, ImplicitMidpoint) else 1e-8)


def test_counts_below_one_are_refused():
    with pytest.raises(ValueError, match="steps is 0"):
        RungeKutta4(steps=0)
    with pytest.raises(ValueError, match="newton_iterations is 0"):
        ImplicitMidpoint(newton_iterations=0)
