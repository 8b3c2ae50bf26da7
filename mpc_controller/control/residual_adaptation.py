"""Linear residuals that adapt in the loop: recursive least squares on what the estimator calls a disturbance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.dynamics import DisturbedDynamics
from mpc_controller.model.residual.network import Activation, Network
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import ResidualError
from mpc_controller.native.function import NativeFunction


@final
class RecursiveLeastSquares:
    """W (outputs, features) of r ≈ W φ, one sample after the other, the old ones forgotten.

        K = P φ/(λ + φᵀPφ),    W ← W + (r − W φ) Kᵀ,    P ← (P − K φᵀP)/λ,    λ = exp(−dt/memory)

    P never grows beyond `largest` on its diagonal: directions that the motion does not excite keep what they know instead of
    running away when they are excited again. Start: W and P as given. Source: Ljung, System Identification, 1999, 11.2.
    """

    def __init__(self, weights: Array, covariance: Array, memory_s: float, largest: float) -> None:
        features = weights.shape[1]
        if covariance.shape != (features, features):
            raise ValueError(f"RecursiveLeastSquares: {features} features and a covariance of {covariance.shape}")
        if not (memory_s > 0 and largest > 0):
            given = f"memory_s is {memory_s:g} and largest {largest:g}"
            raise ValueError(f"RecursiveLeastSquares: {given}; both must be above 0")
        self.weights, self.covariance = weights.copy(), covariance.copy()
        self._memory_s, self._largest = memory_s, largest

    def update(self, features: Array, outputs: Array, dt: float) -> None:
        """Take in one sample φ (features,), r (outputs,), dt [s] after the last one; what is not finite is left out."""
        if not (np.isfinite(features).all() and np.isfinite(outputs).all()):
            return
        forgetting = np.exp(-dt / self._memory_s)
        along = self.covariance @ features
        gain = along / (forgetting + features @ along)
        self.weights += np.outer(outputs - self.weights @ features, gain)
        covariance = (self.covariance - np.outer(gain, along)) / forgetting
        covariance = (covariance + covariance.T) / 2
        # Scaled from both sides it stays positive definite.
        shrink = np.minimum(1.0, np.sqrt(self._largest / np.maximum(np.diag(covariance), 1e-300)))
        self.covariance = covariance * np.outer(shrink, shrink)


@final
class LinearAdaptation:
    """A linear residual that learns on: numbers in, a Residual of the same shape out, until `restart` with another one.

    What an estimator calls the disturbance is what model and residual together leave over: the label of a sample is

        r = r_now(z) + E⁺ d,    E = ∂(e restricted to the disturbed channels)/∂r

    with e the port's effect and E⁺ its pseudo-inverse. The guard stays as it is: beyond what was seen nothing is corrected, and
    samples there teach nothing. memory_s: how long samples count. trust: variance of the start's weights, relative to the size
    that the guard allows; 0 keeps them for ever. The constructor compiles. ResidualError when the residual is not linear.
    """

    def __init__(
        self,
        residual: Residual,
        dynamics: DisturbedDynamics,
        port: ResidualPort,
        *,
        memory_s: float = 5.0,
        trust: float = 0.1,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        layers = residual.shape.network.layers
        if len(layers) != 1 or layers[0].activation is not Activation.IDENTITY or residual.shape.members != 1:
            raise ResidualError(f"only a linear residual adapts in the loop; this one is of the family {residual.family}")
        if residual.shape.conjugate:
            raise ResidualError("a dissipative residual does not adapt in the loop; learn a linear one without")
        nominal = dynamics.nominal
        self._parameters = nominal.np
        self._function = NativeFunction(_sample(dynamics, port), f"what {nominal.name}'s residual sees", report)
        self._memory_s, self._trust = memory_s, trust
        self.restart(residual)

    def restart(self, residual: Residual) -> None:
        """Learn on from another residual of the same shape."""
        self.residual = residual
        network = residual.networks[0]
        weights = np.hstack([network.weights[0], network.biases[0][:, None]]).astype(float) / residual.guard.bound[:, None]
        start = self._trust * np.eye(len(weights[0]))
        self._squares = RecursiveLeastSquares(weights, start, self._memory_s, max(self._trust, 1e-12))

    def update(self, x: Array, u: Array, parameters: Array, disturbance: Array, dt: float) -> Residual:
        """Take in what was estimated: state (nx,), command (nu,), parameters (np, those of disturbances may follow), and the
        disturbance of each channel (nd,), dt [s] after the last time."""
        z, effect = self._function(x, u, parameters[: self._parameters])
        bound = self.residual.guard.bound
        normalized = (z - self.residual.center) / self.residual.scale
        features = np.append(normalized, 1.0)
        if self._inside(normalized):
            matrix = effect.reshape(len(bound), -1).T * bound
            correction = np.linalg.lstsq(matrix, disturbance, rcond=1e-9)[0]
            now = np.clip(self._squares.weights @ features, -1.0, 1.0)
            self._squares.update(features, now + correction, dt)
            self.residual = replace(self.residual, networks=(self._network(),))
        return self.residual

    def _inside(self, z: Array) -> bool:
        guard = self.residual.guard
        within = (guard.lower <= z).all() and (z <= guard.upper).all()
        return bool(within and z @ guard.precision @ z <= guard.density_limit)

    def _network(self) -> Network:
        weights = self._squares.weights * self.residual.guard.bound[:, None]
        shape = self.residual.shape.network
        return Network(shape, (np.asarray(weights[:, :-1], np.float32),), (np.asarray(weights[:, -1], np.float32),))


def _sample(dynamics: DisturbedDynamics, port: ResidualPort) -> ca.Function:
    """(x, u, p) → z, E column by column."""
    nominal = dynamics.nominal
    x, u, p = ca.SX.sym("x", nominal.nx), ca.SX.sym("u", nominal.nu), ca.SX.sym("p", nominal.np)
    r = ca.SX.sym("r", port.nr)
    manifold = nominal.manifold
    places = [manifold.tangent_indices([nominal.state_names.index(c)])[0] for c in dynamics.channels]
    effect = ca.jacobian(port.effect(x, u, p, r), r)[places, :]
    return ca.Function("sample", [x, u, p], [ca.densify(port.features(x, u, p)), ca.densify(ca.vec(effect))])
