"""MuJoCo's own toolbox for identification as a contender."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

import mujoco
import numpy as np

from launch.bench.identification.case import Case
from launch.bench.identification.contender import Contender, Outcome
from launch.bench.peers.box_fddp import PeerError
from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.windows import cut

# What mujoco.sysid imports but for its reports, and the names under which that is installed.
_NEEDS: Final = {"absl": "absl-py", "colorama": "colorama", "tabulate": "tabulate", "yaml": "pyyaml"}
_STILL = 1e-5  # relative fall of the cost that ends a fit: as in OutputError


def _set(spec: Any, name: str, value: float, kind: str) -> None:
    """One value of a model that is about to be compiled."""
    match kind:
        case "mass":
            spec.body(name).mass = value
        case "damping":
            spec.joint(name).damping[0] = value
        case "quadratic damping":
            spec.joint(name).damping[1] = value
        case "friction":
            spec.joint(name).frictionloss = value
        case "offset":
            spec.actuator(name).biasprm[0] = -value
        case "gravity":
            spec.option.gravity[2] = -value
        case "tilt":
            spec.body(name).quat = [math.cos(value / 2), 0, -math.sin(value / 2), 0]


@final
class MujocoSysid(Contender):
    """Rollouts from initial states that are not fitted, differentiated by finite differences, with scipy's trust region.

    Of its optimizers and scalings these are the fastest here; all of them find the same. Positions and rates are compared with
    the rollout's states: its sensors are a step late. Raises PeerError where mujoco.sysid lacks packages.
    """

    name = "mujoco.sysid"

    def __init__(self, case: Case) -> None:
        self._sysid = _toolbox()
        self._case = case
        self._spec = mujoco.MjSpec.from_file(str(case.mjcf))
        self._model = self._spec.compile()
        joint = self._model.joint(0).name
        signals = ((f"{joint}_qpos", self._sysid.SignalType.MjStateQPos), (f"{joint}_qvel", self._sysid.SignalType.MjStateQVel))
        self._signals = {name: (kind, np.array([k])) for k, (name, kind) in enumerate(signals[: len(case.structure.measured)])}

    def fit(self, logs: Sequence[Log], window_s: float) -> Outcome:
        begun = time.process_time()
        residuals = self._sysid.build_residual_fn(
            models_sequences=[self._sequences(logs, window_s)], n_threads=1, resample_true=False
        )
        parameters = self._parameters()
        started = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):  # its scipy prints every iteration
            found, result = self._sysid.optimize(
                parameters, residuals, optimizer="scipy", verbose=False, x_scale="jac", ftol=_STILL
            )
        fit_s = time.process_time() - started
        values = found.as_vector()
        _, half_widths = self._sysid.calculate_intervals(residuals(values, found)[0], result.jac)
        return Outcome(values, half_widths, time.process_time() - begun, fit_s, bool(result.status > 0))

    def open_loop(self, values: Array, log: Log) -> Array:
        parameters = self._parameters()
        parameters.update_from_vector(values)
        model = self._sysid.apply_param_modifiers(parameters, self._spec)
        ((a, b),) = log.pieces
        start = self._start(self._case.states(log)[a])
        (rollout,) = self._sysid.sysid_rollout(model, mujoco.MjData(model), self._control(log, a, b), start)
        path = np.full(len(log.times), np.nan)
        path[a] = self._case.states(log)[a, 0]
        path[a + 1 : b] = rollout.state.data[:, 1]
        return path

    def _parameters(self) -> Any:
        """With the structure's first guess and bounds."""
        found = self._sysid.ParameterDict()
        for name in self._case.structure.estimated:
            p = self._case.structure.dynamics.parameters[name]
            modifier = _modifier(*self._case.parts[name])
            found.add(self._sysid.Parameter(name, p.value, p.lower, p.upper, modifier=modifier))
        return found

    def _sequences(self, logs: Sequence[Log], window_s: float) -> Any:
        """The same windows as OutputError's, each with its time from 0."""
        period = float(np.median([log.period_s for log in logs]))
        longest = max(b - a for log in logs for a, b in log.pieces)
        windows = cut(logs, min(round(window_s / period), longest))
        states = [self._case.states(log) for log in logs]
        return self._sysid.ModelSequences(
            self._case.name,
            self._spec,
            [f"{w.log}-{w.first}" for w in windows],
            [self._start(states[w.log][w.first]) for w in windows],
            [self._control(logs[w.log], w.first, w.end) for w in windows],
            [self._measured(logs[w.log], w.first, w.end) for w in windows],
        )

    def _start(self, state: Array) -> Array:
        return np.asarray(self._sysid.create_initial_state(self._model, state[:1], state[1:], np.zeros(0)))

    def _control(self, log: Log, first: int, end: int) -> Any:
        control = log.controls[first:end] if log.controls.shape[1] else np.zeros((end - first, 1))
        return self._sysid.TimeSeries(log.times[first:end] - log.times[first], control)

    def _measured(self, log: Log, first: int, end: int) -> Any:
        return self._sysid.TimeSeries(log.times[first:end] - log.times[first], log.measured[first:end], self._signals)


def _modifier(kind: str, name: str) -> Callable[[Any, Any], None]:
    return lambda spec, parameter: _set(spec, name, float(parameter.value[0]), kind)


def _toolbox() -> Any:
    """The module mujoco.sysid, which imports even where it is good for nothing."""
    lacking = missing_packages(_NEEDS)
    if lacking:
        raise PeerError(f"mujoco.sysid needs packages that MuJoCo does not bring; pip install {' '.join(lacking)}")
    from mujoco import sysid

    return sysid


def missing_packages(needs: Mapping[str, str]) -> list[str]:
    """Of modules by name → what to install, what is not there."""
    return [package for module, package in needs.items() if importlib.util.find_spec(module) is None]
