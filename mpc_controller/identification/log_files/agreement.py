"""Whether measured states move as the measured rates say: finds wrong units, signs, and orders or directions of quaternions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.noise import noise_of
from mpc_controller.identification.log_files.rates import known_rates, measured_states, tangent_rates
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure, Signal

_SPAN = 0.1  # of the horizon
_FEWEST_STEPS, _FEWEST_SPANS = 4, 20
# Motion counts when it is so many standard deviations of the sensor's noise; a part of it may be noise of the rates.
_MOTION = 10.0
# Correlation with what the rates say: below the first a signal is something else, above the last its scale can be judged.
_STRANGER, _POOR, _CLEAR = 0.3, 0.7, 0.9
_SCALE = 1.5
_SLIPS = ((180 / np.pi, "degrees"), (1e3, "thousandths"), (60 / (2 * np.pi), "rpm"), (2 * np.pi, "revolutions"))


@final
@dataclass(frozen=True)
class _Moved:
    """Changes (n,) of one tangent entry over short spans, as measured and as the rates say, and the noise of the first."""

    name: str
    unit: str
    measured: Array
    expected: Array
    noise: float

    @property
    def correlation(self) -> float:
        norms = float(np.linalg.norm(self.measured) * np.linalg.norm(self.expected))
        return float(self.measured @ self.expected) / norms if norms > 0 else 0.0

    @property
    def scale(self) -> float:
        """Measured by expected."""
        norm = float(np.linalg.norm(self.expected))
        return float(np.linalg.norm(self.measured)) / norm if norm > 0 else np.inf


def check_agreement(log: Log, structure: ModelStructure) -> Log:
    """Compare every measured state whose derivative is made of measured states alone, whatever the parameters are.

    Such are a position and its velocity, an attitude and its body rates. Raises where one runs against, or far from, the other.
    """
    notes = []
    for moved in _moved(log, structure):
        large, small = (f(np.sqrt(np.mean(v**2)) for v in (moved.measured, moved.expected)) for f in (max, min))
        if large < _MOTION * moved.noise:
            continue
        c, who = moved.correlation, f"{log.name}: '{moved.name}'"
        if c < -_POOR:
            why = "is a sign, or the direction of a quaternion, wrong?"
            raise IdentificationError(f"{who} moves against its measured rate (correlation {c:.2f}); {why}")
        if c > _CLEAR and not 1 / _SCALE < moved.scale < _SCALE:
            raise IdentificationError(
                f"{who} moves {moved.scale:.4g} times as far as its measured rate says{_slip(moved.scale)}"
            )
        if small < _MOTION * moved.noise and c < _STRANGER:
            still = (
                "stands still while its measured rate does not" if moved.scale < 1 else "moves while its measured rate does not"
            )
            raise IdentificationError(f"{who} {still}")
        if c < _STRANGER:
            why = "are columns, or the order of a quaternion, wrong?"
            raise IdentificationError(f"{who} does not move as its measured rate says (correlation {c:.2f}); {why}")
        if c < _POOR:
            notes.append(f"'{moved.name}' moves only roughly as its measured rate says (correlation {c:.2f})")
    return replace(log, notes=(*log.notes, *notes))


def _slip(scale: float) -> str:
    for factor, what in _SLIPS:
        if abs(scale / factor - 1) < 0.1:
            return f": is it in {what}?"
        if abs(scale * factor - 1) < 0.1:
            return f": is its rate in {what}?"
    return "; one of their units must be wrong"


def _moved(log: Log, structure: ModelStructure) -> Iterator[_Moved]:
    """Every tangent entry that can be compared."""
    known = known_rates(structure)
    if not any(known.values()) or not log.pieces:
        return
    manifold = structure.dynamics.manifold
    states = measured_states(log, structure)
    rates = tangent_rates(structure, states)
    steps = max(_FEWEST_STEPS, round(_SPAN * structure.horizon_s / log.period_s))
    starts = np.concatenate([np.arange(a, b - steps, steps) for a, b in log.pieces])
    area = np.diff(log.times)[:, None] * (rates[1:] + rates[:-1]) / 2
    # No running sum: one NaN would be in all that follows.
    expected = np.array([area[k : k + steps].sum(axis=0) for k in starts.tolist()]).reshape(-1, area.shape[1])
    measured = manifold.difference(states[starts + steps], states[starts])
    tangent = structure.tangent_indices
    for signal in structure.signals:
        noise = noise_of(log, structure, signal)
        for place, at in enumerate(signal.tangent):
            sound = np.isfinite(measured[:, tangent[at]]) & np.isfinite(expected[:, tangent[at]])
            if known[signal.name] and np.count_nonzero(sound) >= _FEWEST_SPANS:
                yield _Moved(
                    _entry(structure, signal, place),
                    signal.unit,
                    measured[sound, tangent[at]],
                    expected[sound, tangent[at]],
                    noise,
                )


def _entry(structure: ModelStructure, signal: Signal, place: int) -> str:
    """The name of a state, or of an axis of an attitude."""
    if len(signal.columns) == len(signal.tangent):
        return structure.measured[signal.columns[place]]
    return f"{signal.name} about {'xyz'[place]}"
