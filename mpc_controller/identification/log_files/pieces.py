"""Stretches of rows: where a mask is true, cut where something starts anew, and around rows that are bad."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mpc_controller.identification.log import Log

Mask: TypeAlias = npt.NDArray[np.bool_]
Pieces: TypeAlias = tuple[tuple[int, int], ...]


def runs(mask: Mask) -> Pieces:
    """First and one-past-last index of every stretch of True."""
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return tuple(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def cut(pieces: Sequence[tuple[int, int]], starts: Mask) -> Pieces:
    """The pieces cut before every row that `starts` (K,) anew, and of 2 rows or more."""
    result: list[tuple[int, int]] = []
    for first, end in pieces:
        edges = [first, *(first + 1 + np.flatnonzero(starts[first + 1 : end])).tolist(), end]
        result += [(a, b) for a, b in pairwise(edges) if b - a >= 2]
    return tuple(result)


def around(pieces: Sequence[tuple[int, int]], bad: Mask) -> Pieces:
    """The pieces without the rows that are `bad` (K,), and of 2 rows or more."""
    result: list[tuple[int, int]] = []
    for first, end in pieces:
        result += [(first + a, first + b) for a, b in runs(~bad[first:end]) if b - a >= 2]
    return tuple(result)


def used_rows(log: Log) -> Mask:
    """Which samples (K,) lie in pieces."""
    mask = np.zeros(len(log.times), dtype=bool)
    for first, end in log.pieces:
        mask[first:end] = True
    return mask
