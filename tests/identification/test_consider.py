"""What is held at a wrong value, and how far off that puts what is fitted."""

from __future__ import annotations

import casadi as ca
import numpy as np
import pytest

from mpc_controller.identification.consider import considered
from mpc_controller.identification.identify import IdentifyOptions, output_error
from mpc_controller.identification.log import whole
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters

MASS, STD, DAMPING = 2.0, 0.3, 0.8  # kg, kg, N s/m


class Coasting(Dynamics):
    """A sled that nobody pushes: v̇ = −b v / m. Its motion shows b/m alone."""

    name = "coasting"
    state_names, state_units = ("position", "velocity"), ("m", "m/s")
    control_names, control_units = ("nothing",), ("",)
    manifold = Euclidean(2)

    def __init__(self, std: float | None) -> None:
        self.parameters = Parameters(
            (Parameter("mass", MASS, "kg", 0.1, 10.0, std=std), Parameter("damping", 1.0, "N s/m", 0.0, 10.0))
        )

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], -p[1] * x[1] / p[0])


def _structure(std: float | None) -> ModelStructure:
    return ModelStructure("coasting", "a sled", Coasting(std), ("position",), np.array([1e-4]), horizon_s=1.0, fixed=("mass",))


def _log():
    times = np.arange(0.0, 12.0, 0.02)
    position = 2.0 * MASS / DAMPING * (1 - np.exp(-DAMPING / MASS * times))
    noise = 1e-4 * np.random.default_rng(0).standard_normal(len(times))
    return whole("coasting", times, (position + noise)[:, None], np.zeros((len(times), 1)))


def test_an_estimate_moves_with_what_it_is_relative_to():
    """b̂ = (b/m) m̂: with m̂ a standard deviation lower, b̂ is lower by the same part."""
    fit, log = OutputError(_structure(STD), delay=False), _log()
    options = OutputErrorOptions(threads=1)
    optimum = fit.fit([log], options)
    assert optimum.theta[0] == pytest.approx(DAMPING, rel=1e-3)
    np.testing.assert_allclose(considered(fit, optimum, [log], options), [[-optimum.theta[0] * STD / MASS]], rtol=1e-6)


def test_intervals_hold_what_a_held_parameter_may_do():
    options = IdentifyOptions(output_error=OutputErrorOptions(threads=1), compares_lengths=False)
    known, unsure = (
        output_error(OutputError(_structure(std), delay=False), [_log()], options)[0].estimated[0] for std in (None, STD)
    )
    assert unsure.value == known.value
    assert known.half_width < 0.01 * DAMPING
    assert unsure.half_width > 1.95 * DAMPING * STD / MASS
