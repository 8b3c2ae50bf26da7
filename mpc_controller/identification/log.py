"""One recording of one machine on one time base, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import IdentificationError


@final
@dataclass(frozen=True)
class Log:
    """K samples at `times` (K,) [s], strictly ascending, irregular steps welcome.

    measured (K, ny): the measured states of a ModelStructure in its order, NaN where a sensor gave none; quaternions
    (w, x, y, z) have unit length. controls (K, nu): the commands, row k held from times[k] to times[k + 1]. pieces: first and
    one-past-last index of every stretch that is without a gap and fit for use, ascending and apart; what lies between them is
    never predicted across. notes: what was left out and why, in words, with times.
    path and digest (SHA-256): the file.
    """

    name: str
    times: Array
    measured: Array
    controls: Array
    pieces: tuple[tuple[int, int], ...]
    path: Path | None = None
    digest: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.times)
        if self.measured.ndim != 2 or self.controls.ndim != 2 or len(self.measured) != n or len(self.controls) != n:
            raise IdentificationError(
                f"{self.name}: {n} times, measured {self.measured.shape}, controls {self.controls.shape}; one row a time"
            )
        if not np.isfinite(self.times).all() or (np.diff(self.times) <= 0).any():
            at = int(np.argmax(~(np.diff(self.times) > 0)))
            raise IdentificationError(f"{self.name}: time does not run forward at sample {at}, {self.times[at]:g} s")
        if not np.isfinite(self.controls).all():
            raise IdentificationError(f"{self.name}: controls must be finite")
        ends = [0, *(i for piece in self.pieces for i in piece), n]
        if any(a > b for a, b in pairwise(ends)) or any(b - a < 2 for a, b in self.pieces):
            raise IdentificationError(f"{self.name}: pieces {self.pieces} must be ascending, apart and of 2 samples or more")

    @property
    def samples(self) -> int:
        """How many samples lie in pieces."""
        return sum(b - a for a, b in self.pieces)

    @property
    def duration_s(self) -> float:
        """Of all pieces together."""
        return float(sum(self.times[b - 1] - self.times[a] for a, b in self.pieces))

    @property
    def period_s(self) -> float:
        """The median step [s]."""
        return float(np.median(np.diff(self.times)))

    @property
    def steps(self) -> Array:
        """(K,) durations for which the controls are held; the last one like the one before."""
        d = np.diff(self.times)
        return np.append(d, d[-1:])


def whole(name: str, times: Array, measured: Array, controls: Array) -> Log:
    """A log that is one piece, from arrays."""
    return Log(name, times, measured, controls, ((0, len(times)),))


def split(log: Log, fraction: float) -> tuple[Log, Log]:
    """The part of a log before and after a fraction of its samples, for validation where there is one recording only."""
    where = round(fraction * len(log.times))
    before = tuple((a, min(b, where)) for a, b in log.pieces if min(b, where) - a >= 2)
    after = tuple((max(a, where), b) for a, b in log.pieces if b - max(a, where) >= 2)
    first, second = (
        Log(f"{log.name} {part}", log.times, log.measured, log.controls, pieces, log.path, log.digest, log.notes)
        for part, pieces in (("(first part)", before), ("(second part)", after))
    )
    return first, second
