"""Small models with the names and units of the machines that logs come from."""

from __future__ import annotations

import casadi as ca
import numpy as np

from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Manifold, quaternion_multiply
from mpc_controller.model.parameters import Parameter, Parameters


class Cart(Dynamics):
    """m v̇ = force."""

    name = "cart"
    state_names, state_units = ("position", "velocity"), ("m", "m/s")
    control_names, control_units = ("force",), ("N",)
    manifold = Manifold(2)
    parameters = Parameters((Parameter("mass", 1.0, "kg"),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], u[0] / p[0])


class Swing(Dynamics):
    """θ̈ = −k sin θ, without controls."""

    name = "swing"
    state_names, state_units = ("angle", "angular_velocity"), ("rad", "rad/s")
    control_names, control_units = (), ()
    manifold = Manifold(2)
    parameters = Parameters((Parameter("stiffness", 30.0, "1/s²"),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], -p[0] * ca.sin(x[0]))


class Flyer(Dynamics):
    """A body with four motors and a battery, with the states of a quadrotor and one of its motors that is not measured."""

    name = "flyer"
    state_names = (
        *("position_x", "position_y", "position_z"),
        *("quaternion_w", "quaternion_x", "quaternion_y", "quaternion_z"),
        *("velocity_x", "velocity_y", "velocity_z"),
        *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
        "motor",
    )
    state_units = ("m",) * 3 + ("",) * 4 + ("m/s",) * 3 + ("rad/s",) * 3 + ("",)
    control_names = ("pwm_1", "pwm_2", "pwm_3", "pwm_4", "battery_voltage")
    control_units = ("",) * 4 + ("V",)
    manifold = Manifold(14, quaternions=(3,))
    parameters = Parameters((Parameter("thrust", 1.0, "N"),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        spin = quaternion_multiply(ca.vertsplit(x[3:7]), [ca.SX(0), *ca.vertsplit(x[10:13] / 2)])
        push = p[0] * x[13] * u[4]
        return ca.vertcat(x[7:10], *spin, push, push, push, *ca.vertsplit(p[0] * u[:3]), ca.sum1(u[:4]) - x[13])


def cart(measured: tuple[str, ...] = ("position", "velocity"), horizon_s: float = 0.5) -> ModelStructure:
    return ModelStructure("cart", "", Cart(), measured, np.full(len(measured), 1e-3), horizon_s)


def swing() -> ModelStructure:
    return ModelStructure("swing", "", Swing(), ("angle", "angular_velocity"), np.array([1e-3, 1e-2]), 0.5)


def flyer() -> ModelStructure:
    std = np.array([1e-3] * 3 + [2e-3] * 3 + [1e-2] * 3 + [2e-2] * 3)
    return ModelStructure("flyer", "", Flyer(), Flyer.state_names[:13], std, 0.5)
