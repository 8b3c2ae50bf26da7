"""Values of a network's graph as affine functions of what its activations give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.network import Activation


class Special(StrEnum):
    """What gives numbers, but is no activation: the network's input, and parts of gelu, which only together become one."""

    INPUT = "input"
    ERF = "erf"
    SQUARE = "square"
    CUBE = "cube"


@final
@dataclass(frozen=True, eq=False)
class Source:
    """σ(argument) (size,), or the network's input; `name` says in errors which node of the graph it is. alpha as LayerShape."""

    size: int
    kind: Activation | Special
    argument: Affine | None = None
    name: str = ""
    alpha: float | None = None


@final
@dataclass(frozen=True, eq=False)
class Affine:
    """Σ_k A_k y_k + c (n,) with matrices A_k (n, size of y_k) of sources y_k, in double precision."""

    terms: Mapping[Source, Array]
    offset: Array

    @property
    def size(self) -> int:
        return len(self.offset)

    def through(self, matrix: Array, offset: Array | None = None) -> Affine:
        """matrix · this + offset."""
        moved = matrix @ self.offset
        return Affine({s: matrix @ A for s, A in self.terms.items()}, moved if offset is None else moved + offset)

    def scaled(self, factors: Array | float) -> Affine:
        """Entry by entry, times one number or (n,) of them."""
        factors = np.broadcast_to(np.asarray(factors, float), (self.size,))
        return Affine({s: factors[:, None] * A for s, A in self.terms.items()}, factors * self.offset)

    def shifted(self, offset: Array | float) -> Affine:
        return Affine(self.terms, self.offset + offset)

    def spread(self, n: int) -> Affine:
        """One number as n equal ones; (n,) as it is."""
        return self if self.size == n else self.through(np.ones((n, 1)))

    def plus(self, other: Affine) -> Affine:
        terms = dict(self.terms)
        for source, A in other.terms.items():
            terms[source] = terms[source] + A if source in terms else A
        return Affine(terms, self.offset + other.offset)

    def is_just_a_source(self) -> bool:
        return len(self.terms) == 1 and not self.offset.any() and is_identity(next(iter(self.terms.values())))

    def as_multiple(self) -> tuple[Source, float] | None:
        """The one source y and the number s where this is s y + c; None where it is something else."""
        if len(self.terms) != 1:
            return None
        ((source, A),) = self.terms.items()
        return (source, float(A[0, 0])) if is_identity(A, float(A[0, 0])) else None

    def ratio_to(self, other: Affine) -> float | None:
        """t where this is t · other, to rounding; None where there is no such number."""
        if self.size != other.size or self.terms.keys() != other.terms.keys():
            return None
        mine = np.concatenate([self.offset, *(A.ravel() for A in self.terms.values())])
        its = np.concatenate([other.offset, *(other.terms[s].ravel() for s in self.terms)])
        largest = int(np.argmax(np.abs(its)))
        if not its[largest]:
            return None
        ratio = float(mine[largest] / its[largest])
        return ratio if np.allclose(mine, ratio * its, rtol=1e-5, atol=1e-7 * abs(mine[largest])) else None


def source_itself(source: Source) -> Affine:
    return Affine({source: np.eye(source.size)}, np.zeros(source.size))


def is_identity(matrix: Array, times: float = 1.0) -> bool:
    return matrix.shape[0] == matrix.shape[1] and bool(np.array_equal(matrix, times * np.eye(len(matrix))))
