"""Where the search for good signals starts, and its steps."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.excitation.experiment import channel_use, filling
from mpc_controller.identification.excitation.signal import Doublets, Multisine, Shape
from mpc_controller.robot import Channel

_MOST_FREQUENCIES = 12
_BLEND_S = 1.0
_TOTAL_LENGTH = 2.6  # of a doublet, in its lengths
_SPARE = 1.3  # room between doublets for longer ones


def first_shape(channel: Channel, duration_s: float, random: np.random.Generator) -> Shape:
    """A signal that fills its channel's limits: a multisine with Schroeder's phases and amplitudes ∝ 1/f, or doublets of
    random lengths. Source: Schroeder, "Synthesis of low-peak-factor signals", 1970."""
    if channel.shape == "doublets":
        return _first_doublets(channel, duration_s, random)
    low, high = (max(1, round(f * duration_s)) for f in channel.band)
    count = min(_MOST_FREQUENCIES, high - low + 1)
    frequencies = np.unique(np.rint(np.linspace(low, high, count))) / duration_s
    k = np.arange(1, len(frequencies) + 1)
    phases = random.uniform(0, 2 * np.pi) - np.pi * k * (k - 1) / len(k)
    return filling(channel, _multisine(duration_s, frequencies, 1 / frequencies, phases))


def perturbed(channel: Channel, shape: Shape, size: float, random: np.random.Generator) -> Shape:
    """A neighbour: amplitudes, phases or lengths moved by about `size`, and how much of the limits is used, too."""
    share = min(1.0, max(channel_use(channel, shape).values()) * float(np.exp(0.5 * size * random.standard_normal())))
    if isinstance(shape, Multisine):
        waves = np.array(shape.sines) + 1j * np.array(shape.cosines)
        n = len(waves)
        waves = waves * np.exp(size * random.standard_normal(n) + 1j * np.pi * size * random.standard_normal(n))
        moved: Shape = _multisine(shape.duration_s, np.array(shape.frequencies), np.abs(waves), np.angle(waves))
    else:
        assert isinstance(shape, Doublets)
        n = len(shape.starts)
        slot = shape.duration_s / n
        lengths = np.array(shape.lengths) * np.exp(size * random.standard_normal(n))
        heights = np.array(shape.heights) + size * random.standard_normal(n) * max(map(abs, shape.heights))
        moved = _doublets(channel, shape.duration_s, slot * np.arange(n), lengths, heights)
    return filling(channel, moved, share)


def _multisine(duration_s: float, frequencies: np.ndarray, amplitudes: np.ndarray, phases: np.ndarray) -> Multisine:
    sines, cosines = amplitudes * np.cos(phases), amplitudes * np.sin(phases)
    blend_s = min(_BLEND_S, duration_s / 4)
    return Multisine(duration_s, blend_s, *(tuple(map(float, values)) for values in (frequencies, sines, cosines)))


def _first_doublets(channel: Channel, duration_s: float, random: np.random.Generator) -> Shape:
    shortest, longest = _length_range(channel)
    count = max(1, int(duration_s / (_SPARE * _TOTAL_LENGTH * np.sqrt(shortest * longest))))
    lengths = np.exp(random.uniform(np.log(shortest), np.log(longest), count))
    heights = random.choice((-1.0, 1.0), count) * random.uniform(0.5, 1.0, count)
    starts = duration_s / count * np.arange(count)
    return filling(channel, _doublets(channel, duration_s, starts, lengths, heights))


def _doublets(channel: Channel, duration_s: float, starts: np.ndarray, lengths: np.ndarray, heights: np.ndarray) -> Doublets:
    """With lengths that the band and the room between starts have."""
    shortest, longest = _length_range(channel)
    room = duration_s / len(starts) / _TOTAL_LENGTH
    lengths = np.minimum(np.clip(lengths, shortest, longest), room)
    return Doublets(duration_s, *(tuple(map(float, values)) for values in (starts, lengths, heights)))


def _length_range(channel: Channel) -> tuple[float, float]:
    """A quarter of the shortest, half of the longest period [s]."""
    return 0.25 / channel.band[1], 0.5 / channel.band[0]
