"""What a fault must leave standing, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final


@final
@dataclass(frozen=True)
class Requirement:
    """`text` says what must hold, `measured` what was found, in words with units.

    is_speed: the machine decides it too: how long a start takes, say. The command judges it, a test does not.
    """

    text: str
    measured: str
    holds: bool
    is_speed: bool = False


@final
@dataclass(frozen=True)
class Outcome:
    """Of one fault. times: how often it was made."""

    fault: str
    times: int
    requirements: tuple[Requirement, ...]
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        return all(requirement.holds for requirement in self.requirements)


@final
@dataclass(frozen=True)
class Scale:
    """is_quick: everything a few times, in three minutes together, instead of as often as the table says."""

    is_quick: bool
    report: Callable[[str], None] = lambda line: None

    def times(self, whole: int, quick: int) -> int:
        return quick if self.is_quick else whole


def at_most(text: str, measured: float, limit: float, unit: str) -> Requirement:
    """measured ≤ limit."""
    return Requirement(text, f"{measured:.4g} {unit}".rstrip(), measured <= limit)


def fast_enough(text: str, measured: float, limit: float, unit: str) -> Requirement:
    """measured ≤ limit, of a time that the machine decides too."""
    return replace(at_most(text, measured, limit, unit), is_speed=True)


def none_of(text: str, found: int, total: int) -> Requirement:
    """found = 0, of so many that were tried; of none nothing is known."""
    return Requirement(text, f"{found} of {total}", found == 0 and total > 0)


def all_of(text: str, found: int, total: int) -> Requirement:
    """found = total, and some were tried."""
    return Requirement(text, f"{found} of {total}", found == total and total > 0)
