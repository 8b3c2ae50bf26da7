"""Dynamics, their derivatives and the disturbances on them."""

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.dynamics import DifferentiatedDynamics, DisturbedDynamics, Dynamics, linearized
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters


class Pendulum(Dynamics):
    """q̈ = u − s sin q."""

    name = "pendulum"
    state_names, state_units = ("q", "q_dot"), ("rad", "rad/s")
    control_names, control_units = ("u",), ("rad/s²",)
    manifold = Euclidean(2)
    parameters = Parameters((Parameter("s", 9.0, "1/s²"),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u - p * ca.sin(x[0]))


class SelfMade(DifferentiatedDynamics):
    """A pendulum that gives recognisable derivatives of its own."""

    name = "self-made"
    state_names, state_units = Pendulum.state_names, Pendulum.state_units
    control_names, control_units = Pendulum.control_names, Pendulum.control_units
    manifold = Pendulum.manifold
    parameters = Pendulum.parameters

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return Pendulum().xdot(x, u, p)

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        return self.xdot(x, u, p), 7 * ca.SX.ones(2, 2), 8 * ca.SX.ones(2, 1)


def evaluate(dynamics: Dynamics, x: list[float], u: float, p: list[float]) -> list[np.ndarray]:
    xs, us, ps = ca.SX.sym("x", dynamics.nx), ca.SX.sym("u", dynamics.nu), ca.SX.sym("p", dynamics.np)
    return [m.full() for m in ca.Function("f", [xs, us, ps], list(linearized(dynamics, xs, us, ps)))(x, u, p)]


def test_sizes_follow_from_names():
    pendulum = Pendulum()
    assert (pendulum.nx, pendulum.nu, pendulum.np) == (2, 1, 1)


def test_linearized_gives_the_closed_form():
    f, f_x, f_u = evaluate(Pendulum(), [0.4, -1.0], 2.0, [9.0])
    np.testing.assert_allclose(f.ravel(), [-1.0, 2.0 - 9.0 * np.sin(0.4)])
    np.testing.assert_allclose(f_x, [[0.0, 1.0], [-9.0 * np.cos(0.4), 0.0]])
    np.testing.assert_allclose(f_u.ravel(), [0.0, 1.0])


def test_linearized_believes_dynamics_that_know_their_derivatives():
    _, f_x, f_u = evaluate(SelfMade(), [0.4, -1.0], 2.0, [9.0])
    assert (f_x == 7).all()
    assert (f_u == 8).all()


def test_a_disturbance_adds_to_its_state_and_leaves_the_derivatives():
    disturbed = DisturbedDynamics(Pendulum(), ("q_dot",))
    f, f_x, f_u = evaluate(disturbed, [0.4, -1.0], 2.0, [9.0, 0.25])
    nominal = evaluate(Pendulum(), [0.4, -1.0], 2.0, [9.0])
    np.testing.assert_allclose(f, nominal[0] + [[0.0], [0.25]])
    np.testing.assert_array_equal(f_x, nominal[1])
    np.testing.assert_array_equal(f_u, nominal[2])
    value = disturbed.function()([0.4, -1.0], 2.0, [9.0, 0.25]).full()
    np.testing.assert_allclose(value, f)


def test_disturbances_are_parameters_with_units_and_bounds_and_are_nominally_zero():
    disturbed = DisturbedDynamics(Pendulum(), ("q", "q_dot"), limits=(0.1, 3.0))
    assert disturbed.parameters.names == ("s", "disturbance.q", "disturbance.q_dot")
    parameter = disturbed.parameters["disturbance.q_dot"]
    assert (parameter.value, parameter.unit, parameter.lower, parameter.upper) == (0.0, "rad/s/s", -3.0, 3.0)
    assert disturbed.parameters["s"] == Pendulum.parameters["s"]


def test_a_disturbance_on_a_state_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"disturbance on \['speed'\]; states are \['q', 'q_dot'\]"):
        DisturbedDynamics(Pendulum(), ("q", "speed"))


@pytest.mark.parametrize("limits", [(1.0,), (1.0, 0.0), (1.0, float("nan"))])
def test_disturbance_limits_that_do_not_fit_are_refused(limits):
    with pytest.raises(ValueError, match="2 numbers above 0"):
        DisturbedDynamics(Pendulum(), ("q", "q_dot"), limits)
