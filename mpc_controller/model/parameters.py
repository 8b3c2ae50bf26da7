"""Named numbers with units, bounds and provenance; TOML on disk, a run-time input of every solver."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.unit_slip import likely_meant


class ParameterError(ValueError):
    """A parameter that is missing, unknown, of the wrong type or unit, not finite, or outside its bounds."""


@final
@dataclass(frozen=True)
class Parameter:
    """One number: value in `unit`, lower ≤ value ≤ upper, where it comes from, and its standard deviation if known.

    The value is finite, unless `may_be_infinite`: of the run-time bounds of a constraint, where ±inf is a side that is free.
    """

    name: str
    value: float
    unit: str
    lower: float = -math.inf
    upper: float = math.inf
    description: str = ""
    source: str = ""
    std: float | None = None
    may_be_infinite: bool = False

    def __post_init__(self) -> None:
        if math.isnan(self.lower) or math.isnan(self.upper) or self.lower > self.upper:
            raise ParameterError(f"'{self.name}': bounds [{self.lower:g}, {self.upper:g}] are reversed or not numbers")
        if math.isnan(self.value) or not self.lower <= self.value <= self.upper:
            meant = likely_meant(self.value, self.unit, self.lower, self.upper)
            raise ParameterError(
                f"'{self.name}' is {self.value:g} {self.unit}; it must be in [{self.lower:g}, {self.upper:g}] {self.unit}"
                + ("" if meant is None else f"; did you mean {meant:g} {self.unit}?")
            )
        if math.isinf(self.value) and not self.may_be_infinite:
            raise ParameterError(f"'{self.name}' is {self.value:g} {self.unit}; it must be finite")
        if self.std is not None and not 0 <= self.std < math.inf:
            raise ParameterError(f"'{self.name}': std is {self.std:g}; it must be finite and at least 0")


@final
@dataclass(frozen=True, eq=False)
class Parameters:
    """An ordered table of parameters. Immutable; `with_values` gives a changed copy.

    `covariance` (n, n), when known, is in the order of the table, and symmetric to the last bit. `provenance` says who made
    the values: method, date, files, metrics; free text keys.
    """

    table: tuple[Parameter, ...] = ()
    covariance: Array | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [p.name for p in self.table]
        if len(set(names)) != len(names):
            twice = sorted({n for n in names if names.count(n) > 1})
            raise ParameterError(f"parameters named twice: {twice}")
        if self.covariance is not None:
            _check_covariance(self.covariance, len(names))

    def __eq__(self, other: object) -> bool:
        """The same table, covariance and provenance."""
        if not isinstance(other, Parameters):
            return NotImplemented
        same = self.table == other.table and dict(self.provenance) == dict(other.provenance)
        if self.covariance is None or other.covariance is None:
            return same and self.covariance is other.covariance
        return same and np.array_equal(self.covariance, other.covariance)

    def __hash__(self) -> int:
        return hash(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.table)

    def __contains__(self, name: object) -> bool:
        return any(p.name == name for p in self.table)

    def __getitem__(self, name: str) -> Parameter:
        return self.table[self.index(name)]

    def __add__(self, other: Parameters) -> Parameters:
        """One table after the other; covariance is dropped, as it does not say how the two belong together."""
        return Parameters(self.table + other.table, provenance={**self.provenance, **other.provenance})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.table)

    @property
    def values(self) -> Array:
        """(n,) in the order of the table; a fresh array."""
        return np.array([p.value for p in self.table], dtype=float)

    def as_dict(self) -> dict[str, float]:
        """Values by name."""
        return {p.name: p.value for p in self.table}

    def index(self, name: str) -> int:
        for i, p in enumerate(self.table):
            if p.name == name:
                return i
        raise ParameterError(f"no parameter '{name}'; there are {', '.join(self.names)}")

    def with_values(self, changes: Mapping[str, float]) -> Parameters:
        """A copy with some values replaced; an unknown name or a value outside its bounds is an error."""
        table = list(self.table)
        for name, value in changes.items():
            i = self.index(name)
            table[i] = replace(table[i], value=float(value))
        return Parameters(tuple(table), self.covariance, self.provenance)

    def unpack(self, p: ca.SX) -> dict[str, ca.SX]:
        """The entries of an expression p (n,) by name."""
        return _ByName({name: p[i] for i, name in enumerate(self.names)})


def _check_covariance(covariance: Array, n: int) -> None:
    """ParameterError unless it is (n, n), finite, symmetric and without a negative variance."""
    P = np.asarray(covariance)
    if P.shape != (n, n):
        raise ParameterError(f"covariance has shape {P.shape}; {n} parameters need ({n}, {n})")
    if not np.isfinite(P).all() or (P != P.T).any() or (np.diag(P) < 0).any():
        raise ParameterError("covariance must be finite and symmetric, with a diagonal of at least 0")


class _ByName(dict[str, ca.SX]):
    """Expressions by parameter name; a name that is not there is an error that lists those that are."""

    def __missing__(self, name: str) -> ca.SX:
        raise ParameterError(f"no parameter '{name}'; there are {', '.join(self)}")
