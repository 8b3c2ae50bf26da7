"""Logs as a residual sees them: states along them, the commands that acted, and the rows of every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.control.command_delay import PROVENANCE
from mpc_controller.identification.log import Log, split
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import OutputError
from mpc_controller.identification.windows import DelayedControls, derivative_states, followed_states
from mpc_controller.learning.fused_step import FusedStep
from mpc_controller.learning.options import LearningError


@final
@dataclass(frozen=True, eq=False)
class Track:
    """One log, followed by the physics.

    states (K, nx): the measured ones, the others predicted or differentiated, as identification.windows.followed_states. rows
    (K, nd): FusedStep's data of the step that begins at each sample; controls (K, nu): the mean command over it. seen
    (K, signals): whether the end of the step was measured.
    """

    log: Log
    states: Array
    rows: Array
    controls: Array
    seen: Array

    def starts(self, steps: int, stride: int = 1) -> IntArray:
        """Samples from which `steps` steps stay within a piece."""
        return np.array([k for a, b in self.log.pieces for k in range(a, b - steps, stride)], dtype=np.int64)


@final
class DataSet:
    """Logs of one machine, with what they all need: the fused step, the parameters, the delay. The constructor compiles.

    The structure's dynamics have the identified parameters, whose provenance tells the commands' delay and the sensors' lags.
    """

    def __init__(self, structure: ModelStructure, report: Callable[[str], None] = lambda line: None) -> None:
        self.structure = structure
        table = structure.dynamics.parameters
        self.parameters = np.array([parameter.value for parameter in table])
        self.delay_s = float(table.provenance.get(PROVENANCE, 0.0))
        self.step = FusedStep(structure, 2 if self.delay_s > 0 else 1, report)
        self._fit = OutputError(structure, report, delay=self.delay_s > 0)
        self._theta = self._fit.theta_of(table, self.delay_s)
        self._theta[len(self._fit.unknowns.parameters) + self._fit.unknowns.delay :] = 0.0

    @cached_property
    def known(self) -> IntArray:
        """Entries of the tangent space that are measured, or derivatives of what is."""
        d = self.structure.dynamics
        states = sorted({*self.structure.measured_indices, *derivative_states(self.structure)})
        return np.array(d.manifold.tangent_indices(states), dtype=np.int64)

    def tracks(self, logs: Sequence[Log]) -> list[Track]:
        """Every log, followed."""
        delay = self.delay_s if self.delay_s > 0 else None
        states = followed_states(self._fit.library, self.structure, logs, self._theta, self._fit.held(), delay)
        return [self._track(log, x) for log, x in zip(logs, states, strict=True)]

    def _track(self, log: Log, states: Array) -> Track:
        parts, count = self.step.parts, len(log.times)
        if parts == 1:
            controls, durations = log.controls, log.steps
        else:
            controls, durations, _ = DelayedControls(log).at(self.delay_s)
        acting, lasting = controls.reshape(count, parts, -1), durations.reshape(count, parts)
        mean = (acting * lasting[:, :, None]).sum(axis=1) / lasting.sum(axis=1, keepdims=True)
        after = np.minimum(np.arange(count) + 1, count - 1)
        measured = log.measured[after]
        seen = np.stack([np.isfinite(measured[:, s.columns]).all(axis=1) for s in self.structure.signals], axis=1)
        known = np.nan_to_num(states[after][:, self.structure.measured_indices])
        rows = self.step.rows(acting, lasting, np.where(np.isfinite(measured), measured, known), mean[after])
        return Track(log, states, rows, mean, seen.astype(float))

    def features(self, track: Track, samples: IntArray) -> Array:
        """z (samples, nz) at some samples of a track."""
        x = track.states[samples]
        still = np.zeros((len(x), self.step.ndx))
        return self.step.begin(x, still, track.controls[samples], self.parameters)[0][:, self.step.nx :]

    def steps_of(self, track: Track) -> int:
        """The controller's horizon in samples of a log."""
        return max(1, round(self.structure.horizon_s / track.log.period_s))


def divided(
    structure: ModelStructure, logs: Sequence[Log], validation: Sequence[Log], hold_out: float = 0.0
) -> tuple[list[Log], list[Log]]:
    """Logs to learn from and logs to judge by: those given, else the last one. Never samples of one log in both, unless a share
    `hold_out` of it is asked for, its end. LearningError where nothing is left."""
    if not logs:
        raise LearningError(f"{structure.name}: no log to learn from")
    both = [*logs, *validation]
    digests = [log.digest or log.name for log in both]
    if len(set(digests)) < len(digests) and len({(log.digest or log.name, log.name) for log in both}) < len(both):
        twice = next(log.name for log in both if digests.count(log.digest or log.name) > 1)
        raise LearningError(f"{structure.name}: {twice} is given twice; a log that is learned from cannot judge")
    if hold_out:
        if not 0 < hold_out < 1:
            raise LearningError(f"the share that is held out is {hold_out:g}; it must be between 0 and 1")
        parts = [split(log, 1 - hold_out) for log in logs]
        learned, judged = [a for a, _ in parts if a.pieces], [*(b for _, b in parts if b.pieces), *validation]
    elif validation:
        learned, judged = list(logs), list(validation)
    elif len(logs) > 1:
        learned, judged = list(logs[:-1]), [logs[-1]]
    else:
        raise LearningError(
            f"{structure.name}: one log alone cannot judge what is learned from it; give another one, or hold out a share of it"
        )
    if not learned or not judged:
        raise LearningError(f"{structure.name}: of {len(logs)} logs nothing is left to learn from, or nothing to judge by")
    return learned, judged
