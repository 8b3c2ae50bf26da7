"""A table on a ball screw whose friction is not the same in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import final

import casadi as ca

from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.inverse_dynamics import InverseDynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameter_file import load_parameters
from mpc_controller.model.parameters import Parameter, Parameters

FORCE_LIMIT = 351.5  # N: 10 V of the drive's input at 35.15 N/V
MIDDLE = 0.12  # m, of the travel in the benchmark's records

# The names and units that the file must have; values and bounds are the file's own.
_EXPECTED = Parameters(
    (
        Parameter("mass", 1.0, "kg"),
        Parameter("viscous", 0.0, "N s/m"),
        Parameter("viscous_asymmetry", 0.0, "N s/m"),
        Parameter("coulomb", 0.0, "N"),
        Parameter("offset", 0.0, "N"),
        Parameter("stiffness", 0.0, "N/m"),
        Parameter("stiction_speed", 1.0, "m/s"),
    )
)


@final
class EmpsDynamics(Dynamics, InverseDynamics):
    """Mass M with viscous friction that depends on the direction, Coulomb friction, and a weak spring.

        M v̇ = F − F_v v − δ v s − F_c s − F_0 − k (q − q_m),    s = tanh(v / v_s)          [N]

    x = (position q [m], velocity v [m/s]);  u = (force F [N], cut off at ±351.5 N);  p = (M, F_v, δ, F_c, F_0, k, v_s), and q_m
    is 0.12 m. Viscous friction is F_v + δ forwards and F_v − δ backwards; without δ, the offset F_0 stands in for it at one
    speed only. k is the slope of the load along the travel (cables, the screw's preload).

    s is smooth enough for Runge-Kutta steps of 1 ms while F_c / (M v_s) < 2000 1/s, which holds for v_s above 0.0002 m/s. With
    0.0005 m/s, the creep of a table that should stand makes 0.7 mm in 25 s. Leaves out presliding, and drift of the offset
    (0.3 N in 25 s). Source: Janot, Gautier, Brunot, "Data set and reference models of EMPS", 2019; their model has no δ and k.
    """

    name = "emps"
    state_names = ("position", "velocity")
    state_units = ("m", "m/s")
    control_names = ("force",)
    control_units = ("N",)
    manifold = Euclidean(2)

    def __init__(self) -> None:
        self.parameters = load_parameters(Path(__file__).with_name("parameters.toml"), _EXPECTED)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        mass, stiction_speed = p[0], p[6]
        return ca.vertcat(x[1], (_force(u) - _load(x, ca.tanh(x[1] / stiction_speed), p)) / mass)

    def equation_error(self, x: ca.SX, xdot: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        """M v̇ + load − F [N] with s = sign(v): at measured speeds v_s is nothing, and so the equation is linear in p."""
        return p[0] * xdot[1] + _load(x, ca.sign(x[1]), p) - _force(u)


def _force(u: ca.SX) -> ca.SX:
    return ca.fmax(-FORCE_LIMIT, ca.fmin(u, FORCE_LIMIT))


def _load(x: ca.SX, direction: ca.SX, p: ca.SX) -> ca.SX:
    """What friction, offset and spring take of the force [N]; direction is s."""
    position, velocity = ca.vertsplit(x)
    _, viscous, asymmetry, coulomb, offset, stiffness, _ = ca.vertsplit(p)
    friction = viscous * velocity + (asymmetry * velocity + coulomb) * direction
    return friction + offset + stiffness * (position - MIDDLE)
