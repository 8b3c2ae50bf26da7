"""Parameters learned while the robot runs: the controller's own filter, with them among its slow states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Observation
from mpc_controller.control.command_delay import CommandDelay
from mpc_controller.control.estimator import Estimate
from mpc_controller.control.extended_kalman_filter import ExtendedKalmanFilter
from mpc_controller.control.predictor import Predictor
from mpc_controller.control.slow_parameters import disturbances_of
from mpc_controller.identification.fit import Estimated, Standing
from mpc_controller.identification.learned_parameters import learned_parameters
from mpc_controller.identification.persistence import PersistenceTest
from mpc_controller.model.integrators import RungeKutta4
from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.robot import Robot

HALF_WIDTHS = 1.96  # standard deviations on either side of a 95 % interval
_SEEN = 0.5  # of its spread: a parameter that is less uncertain is known
_AT_LIMIT = 0.999
_CORRECTED_S = 0.05  # the state's corrections are averaged over so long, against the sensors' noise
_PROBE_S = 1e-3  # a step that is short for every robot


@final
@dataclass(frozen=True)
class OnlineOptions:
    """memory_s: in so long a parameter may wander by its spread. disturbance_memory_s: what the
    parameters do not explain is forgotten as fast; longer lets more be blamed on disturbances, and widens the intervals.
    settle_s: nothing is learned until the plant has followed plans for so long without anything unusual. start_std: by name,
    see `learned_parameters`.
    """

    memory_s: float = 3600.0
    disturbance_memory_s: float = 0.1
    settle_s: float = 0.5
    start_std: Mapping[str, float] | None = None


@final
class OnlineIdentifier:
    """Observations in the order of their time → parameters with intervals.

    The extended Kalman filter of the controller with more slow states: x⁺ = F(x, u, p, d), where the parameters walk slowly,
    ṗ = w, and the disturbance decays, ḋ = −d/τ + w. Both explain the same residuals. They share by time: what stays goes to
    the parameters, what passes within some τ to the disturbance; and what the disturbance may take, of spectral density
    (walk τ)² at rest, is what the interval of a parameter allows for: ± 1.96 walk τ/(slope √T) after T seconds with one
    parameter. A push that stays, in a parameter's own direction (steady wind under a mass), is taken for the parameter.

    Learns only while the plant follows plans, no measurement is rejected, and what the model of the start leaves out is within
    the limits of the disturbances (beyond is what the model knows nothing of: the ground, a wall); and `settle_s` after that.
    What was learned in the last `settle_s` or two before such an event is forgotten. Not learning, it goes on to follow the
    state. A parameter that changes at once, as with a load that is picked up, shows in a disturbance that stays: its standard
    deviation is then raised to the change that this implies.
    """

    def __init__(
        self,
        robot: Robot,
        initial_state: Array,
        names: Sequence[str] = (),
        options: OnlineOptions | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Learn the named parameters of the robot's model, or all that are not known exactly. Compiles their derivatives."""
        self._robot, self._options = robot, options or OnlineOptions()
        memory_s = self._options.disturbance_memory_s
        disturbances = disturbances_of(robot)
        learned = learned_parameters(robot, names, self._options.start_std or {}, self._options.memory_s)
        self.names, self.spread = learned.names, learned.largest_std
        slow = disturbances.decaying(memory_s) + learned
        self._predictor = Predictor(robot.dynamics, RungeKutta4(), report, slow.names)
        self._filter = ExtendedKalmanFilter(robot, self._predictor, initial_state, slow=slow)
        self._delay = CommandDelay(robot.control_delay_s)
        d = robot.dynamics
        self._channels = d.manifold.tangent_indices([d.state_names.index(channel) for channel in d.channels])
        self._places = [d.parameters.index(name) for name in self.names]
        self._limit = _AT_LIMIT * disturbances.upper
        self._corrected = np.zeros(len(self._channels))
        self._persistence = PersistenceTest(disturbances.walk_std * memory_s)
        self._start, self._std = learned.start, learned.start_std
        self.values, self.covariance = learned.start, np.diag(self._std**2)
        self._safe: list[tuple[int, Array, Array]] = []
        self.is_learning = False
        self.held_because = "no plans are followed"
        self.learned_s = 0.0
        self._settled_ns: int | None = None
        self._time_ns = -1

    def update(self, observation: Observation, model: Array) -> None:
        """Take in one sound observation. model (np,): values of the robot's parameters; of those not learned, they count."""
        if observation.time_ns <= self._time_ns:
            self._delay.reset()
        observation = self._delay.observe(observation)
        self.is_learning = self._settled_ns is not None and observation.time_ns >= self._settled_ns
        estimate = self._filter.update(observation, model, learn=self.is_learning)
        assert estimate.learned is not None
        assert estimate.covariance is not None
        self._take(estimate.learned, estimate.covariance[-len(self.names) :, -len(self.names) :])
        reason = self._unusual(observation, estimate, model)
        if self.is_learning:
            self._learned(observation.time_ns, estimate.disturbance, reason)
        self._time_ns = observation.time_ns
        if reason or self._settled_ns is None:
            self.held_because = reason or "plans have just begun"
            self._settled_ns = observation.time_ns + round(1e9 * self._options.settle_s)

    def estimates(self) -> tuple[Estimated, ...]:
        """Every learned parameter with its 95 % interval."""
        own = self._robot.dynamics.nominal.parameters
        return tuple(
            Estimated(
                name, own[name].unit, float(start), float(v), HALF_WIDTHS * float(std), _standing(own[name], v, std, spread)
            )
            for name, start, v, std, spread in zip(self.names, self._start, self.values, self._std, self.spread, strict=True)
        )

    def _take(self, values: Array, covariance: Array) -> None:
        if np.isfinite(values).all() and np.isfinite(covariance).all():
            self.values, self.covariance, self._std = values, covariance, np.sqrt(np.diag(covariance))

    def _learned(self, time_ns: int, disturbance: Array, unusual: str) -> None:
        """After an update that learned: keep it, go back to before anything was unusual, or widen what is contradicted."""
        if unusual:
            if self._safe:
                self._filter.recall(*self._safe[0][1:])
                self._take(*self._safe[0][1:])
            self._safe.clear()
            self._persistence.reset()
            return
        if not self._safe or time_ns - self._safe[-1][0] >= 1e9 * self._options.settle_s:
            self._safe = [*self._safe[-1:], (time_ns, self.values, self.covariance)]
        dt = 1e-9 * (time_ns - self._time_ns)
        self.learned_s += dt
        change = self._persistence.update(disturbance, self._filter.slope[self._channels], dt)
        if change.any():
            self._filter.doubt(np.maximum(change / self._std, 1.0))

    def parameters(self, provenance: Mapping[str, Any]) -> Parameters:
        """All parameters of the robot's model, with values, std and covariance of those that were learned."""
        own, values = self._robot.dynamics.nominal.parameters, dict(zip(self.names, self.values, strict=True))
        std = {p.name: p.std or 0.0 for p in own} | dict(zip(self.names, self._std, strict=True))
        table = [
            replace(p, value=float(values[p.name]), std=float(std[p.name]), source="learned while the robot ran")
            if p.name in values
            else p
            for p in own
        ]
        covariance = np.diag([std[p.name] ** 2 for p in own])
        places = [own.index(name) for name in self.names]
        covariance[np.ix_(places, places)] = 0.5 * (self.covariance + self.covariance.T)
        return Parameters(tuple(table), covariance, provenance)

    def _unusual(self, observation: Observation, estimate: Estimate, model: Array) -> str:
        """Why nothing should be learned now; '' when there is no reason."""
        if not observation.mode.follows_plans:
            return f"no plans are followed, {observation.mode.name}"
        if estimate.note:
            return estimate.note.partition(":")[0]
        is_beyond = np.abs(self._unexplained(observation, estimate, model)) >= self._limit
        return "a disturbance is beyond its limit" if is_beyond.any() else ""

    def _unexplained(self, observation: Observation, estimate: Estimate, model: Array) -> Array:
        """(nd,) what the model of the start leaves out, per second: the disturbance, what was learned, and what not even these
        explain, which the measurements have to correct the state by."""
        dt = 1e-9 * (observation.time_ns - self._time_ns)
        if 0 < dt <= _CORRECTED_S:
            share = dt / _CORRECTED_S
            self._corrected += share * (self._filter.correction[self._channels] / dt - self._corrected)
        learned, start = model.copy(), model.copy()
        learned[self._places], start[self._places] = self.values, self._start
        ends = [self._predictor.step(estimate.state, observation.control, p, _PROBE_S) for p in (learned, start)]
        explained = self._robot.dynamics.manifold.difference(*ends)[self._channels] / _PROBE_S
        return np.asarray(estimate.disturbance + explained + self._corrected)


def _standing(p: Parameter, value: float, std: float, spread: float) -> Standing:
    if std > _SEEN * spread:
        return Standing.PRIOR
    return Standing.IDENTIFIED if p.lower < value < p.upper else Standing.AT_BOUND
