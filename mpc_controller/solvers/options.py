"""What a solver's constructor refuses: one line an option, one wording for all solvers."""

from __future__ import annotations

import numbers
from collections.abc import Sequence


def check_count(solver: str, **options: int) -> None:
    """ValueError for an option that is no whole number of at least 1."""
    for name, value in options.items():
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{solver}: {name} is {value!r}; it must be a whole number of at least 1")


def check_fraction(solver: str, **options: float) -> None:
    """ValueError for an option that is not strictly between 0 and 1."""
    for name, value in options.items():
        if not isinstance(value, numbers.Real) or not 0 < value < 1:
            raise ValueError(f"{solver}: {name} is {value!r}; it must be between 0 and 1")


def check_choice(solver: str, name: str, value: str, valid: Sequence[str], where: str = "") -> None:
    """ValueError for an option that is none of the valid ones; `where` says what makes them so."""
    if value not in valid:
        raise ValueError(f"{solver}: {name} is {value!r}; {where}it must be {' or '.join(map(repr, valid))}")
