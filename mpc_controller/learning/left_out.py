"""What training leaves out in turn, to see when to stop and which outputs help: whole logs, or whole stretches of few logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mpc_controller.identification.log import Log
from mpc_controller.learning.data_set import Track
from mpc_controller.learning.labels import Labels

_FEW = 4  # logs, below which one covers too much of what the others do not
_PARTS = 4

# A name, what is learned from, what is left out, and the labels of what is learned from.
Division: TypeAlias = tuple[str, Sequence[Track], Sequence[Track], Labels]


def divisions(tracks: Sequence[Track], labels: Labels, folds: int) -> list[Division]:
    """At most `folds`: every log in turn, several at once where there are more than that.

    Of fewer than four logs, one shows little of what the others cover, and without it the rest knows little of it. There, a
    quarter of all of them is left out in turn, the last one first; whether other logs profit is left to those that judge.
    """
    if len(tracks) < _FEW:
        return [_without_part(tracks, labels, part) for part in reversed(range(_PARTS - min(folds, _PARTS), _PARTS))]
    groups = np.array_split(np.arange(len(tracks)), min(folds, len(tracks))) if folds else []
    return [
        (
            ", ".join(tracks[k].log.name for k in group),
            [track for k, track in enumerate(tracks) if k not in group],
            [tracks[k] for k in group],
            _chosen(labels, ~np.isin(labels.track, group)),
        )
        for group in groups
    ]


def _without_part(tracks: Sequence[Track], labels: Labels, part: int) -> Division:
    """All tracks without one part of their samples, and that part."""
    name, learned, aside = f"part {part + 1} of {_PARTS}", [], []
    for track in tracks:
        log = track.log
        begin, end = (round(k / _PARTS * log.samples) for k in (part, part + 1))
        others = (*_stretch(log, 0, begin), *_stretch(log, end, log.samples))
        learned.append(replace(track, log=replace(log, name=f"{log.name} without {name}", pieces=others)))
        aside.append(replace(track, log=replace(log, name=f"{log.name} {name}", pieces=_stretch(log, begin, end))))
    when = np.concatenate([np.arange(n) / n for n in np.unique(labels.track, return_counts=True)[1]])
    return name, learned, aside, _chosen(labels, (when * _PARTS).astype(int) != part)


def _stretch(log: Log, begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """Pieces with the samples from one to another, counted among those that are used."""
    found, before = [], 0
    for a, b in log.pieces:
        found.append((max(a, a + begin - before), min(b, a + end - before)))
        before += b - a
    return tuple((a, b) for a, b in found if b - a >= 2)


def _chosen(labels: Labels, chosen: npt.NDArray[np.bool_]) -> Labels:
    return replace(labels, z=labels.z[chosen], r=labels.r[chosen], track=labels.track[chosen])
