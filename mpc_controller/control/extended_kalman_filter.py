"""An extended Kalman filter on the manifold, with slow parameters beside the state: constant disturbances, or more."""

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
from mpc_controller.control.slow_parameters import SlowParameters, checked_std, disturbances_of
from mpc_controller.native.residual_code import PackedResidual
from mpc_controller.robot import Robot


@final
@dataclass(frozen=True)
class FilterOptions:
    """longest_gap_s: without observations for longer, the filter starts anew. gate_probability: a sound measurement passes the
    gate this often. patience: this many rejected measurements in a row are believed after all. command_delay_s: about how much
    later than the model says a change of the command may take hold (0: it never does); actuators and buses commonly take a
    few milliseconds. unmeasured_std (ndx,): of the unmeasured tangent entries at the start; None takes 10 times
    Robot.process_std. disturbance_limit (nd,): |d| is kept within; None takes the bounds of the parameters
    `disturbance.<state>`, and where there are none, 20 times Robot.disturbance_std (a walk of 400 s). calm_command_s: the
    command is averaged over so long for the derivatives by learned parameters.
    """

    longest_gap_s: float = 0.25
    gate_probability: float = 1 - 1e-9
    patience: int = 5
    command_delay_s: float = 0.005
    unmeasured_std: Array | None = None
    disturbance_limit: Array | None = None
    calm_command_s: float = 0.1


@final
class ExtendedKalmanFilter(Estimator):
    """State x on the manifold, slow parameters s (those of `slow`; the disturbances, as walks, when None); the error
    e = (δ, s − ŝ) lives in R^(ndx+n).

        predict   x̂ ← F(x̂, u, ŝ, dt),  ŝ ← D ŝ,  P ← Φ P Φᵀ + Q dt + [B; 0] U [B; 0]ᵀ,    Φ = [A E; 0 D],  D = e^(−dt/τ)
                  U ← e^(−dt/τ) U + Δu Δuᵀ: what may not have taken hold yet of the command's changes Δu
        update    y = z ⊟ x̂ (measured tangent entries),  S = H P Hᵀ + R,  K = P Hᵀ S⁻¹
                  x̂ ← x̂ ⊞ K_x y,  ŝ ← ŝ + K_s y,  P ← (I − KH) P (I − KH)ᵀ + K R Kᵀ      (Joseph)

    u is the command that the observation says was applied since the one before; dt is on the plant's clock, so gaps are
    bridged by prediction, tick by tick of the plant with that command: the errors B U Bᵀ of n ticks grow with n as they would
    had no observation been lost, not with its square as those of one long step. A measurement with yᵀS⁻¹y above its χ² bound
    is rejected, unless too many were in a row. U, with τ = `command_delay_s`, keeps a bang-bang command through a delay that
    the model leaves out from looking like an outlier or a disturbance.

    When other parameters than s change, or a learned residual, the disturbance d changes with them, so that F(x̂, u, p, dt)
    stays where it was: what d made up for is not made up for twice. Learned parameters (SlowParameters) stand still in an
    `update` that must not learn: their rows of K are 0, which the Joseph form takes (Schmidt's consider filter), so that P is
    still that of the errors made. Their columns of E are taken at the averaged command ū, ū' = (u − ū)/`calm_command_s`: a
    controller feeds the sensors' noise back into u, so that ∂F/∂s at u shares noise with x̂ and pulls ŝ to where the two
    cancel, far from the truth where gains are high. At ū it does not, as an instrument; for a first-order average ⟨ū, u⟩ = ⟨ū,
    ū⟩, so the gain is right, too.

    `predictor` must differentiate by the names of `slow`. Leaves out the turn of the error's frame at an update, which is of
    second order. Source: Solà, "Quaternion kinematics for the error-state Kalman filter", 2017; Pannocchia, Rawlings, 2003 for
    the disturbance.
    """

    def __init__(
        self,
        robot: Robot,
        predictor: Predictor,
        initial_state: Array,
        options: FilterOptions | None = None,
        slow: SlowParameters | None = None,
    ) -> None:
        options = options or FilterOptions()
        dynamics = robot.dynamics
        slow = slow or disturbances_of(robot, options.disturbance_limit)
        if slow.names != predictor.slow:
            raise ValueError(f"estimator: the slow parameters are {slow.names}, the predictor's derivatives {predictor.slow}")
        self._manifold = dynamics.manifold
        self._predictor = predictor
        self._options, self._slow_model = options, slow
        self._initial_state = np.array(initial_state, dtype=float)
        self._n, self._nd, self._nu = self._manifold.ndx, len(dynamics.channels), dynamics.nu
        self._measured = robot.measured_indices
        self._tick_s = 1 / robot.plant_rate_hz
        self._tangent = np.array(self._manifold.tangent_indices([int(i) for i in self._measured]), dtype=np.intp)
        self._R = np.diag(checked_std("measurement_std", robot.measurement_std, len(self._tangent)) ** 2)
        process = checked_std("process_std", robot.process_std, self._n)
        self._Q = np.diag(np.concatenate([process, slow.walk_std]) ** 2)
        self._places = np.array([dynamics.parameters.index(name) for name in slow.names], dtype=np.intp)
        self._others = np.setdiff1d(np.arange(dynamics.np), self._places)
        self._learned = self._n + np.flatnonzero(slow.is_learned)
        self._largest_variance = slow.largest_std[slow.is_learned] ** 2
        self._initial_covariance = self._starting_covariance(10 * process, slow.start_std)
        self._gate = 2.0 * float(gammaincinv(len(self._tangent) / 2, options.gate_probability))
        self._identity = np.eye(self._n + len(slow.names))
        self._time_ns: int | None = None
        self._other_parameters: Array | None = None
        self._residual: PackedResidual | None = None
        self._calm_control: Array | None = None
        self._state, self._slow = self._initial_state, slow.start
        self._P, self._U = self._initial_covariance, np.zeros((self._nu, self._nu))
        self.reset()

    def update(self, observation: Observation, parameters: Array, learn: bool = True) -> Estimate:
        note = self._predict(observation, parameters, learn)
        if self._time_ns is None:
            self._start(observation)
        else:
            note = note or self._correct(observation, learn)
        self._time_ns, self._control = observation.time_ns, observation.control
        disturbance, learned = self._slow[: self._nd].copy(), self._slow[self._nd :].copy()
        return Estimate(observation.time_ns, self._state.copy(), disturbance, self._P.copy(), note, learned)

    @property
    def correction(self) -> Array:
        """(ndx,) of the state by the last measurement."""
        return self._correction

    @property
    def slope(self) -> Array:
        """(ndx, learned) the derivatives of ẋ, in the tangent space, by what is learned."""
        return self._slope

    def doubt(self, scale: Array) -> None:
        """Multiply the standard deviations of what is learned by `scale` (learned,); they stay within the largest."""
        self._P[self._learned] *= scale[:, None]
        self._P[:, self._learned] *= scale
        self._bound_covariance()

    def recall(self, learned: Array, covariance: Array) -> None:
        """Go back to what was learned, with its covariance (learned, learned)."""
        self._slow[self._learned - self._n] = learned
        self._P[self._learned], self._P[:, self._learned] = 0.0, 0.0
        self._P[np.ix_(self._learned, self._learned)] = covariance

    def reset(self) -> None:
        self._slow = self._slow_model.start.copy()
        self._P = self._initial_covariance.copy()
        self._forget()

    def _forget(self) -> None:
        """All but what was learned."""
        self._time_ns = None
        self._control = np.zeros(self._nu)
        self._other_parameters, self._residual = None, None
        self._calm_control = None
        self._slope = np.zeros((self._n, len(self._learned)))
        self._correction = np.zeros(self._n)
        self._state = self._initial_state.copy()
        self._slow = np.where(self._slow_model.is_learned, self._slow, self._slow_model.start)
        self._distrust()

    def _predict(self, observation: Observation, parameters: Array, learn: bool) -> str:
        """Carry state and covariance to the observation's time; a gap too long to bridge resets."""
        if self._time_ns is None:
            return ""
        gap = Gap.between(self._time_ns, observation.time_ns, self._tick_s)
        if note := gap.too_long(self._options.longest_gap_s):
            self._forget()
            return note
        change = observation.control - self._control
        n, p = self._n, parameters.copy()
        p[self._places] = self._slow
        self._change_parameters(observation.control, p, gap.dt)
        decay = np.exp(-gap.dt / self._slow_model.time_constant_s)
        Q = gap.dt * self._Q
        if not learn:
            Q[self._learned, self._learned] = 0.0
        for _ in range(gap.steps):
            self._change_command(change, gap.dt)
            change = np.zeros(self._nu)
            p[self._places] = self._slow
            x_next, A, B, E = self._predictor.linearize(self._state, observation.control, p, gap.dt)
            self._calm_slope(E, observation.control, p, gap.dt)
            self._state = x_next
            transition = self._identity.copy()
            transition[:n, :n], transition[:n, n:] = A, E
            transition[n:, n:] *= decay
            self._slow = decay * self._slow
            self._P = transition @ self._P @ transition.T + Q
            self._P[:n, :n] += B @ self._U @ B.T
        self._bound_covariance()
        return ""

    def _change_command(self, change: Array, dt: float) -> None:
        """Covariance (nu, nu) of the part of the command that may not act yet, `dt` after the last time."""
        delay_s = self._options.command_delay_s
        if delay_s > 0:
            self._U = np.exp(-dt / delay_s) * self._U + np.outer(change, change)

    def _change_parameters(self, control: Array, p: Array, dt: float) -> None:
        """Give the disturbance what a change of the other parameters takes from it: F(x̂, u, p, dt) stays where it was."""
        last, self._other_parameters = self._other_parameters, p[self._others]
        last_residual, self._residual = self._residual, self._predictor.residual
        is_same = last is not None and np.array_equal(last, self._other_parameters) and last_residual is self._residual
        if last is None or is_same or dt <= 0 or self._nd == 0:
            return
        before = p.copy()
        before[self._others] = last
        after_step, _, _, E = self._predictor.linearize(self._state, control, p, dt)
        before_step = self._predictor.step(self._state, control, before, dt, last_residual)
        lost = self._manifold.difference(before_step, after_step)
        if np.isfinite(lost).all():
            d, nd = self._slow.copy(), self._nd
            d[:nd] += np.linalg.lstsq(E[:, :nd], lost, rcond=None)[0]
            self._slow = np.clip(d, self._slow_model.lower, self._slow_model.upper)
            p[self._places] = self._slow

    def _calm_slope(self, E: Array, control: Array, p: Array, dt: float) -> None:
        """Put derivatives at the averaged command into the learned columns of E."""
        columns = self._learned - self._n
        if len(columns):
            last = control if self._calm_control is None else self._calm_control
            self._calm_control = last - np.expm1(-dt / self._options.calm_command_s) * (control - last)
            E[:, columns] = self._predictor.linearize(self._state, self._calm_control, p, dt)[3][:, columns]
            self._slope = E[:, columns] / dt

    def _bound_covariance(self) -> None:
        """What is learned is not less certain than it may be: rows and columns shrink, so P stays a covariance."""
        if len(self._learned):
            ratio = self._largest_variance / np.diag(self._P)[self._learned]
            if ratio.min() < 1.0:
                scale = np.sqrt(np.minimum(ratio, 1.0))
                self._P[self._learned] *= scale[:, None]
                self._P[:, self._learned] *= scale

    def _correct(self, observation: Observation, learn: bool) -> str:
        """Weigh prediction against measurement; returns what is worth telling."""
        P, idx = self._P, self._tangent
        self._correction = np.zeros(self._n)
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
        if not learn:
            K[self._learned] = 0.0
        correction = K @ y
        self._correction = correction[: self._n]
        self._state = self._manifold.normalized(self._manifold.retract(self._state, correction[: self._n]))
        self._slow = np.clip(self._slow + correction[self._n :], self._slow_model.lower, self._slow_model.upper)
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
        self._distrust()

    def _distrust(self) -> None:
        """The covariance of the start, but for what was learned."""
        block, kept = np.ix_(self._learned, self._learned), self._P
        self._P = self._initial_covariance.copy()
        if np.isfinite(kept).all():
            self._P[block] = kept[block]
        self._U = np.zeros((self._nu, self._nu))
        self._rejected_in_a_row = 0

    def _starting_covariance(self, unmeasured: Array, slow: Array) -> Array:
        if self._options.unmeasured_std is not None:
            unmeasured = checked_std("unmeasured_std", self._options.unmeasured_std, self._n)
        std = unmeasured.copy()
        std[self._tangent] = np.sqrt(np.diag(self._R))
        return np.diag(np.concatenate([std, slow]) ** 2)
