"""An extended Kalman filter on the manifold, with a constant disturbance beside the state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaincinv

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Observation
from mpc_controller.control.estimator import Estimate, Estimator
from mpc_controller.control.gap import Gap
from mpc_controller.control.predictor import Predictor
from mpc_controller.robot import Robot


@final
@dataclass(frozen=True)
class FilterOptions:
    """longest_gap_s: without observations for longer, the filter starts anew. gate_probability: a sound measurement passes the
    gate this often. patience: this many rejected measurements in a row are believed after all. command_delay_s: about how much
    later than the model says a change of the command may take hold (0: it never does); actuators and buses commonly take a
    few milliseconds. unmeasured_std (ndx,): of the unmeasured tangent entries at the start; None takes 10 times
    Robot.process_std. disturbance_limit (nd,): |d| is kept within; None takes the bounds of the parameters
    `disturbance.<state>`, and where there are none, 20 times Robot.disturbance_std (a walk of 400 s).
    """

    longest_gap_s: float = 0.25
    gate_probability: float = 1 - 1e-9
    patience: int = 5
    command_delay_s: float = 0.005
    unmeasured_std: Array | None = None
    disturbance_limit: Array | None = None


@final
class ExtendedKalmanFilter(Estimator):
    """State x on the manifold, disturbance d as a random walk; the error e = (δ, d − d̂) lives in R^(ndx+nd).

        predict   x̂ ← F(x̂, u, d̂, dt),  P ← Φ P Φᵀ + Q dt + [B; 0] U [B; 0]ᵀ,    Φ = [A E; 0 I]
                  U ← e^(−Δt/τ) U + Δu Δuᵀ, once an observation: what may not have taken hold yet of the command's changes Δu
        update    y = z ⊟ x̂ (measured tangent entries),  S = H P Hᵀ + R,  K = P Hᵀ S⁻¹
                  x̂ ← x̂ ⊞ K_x y,  d̂ ← d̂ + K_d y,  P ← (I − KH) P (I − KH)ᵀ + K R Kᵀ      (Joseph)

    u is the command that the observation says was applied since the one before; dt is on the plant's clock, so gaps are
    bridged by prediction. A measurement with yᵀS⁻¹y above its χ² bound is rejected, unless too many were in a row. U, with
    τ = `command_delay_s`, keeps a bang-bang command through a delay that the model leaves out from looking like an outlier or
    a disturbance.
    Leaves out the turn of the error's frame at an update, which is of second order. Source: Solà, "Quaternion kinematics for
    the error-state Kalman filter", 2017; Pannocchia, Rawlings, 2003 for the disturbance.
    """

    def __init__(self, robot: Robot, predictor: Predictor, initial_state: Array, options: FilterOptions | None = None) -> None:
        options = options or FilterOptions()
        dynamics = robot.dynamics
        self._manifold = dynamics.manifold
        self._predictor = predictor
        self._options = options
        self._initial_state = np.array(initial_state, dtype=float)
        self._nominal_size = dynamics.nominal.np
        self._n, self._nd, self._nu = self._manifold.ndx, len(dynamics.channels), dynamics.nu
        self._measured = robot.measured_indices
        self._tangent = np.array(self._manifold.tangent_indices([int(i) for i in self._measured]), dtype=np.intp)
        self._R = np.diag(_checked("measurement_std", robot.measurement_std, len(self._tangent)) ** 2)
        process = _checked("process_std", robot.process_std, self._n)
        walk = _checked("disturbance_std", robot.disturbance_std, self._nd)
        self._Q = np.diag(np.concatenate([process, walk]) ** 2)
        self._limit = _disturbance_limit(robot, options, walk)
        self._initial_covariance = self._starting_covariance(10 * process, walk)
        self._gate = 2.0 * float(gammaincinv(len(self._tangent) / 2, options.gate_probability))
        self._identity = np.eye(self._n + self._nd)
        self._time_ns: int | None = None
        self._control = np.zeros(self._nu)
        self._state = self._initial_state.copy()
        self._disturbance = np.zeros(self._nd)
        self._P = self._initial_covariance.copy()
        self._U = np.zeros((self._nu, self._nu))
        self._rejected_in_a_row = 0

    def update(self, observation: Observation, parameters: Array) -> Estimate:
        note = self._predict(observation, parameters)
        if self._time_ns is None:
            self._start(observation)
        else:
            note = note or self._correct(observation)
        self._time_ns, self._control = observation.time_ns, observation.control
        return Estimate(observation.time_ns, self._state.copy(), self._disturbance.copy(), self._P.copy(), note)

    def reset(self) -> None:
        self._time_ns = None
        self._control = np.zeros(self._nu)
        self._state = self._initial_state.copy()
        self._disturbance = np.zeros(self._nd)
        self._P = self._initial_covariance.copy()
        self._U = np.zeros((self._nu, self._nu))
        self._rejected_in_a_row = 0

    def _predict(self, observation: Observation, parameters: Array) -> str:
        """Carry state and covariance to the observation's time; a gap too long to bridge resets."""
        if self._time_ns is None:
            return ""
        gap = Gap.between(self._time_ns, observation.time_ns)
        if note := gap.too_long(self._options.longest_gap_s):
            self.reset()
            return note
        self._change_command(observation.control - self._control, gap.seconds)
        n = self._n
        p = np.concatenate([parameters[: self._nominal_size], self._disturbance])
        for _ in range(gap.steps):
            self._state, A, B, E = self._predictor.linearize(self._state, observation.control, p, gap.dt)
            transition = self._identity.copy()
            transition[:n, :n], transition[:n, n:] = A, E
            self._P = transition @ self._P @ transition.T + gap.dt * self._Q
            self._P[:n, :n] += B @ self._U @ B.T
        return ""

    def _change_command(self, change: Array, gap_s: float) -> None:
        """Covariance (nu, nu) of the part of the command that may not act yet."""
        delay_s = self._options.command_delay_s
        if delay_s > 0:
            self._U = np.exp(-gap_s / delay_s) * self._U + np.outer(change, change)

    def _correct(self, observation: Observation) -> str:
        """Weigh prediction against measurement; returns what is worth telling."""
        P, idx = self._P, self._tangent
        z = self._state.copy()
        z[self._measured] = observation.measured
        y = self._manifold.difference(z, self._state)[idx]
        S = P[np.ix_(idx, idx)] + self._R
        weighted = np.linalg.solve(S, np.column_stack([P[idx], y]))
        distance = float(y @ weighted[:, -1])
        if not distance <= self._gate:
            return self._reject(observation, distance)
        self._rejected_in_a_row = 0
        K = weighted[:, :-1].T
        correction = K @ y
        self._state = self._manifold.normalized(self._manifold.retract(self._state, correction[: self._n]))
        self._disturbance = np.clip(self._disturbance + correction[self._n :], -self._limit, self._limit)
        rest = self._identity.copy()
        rest[:, idx] -= K
        P = rest @ P @ rest.T + K @ self._R @ K.T
        self._P = 0.5 * (P + P.T)
        return ""

    def _reject(self, observation: Observation, distance: float) -> str:
        """Go on with the prediction; after `patience` in a row, believe the sensors and keep the rest."""
        self._rejected_in_a_row += 1
        if self._rejected_in_a_row < self._options.patience:
            return f"measurement rejected: squared distance {distance:.3g} above {self._gate:.3g}"
        self._start(observation)
        return f"started anew: {self._options.patience} measurements in a row contradicted the prediction"

    def _start(self, observation: Observation) -> None:
        """Measured states from the sensors, the others as they are, and little trust in either."""
        if not np.isfinite(self._state).all():
            self.reset()
        self._state[self._measured] = observation.measured
        self._state = self._manifold.normalized(self._state)
        self._P = self._initial_covariance.copy()
        self._U = np.zeros((self._nu, self._nu))
        self._rejected_in_a_row = 0

    def _starting_covariance(self, unmeasured: Array, walk: Array) -> Array:
        if self._options.unmeasured_std is not None:
            unmeasured = _checked("unmeasured_std", self._options.unmeasured_std, self._n)
        std = unmeasured.copy()
        std[self._tangent] = np.sqrt(np.diag(self._R))
        return np.diag(np.concatenate([std, walk]) ** 2)


def _disturbance_limit(robot: Robot, options: FilterOptions, walk: Array) -> Array:
    """(nd,) the largest |d| of each channel."""
    if options.disturbance_limit is not None:
        return _checked("disturbance_limit", options.disturbance_limit, len(walk))
    table = [robot.dynamics.parameters[f"disturbance.{channel}"] for channel in robot.dynamics.channels]
    bounds = np.array([min(-q.lower, q.upper) for q in table], dtype=float)
    return np.where(np.isfinite(bounds), bounds, 20.0 * walk)


def _checked(name: str, std: Array, size: int) -> Array:
    values = np.asarray(std, dtype=float)
    if values.shape != (size,) or not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError(f"estimator: {name} is {std}; it must be {size} finite numbers of at least 0")
    return values
