"""Conditions that say which part of a recording is used: `position_z > 0.3`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log_files.pieces import Mask, runs
from mpc_controller.identification.model_structure import IdentificationError

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|==|!=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


@final
@dataclass(frozen=True)
class Condition:
    """NAME OP NUMBER. The name is a measured state or a control, in the model's unit, or a column of the file, in its own."""

    name: str
    comparison: str
    number: float

    def holds(self, values: Array) -> Mask:
        """Where it holds; never where the value is NaN."""
        return np.asarray(_OPERATORS[self.comparison](values, self.number)) & ~np.isnan(values)

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.number:g}"


@final
@dataclass(frozen=True)
class Keep:
    """What is kept: samples where all conditions hold, and have held and will hold for `margin_s` [s]."""

    conditions: tuple[Condition, ...] = ()
    margin_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin_s < np.inf:
            raise IdentificationError(f"the margin of what is kept is {self.margin_s:g} s; it must be at least 0 s")

    def __and__(self, other: Keep) -> Keep:
        """All conditions of both, and the larger margin."""
        return Keep(self.conditions + other.conditions, max(self.margin_s, other.margin_s))


def parse_condition(text: str) -> Condition:
    """`position_z > 0.1` as a condition. Raises IdentificationError."""
    match = _FORM.fullmatch(text)
    try:
        number = float(match[3]) if match else np.nan
    except ValueError:
        number = np.nan
    if match is None or not np.isfinite(number):
        forms = "NAME OP NUMBER, such as position_z > 0.1, with OP one of <, <=, >, >=, ==, !="
        raise IdentificationError(f"condition '{text}' cannot be read; it must be {forms}")
    return Condition(match[1], match[2], number)


def kept(keep: Keep, times: Array, lookup: Callable[[str], Array]) -> tuple[Mask, list[str]]:
    """Where all conditions hold (K,), and a note on what they leave out. `lookup` gives the values of a name (K,)."""
    mask = np.ones(len(times), dtype=bool)
    notes: list[str] = []
    for condition in keep.conditions:
        mask &= condition.holds(lookup(condition.name))
    if mask.all():
        return mask, notes
    inside = np.zeros_like(mask)
    for first, end in runs(mask):
        # What was before the record's start and will be after its end is not known to break the condition.
        start = times[first] + keep.margin_s if first > 0 else -np.inf
        stop = times[end - 1] - keep.margin_s if end < len(mask) else np.inf
        inside[first:end] = ((times >= start) & (times <= stop))[first:end]
    wording = " and ".join(map(str, keep.conditions))
    trimmed = f" with a margin of {keep.margin_s:g} s" if keep.margin_s else ""
    notes.append(f"{np.count_nonzero(~inside)} of {len(mask)} samples left out where not {wording}{trimmed}")
    return inside, notes


def parse_conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Several of them."""
    return tuple(parse_condition(text) for text in texts)
