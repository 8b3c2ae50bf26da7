"""A cart whose physics leaves out a force of the air, with logs of what it does: the fused model itself makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.learning.fused_step import FusedStep
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.model.residual.port import ResidualPort

PERIOD_S = 0.05

Force = Callable[[Array], Array]


@final
class Cart(Dynamics):
    """m v̇ = F: nothing brakes it."""

    name = "cart"
    state_names, state_units = ("position", "velocity"), ("m", "m/s")
    control_names, control_units = ("force",), ("N",)
    manifold = Euclidean(2)

    def __init__(self) -> None:
        self.parameters = Parameters((Parameter("mass", 2.0, "kg", 0.1, 10.0),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u / p[0])


def cart_port() -> ResidualPort:
    """A force on it, by its velocity and the force of its drive."""
    return ResidualPort(
        feature_names=("velocity", "drive"),
        feature_units=("m/s", "N"),
        output_names=("air",),
        output_units=("N",),
        features=lambda x, u, p: ca.vertcat(x[1], u),
        effect=lambda x, u, p, r: ca.vertcat(0, r / p[0]),
        conjugate=("velocity",),
    )


def cart(port: ResidualPort | None = None, measured_starts: bool = True) -> ModelStructure:
    return ModelStructure(
        name="cart",
        description="a cart in the wind",
        dynamics=Cart(),
        measured=("position", "velocity"),
        measurement_std=np.array([1e-3, 1e-3]),
        horizon_s=1.0,
        measured_starts=measured_starts,
        residual_port=port or cart_port(),
    )


def drag(z: Array) -> Array:
    """−0.8 v [N]."""
    return -0.8 * z[:, :1]


def no_force(z: Array) -> Array:
    return np.zeros((len(z), 1))


def cart_log(name: str, seed: int, force: Force = drag, samples: int = 400, noise: float = 0.0, size: float = 2.0) -> Log:
    """The cart under a force that goes up and down at random, measured with white noise."""
    random = np.random.default_rng(seed)
    structure = cart()
    step, p = FusedStep(structure, 1), np.array([2.0])
    controls = size * np.repeat(random.standard_normal(-(-samples // 10)), 10)[:samples, None]
    x = np.zeros((1, 2))
    states = np.zeros((samples, 2))
    for k in range(samples):
        states[k] = x[0]
        # A weak spring of the driver's brings it back, so that it does not run away.
        controls[k] -= 0.5 * x[0, 0]
        z = np.array([[x[0, 1], controls[k, 0]]])
        row = step.rows(controls[k][None, None], np.full((1, 1), PERIOD_S), np.zeros((1, 2)), np.zeros((1, 1)))
        x = step.split(step.advance(x, force(z), row, p)[0])[0]
    measured = states + noise * random.standard_normal(states.shape)
    return whole(name, PERIOD_S * np.arange(samples), measured, controls)
