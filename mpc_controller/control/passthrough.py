"""Believes the sensors, and predicts what they do not see."""

from __future__ import annotations

from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Observation
from mpc_controller.control.estimator import Estimate, Estimator
from mpc_controller.control.gap import Gap
from mpc_controller.control.predictor import Predictor
from mpc_controller.robot import Robot


@final
class Passthrough(Estimator):
    """Measured states as they are; the others one step ahead of the last estimate, under the command that was applied.

    No disturbance. Before the first observation, after a gap of more than `longest_gap_s`, and where a prediction is not
    finite, the unmeasured states are those of `initial_state` (nx,).
    """

    def __init__(self, robot: Robot, predictor: Predictor, initial_state: Array, longest_gap_s: float = 0.25) -> None:
        self._manifold = robot.dynamics.manifold
        self._measured = robot.measured_indices
        self._predictor = predictor
        self._initial_state = np.array(initial_state, dtype=float)
        self._longest_gap_s = longest_gap_s
        self._disturbance = np.zeros(len(robot.dynamics.channels))
        self._nominal_size = robot.dynamics.nominal.np
        self._last: Estimate | None = None

    def update(self, observation: Observation, parameters: Array) -> Estimate:
        state, note = self._predicted(observation, parameters)
        state[self._measured] = observation.measured
        state = self._manifold.normalized(state)
        self._last = Estimate(observation.time_ns, state, self._disturbance.copy(), note=note)
        return self._last

    def reset(self) -> None:
        self._last = None

    def _predicted(self, observation: Observation, parameters: Array) -> tuple[Array, str]:
        if self._last is None:
            return self._initial_state.copy(), ""
        gap = Gap.between(self._last.time_ns, observation.time_ns)
        if note := gap.too_long(self._longest_gap_s):
            return self._initial_state.copy(), note
        p = np.concatenate([parameters[: self._nominal_size], self._disturbance])
        state = self._last.state.copy()
        for _ in range(gap.steps):
            state = self._predictor.step(state, observation.control, p, gap.dt)
        if not np.isfinite(state).all():
            return self._initial_state.copy(), "started anew: the predicted state was not finite"
        return state, ""
