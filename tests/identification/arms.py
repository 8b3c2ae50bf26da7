"""An arm whose inertias are not those of its model, on a motion that shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.inverse_dynamics import inertial_parameters
from mpc_controller.identification.inverse_dynamics.inertial_data import InertialData
from mpc_controller.identification.inverse_dynamics.inertial_least_squares import InertialLeastSquares
from mpc_controller.identification.inverse_dynamics.inertial_parameters import SIZE
from mpc_controller.identification.inverse_dynamics.inertial_regressor import InertialRegressor
from mpc_controller.model.rigid_body import load_mjcf

MJCF = Path(__file__).parents[2] / "robots/arm/arm.xml"
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
PROBLEM = InertialLeastSquares(load_mjcf(MJCF))
REGRESSOR = PROBLEM.regressor


def motion(samples: int, random: np.random.Generator, speed: float = 1.0) -> tuple[Array, Array, Array]:
    """Angles, rates and accelerations (n, 7) of multisines about the home posture, 500 samples a second."""
    t = np.arange(samples)[:, None] * 2e-3
    q, v, a = np.tile(HOME, (samples, 1)), np.zeros((samples, 7)), np.zeros((samples, 7))
    for harmonic in range(1, 6):
        w = 2 * np.pi * 0.15 * harmonic * speed
        amplitude, phase = random.uniform(0.1, 0.35, 7) / harmonic, random.uniform(0, 2 * np.pi, 7)
        q += amplitude * np.sin(w * t + phase)
        v += amplitude * w * np.cos(w * t + phase)
        a -= amplitude * w**2 * np.sin(w * t + phase)
    return q, v, a


def hidden_truth(random: np.random.Generator, change: float = 0.15, regressor: InertialRegressor = REGRESSOR) -> Array:
    """θ: every pseudo-inertia moved by about `change`, so physical; friction of its own."""
    theta = regressor.nominal.copy()
    for i in range(len(regressor.model.joints)):
        body = slice(SIZE * i, SIZE * (i + 1))
        root = np.linalg.cholesky(inertial_parameters.pseudo_inertia(theta[body]))
        moved = root @ (np.eye(4) + change * random.normal(size=(4, 4)))
        theta[body] = inertial_parameters.parameters_of(moved @ moved.T)
    for k, name in enumerate(regressor.names):
        if name.endswith(("viscous", "coulomb")):
            theta[k] = random.uniform(0.3, 1.5)
    return theta


def measured(theta: Array, samples: int, noise: float, seed: int, regressor: InertialRegressor = REGRESSOR) -> InertialData:
    """A motion with the torques that it takes, and white noise [N m] on them."""
    random = np.random.default_rng(seed)
    q, v, a = motion(samples, random)
    tau = regressor.torques(q, v, a, theta)
    return InertialData(q, v, a, tau + noise * random.normal(size=tau.shape))
