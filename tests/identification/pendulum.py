"""A damped pendulum, hanging at 0, for tests of fits: fast to compile, and everything about it known."""

from __future__ import annotations

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters

TRUTH = np.array([30.0, 0.3, 0.15])


class Pendulum(Dynamics):
    """q̈ = −ω² sin q − b q̇ − c tanh(q̇ / 0.3) + u; p = (ω² [1/s²], b [1/s], c [rad/s²])."""

    name = "pendulum"
    state_names, state_units = ("angle", "rate"), ("rad", "rad/s")
    control_names, control_units = ("torque",), ("rad/s²",)
    manifold = Euclidean(2)

    def __init__(self, values: Array) -> None:
        self.parameters = Parameters(
            (
                Parameter("stiffness", values[0], "1/s²", 1.0, 200.0),
                Parameter("damping", values[1], "1/s", 0.0, 10.0),
                Parameter("friction", values[2], "rad/s²", 0.0, 10.0),
            )
        )

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        q, rate = ca.vertsplit(x)
        return ca.vertcat(rate, -p[0] * ca.sin(q) - p[1] * rate - p[2] * ca.tanh(rate / 0.3) + u)


def structure(values: Array = TRUTH, measured: tuple[str, ...] = ("angle", "rate"), **settings: object) -> ModelStructure:
    std = np.array([0.002, 0.02])[: len(measured)]
    return ModelStructure("pendulum", "for tests", Pendulum(np.asarray(values)), measured, std, 0.5, **settings)  # type: ignore[arg-type]


def swing(
    duration_s: float, x0: tuple[float, float] = (2.5, 0.0), seed: int = 0, period_s: float = 0.01, torque: float = 0.0
) -> Log:
    """A log of TRUTH, by solve_ivp's DOP853: torque · sin(4 t) held from sample to sample, noise as in `structure`."""
    from scipy.integrate import solve_ivp

    times = np.arange(0.0, duration_s, period_s)
    controls = torque * np.sin(4 * times)[:, None]
    states = [np.array(x0)]
    for k in range(len(times) - 1):
        pushed = controls[k, 0]

        def rate(_: float, x: Array, pushed: float = pushed) -> list[float]:
            friction = TRUTH[2] * np.tanh(x[1] / 0.3)
            return [x[1], -TRUTH[0] * np.sin(x[0]) - TRUTH[1] * x[1] - friction + pushed]

        found = solve_ivp(rate, (times[k], times[k + 1]), states[-1], "DOP853", rtol=1e-10, atol=1e-12)
        states.append(found.y[:, -1])
    random = np.random.default_rng(seed)
    noise = np.array([0.002, 0.02]) * random.standard_normal((len(times), 2))
    return whole(f"swing {seed}", times, np.array(states) + noise, controls)
