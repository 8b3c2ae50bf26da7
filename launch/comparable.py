"""Which plans of a recording a replay can compare: those before the first message that the recorder missed.

A plan follows from all observations and plans before it in its epoch. What the controller itself said it had not is no loss:
the replay leaves it out, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from mpc_controller.bus.messages import Message, Observation, Plan
from mpc_controller.node.replay import told_losses

Span = tuple[int, int]  # the first and the last of a row of sequences


@final
@dataclass(frozen=True)
class Gap:
    """What the recording lacks of an epoch. time_s: of the last plan before the first gap, from the recording's begin.
    left_out: plans after it."""

    epoch: int
    time_s: float
    observations: int
    plans: int
    left_out: int

    def __str__(self) -> str:
        counts = ((self.observations, "observation"), (self.plans, "plan"))
        return " and ".join(f"{count} lost {name}{'s' * (count != 1)}" for count, name in counts if count)


def comparable(messages: Sequence[Message]) -> tuple[list[Message], list[Gap]]:
    """The messages without the plans after the first gap of their epoch, and those gaps."""
    epochs: dict[int, dict[int, tuple[int, Plan]]] = {}  # by sequence, with the place in the stream; repeats are left out
    for place, message in enumerate(messages):
        if isinstance(message, Plan):
            epochs.setdefault(message.epoch, {}).setdefault(message.sequence, (place, message))
    begin_ns = next((m.time_ns for m in messages if isinstance(m, Observation)), 0)
    gaps, ends = [], {}
    for epoch, of_epoch in epochs.items():
        plans = [plan for _, plan in of_epoch.values()]
        first, last = plans[0].answers_sequence, plans[-1].answers_sequence
        times = _observation_times(messages, first, [place for place, _ in of_epoch.values()])
        told = sorted(told_losses(messages, epoch))
        unseen = [rest for hole in _holes(first, last, times) for rest in _without(hole, told)]
        unplanned = _holes(1, plans[-1].sequence, of_epoch)
        if not (unseen or unplanned):
            continue
        kept = [p for p in plans if _is_before(p.answers_sequence, unseen) and _is_before(p.sequence, unplanned)]
        ends[epoch] = {plan.sequence for plan in kept}
        time_s = (times[kept[-1].answers_sequence] - begin_ns) * 1e-9 if kept else 0.0
        gaps.append(Gap(epoch, time_s, _size(unseen), _size(unplanned), len(plans) - len(kept)))
    return [m for m in messages if not isinstance(m, Plan) or m.epoch not in ends or m.sequence in ends[m.epoch]], gaps


def _observation_times(messages: Sequence[Message], first: int, places: Sequence[int]) -> dict[int, int]:
    """By sequence the times [ns] of the observations from the newest `first` before an epoch's first plan to its last plan."""
    begin = places[0]
    for place in range(places[0], -1, -1):
        message = messages[place]
        if isinstance(message, Observation) and message.sequence == first:
            begin = place
            break
    return {m.sequence: m.time_ns for m in messages[begin : places[-1]] if isinstance(m, Observation)}


def _holes(first: int, last: int, there: Iterable[int]) -> list[Span]:
    """What of first to last is not there."""
    known = [first - 1, *sorted(n for n in there if first <= n <= last), last + 1]
    return [(a + 1, b - 1) for a, b in pairwise(known) if b > a + 1]


def _without(hole: Span, spans: Sequence[Span]) -> list[Span]:
    """What of a hole is in none of the spans, which are sorted."""
    result = []
    begin, end = hole
    for first, last in spans:
        if begin < first <= end:
            result.append((begin, first - 1))
        if first <= end:
            begin = max(begin, last + 1)
    return [*result, (begin, end)] if begin <= end else result


def _is_before(sequence: int, holes: Sequence[Span]) -> bool:
    return not holes or sequence < holes[0][0]


def _size(spans: Sequence[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)
