"""Signals that excite: multisines and doublets with their derivatives, at rest before and after."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.polynomial import Polynomial

from mpc_controller.arrays import Array
from mpc_controller.identification.model_structure import IdentificationError

# From 0 to 1 over τ ∈ [0, 1], with three derivatives that vanish at both ends, and those derivatives.
_STEP = Polynomial([0, 0, 0, 0, 35, -84, 70, -20])
_STEPS = tuple(_STEP.deriv(i) if i else _STEP for i in range(4))
_BINOMIALS = ((1,), (1, 1), (1, 2, 1), (1, 3, 3, 1))


def smooth_step(times: Array, start: float, duration: float) -> Array:
    """A step from 0 to 1 between `start` and start + duration [s], with three derivatives: (4, n)."""
    tau = np.clip((times - start) / duration, 0.0, 1.0)
    return np.array([polynomial(tau) / duration**i for i, polynomial in enumerate(_STEPS)])


class Shape(abc.ABC):
    """A signal about 0 over [0, duration_s], at rest outside."""

    duration_s: float

    @abc.abstractmethod
    def motion(self, times: Array) -> Array:
        """Value and three derivatives at times (n,) [s]: (4, n)."""

    @abc.abstractmethod
    def scaled(self, factor: float) -> Shape:
        """The same, larger."""


@final
@dataclass(frozen=True)
class Multisine(Shape):
    """w(t) Σ_k (s_k sin 2π f_k t + c_k cos 2π f_k t), with a window w that opens and closes within `blend_s`.

    frequencies, sines, cosines (k,) [Hz, unit, unit].
    """

    duration_s: float
    blend_s: float
    frequencies: tuple[float, ...]
    sines: tuple[float, ...]
    cosines: tuple[float, ...]

    def __post_init__(self) -> None:
        sizes = {len(self.frequencies), len(self.sines), len(self.cosines)}
        _check_finite("multisine", (self.duration_s, self.blend_s, *self.frequencies, *self.sines, *self.cosines))
        if len(sizes) != 1 or not self.frequencies or min(self.frequencies) <= 0:
            raise IdentificationError("multisine: frequencies, sines and cosines must be as many, and the first above 0 Hz")
        if not 0 < self.blend_s <= self.duration_s / 2:
            raise IdentificationError(
                f"multisine: blend_s is {self.blend_s:g}; it must be in (0, {self.duration_s / 2:g}], half the duration"
            )

    def motion(self, times: Array) -> Array:
        rate = 2 * np.pi * np.array(self.frequencies)
        phase = times[:, None] * rate
        sin, cos = np.sin(phase), np.cos(phase)
        # d/dt turns (s, c) into (−c ω, s ω), one quarter of a turn.
        s, c = np.array(self.sines), np.array(self.cosines)
        waves = []
        for _ in range(4):
            waves.append(sin @ s + cos @ c)
            s, c = -c * rate, s * rate
        window = smooth_step(times, 0.0, self.blend_s)
        window = window - smooth_step(times, self.duration_s - self.blend_s, self.blend_s)
        return np.array(
            [sum(b * window[i - j] * waves[j] for j, b in enumerate(_BINOMIALS[i])) for i in range(4)]  # Leibniz
        )

    def scaled(self, factor: float) -> Multisine:
        sines, cosines = (tuple(factor * v for v in values) for values in (self.sines, self.cosines))
        return Multisine(self.duration_s, self.blend_s, self.frequencies, sines, cosines)


@final
@dataclass(frozen=True)
class Doublets(Shape):
    """One after the other: `heights` (k,) [unit] for `lengths` (k,) [s] as much below 0 for as long, then rest; every change is
    a smooth step within 0.6 of the length. `starts` (k,) [s] are ascending."""

    duration_s: float
    starts: tuple[float, ...]
    lengths: tuple[float, ...]
    heights: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_finite("doublets", (self.duration_s, *self.starts, *self.lengths, *self.heights))
        if not self.starts or not len(self.starts) == len(self.lengths) == len(self.heights):
            raise IdentificationError("doublets: starts, lengths and heights must be as many, and at least one")
        ends = [start + 2.6 * length for start, length in zip(self.starts, self.lengths, strict=True)]
        fits = all(a <= b + 1e-9 for a, b in zip(ends, (*self.starts[1:], self.duration_s), strict=True))
        if min(self.lengths) <= 0 or self.starts[0] < 0 or not fits:
            raise IdentificationError(
                "doublets: each must end, after 2.6 of its length, before the next one or the signal's end"
            )

    def motion(self, times: Array) -> Array:
        total = np.zeros((4, len(times)))
        for start, length, height in zip(self.starts, self.lengths, self.heights, strict=True):
            for factor, delay in ((1.0, 0.0), (-2.0, 1.0), (1.0, 2.0)):
                total += factor * height * smooth_step(times, start + delay * length, 0.6 * length)
        return total

    def scaled(self, factor: float) -> Doublets:
        return Doublets(self.duration_s, self.starts, self.lengths, tuple(factor * h for h in self.heights))


def _check_finite(what: str, values: tuple[float, ...]) -> None:
    if not np.isfinite(values).all():
        raise IdentificationError(f"{what}: all numbers must be finite")
