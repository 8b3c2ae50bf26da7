"""How a peer's clock relates to the plant's: offset and drift from round trips, with bounds that hold.

For control nobody compares clocks: all times on the bus are the plant's. This is for people and for recordings.

With P(L) the plant's clock when the peer's own shows L, and θ(L) = P(L) − L the offset, an observation that was taken at P = t
and heard at L = r, in answer to a question that was sent at L = s, gives, as P rises,

    P(s) ≤ t ≤ P(r),   so   θ(s) ≤ t − s   and   θ(r) ≥ t − r.

One such round trip alone is NTP's (RFC 5905): offset t − (s + r)/2, ± half the delay r − s. All together are narrower: the two
ways have their least delays at different times. Two clocks drift apart by `DRIFT_LIMIT` at most, so what held some time ago
holds now, a little wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

# Linux turns a monotonic clock by 500 ppm at most while NTP corrects it (adjtimex(2)), and here are two; crystals are off by
# 50 ppm.
DRIFT_LIMIT: Final = 1000e-6
_WINDOW_NS: Final = 120_000_000_000
_BIN_NS: Final = 1_000_000_000  # of which the best of each way are kept


@final
@dataclass(frozen=True)
class ClockEstimate:
    """offset_ns: the plant's clock less the peer's own, ± bound_ns, when that shows `at_ns`. drift: by how much the plant's
    gains [s/s], ± drift_bound, if it was constant; 0 ± DRIFT_LIMIT as long as nothing is known. round_trips: so far. jumps: how
    often what came could not be of the clocks of before."""

    offset_ns: int
    bound_ns: int
    at_ns: int
    drift: float
    drift_bound: float
    round_trips: int
    jumps: int


@final
@dataclass(frozen=True)
class _Limit:
    """Of the offset, when the peer's clock showed `at_ns`."""

    at_ns: int
    offset_ns: int


@final
class ClockComparison:
    """Takes in what was heard, in any order; gives an estimate at any time. Bounded memory."""

    def __init__(self) -> None:
        self._lower: dict[int, _Limit] = {}  # by bin
        self._upper: dict[int, _Limit] = {}
        self._round_trips = self._jumps = 0

    def heard(self, plant_ns: int, received_ns: int) -> None:
        """An observation of the plant's time `plant_ns`."""
        key = received_ns // _BIN_NS
        best = self._lower.get(key)
        if best is None or plant_ns - received_ns > best.offset_ns:
            self._lower[key] = _Limit(received_ns, plant_ns - received_ns)
            _forget(self._lower, key)

    def answered(self, sent_ns: int, plant_ns: int, received_ns: int) -> None:
        """One that was certainly taken after a question was sent."""
        self.heard(plant_ns, received_ns)
        self._round_trips += 1
        key = sent_ns // _BIN_NS
        best = self._upper.get(key)
        if best is None or plant_ns - sent_ns < best.offset_ns:
            self._upper[key] = _Limit(sent_ns, plant_ns - sent_ns)
            _forget(self._upper, key)
        self._forget_before_jump(received_ns)

    def estimate(self, now_ns: int) -> ClockEstimate | None:
        """At the peer's time now; None before the first answer, and after a jump before the next one."""
        self._forget_before_jump(now_ns)
        if not (self._lower and self._upper):
            return None
        least_ns, most_ns = self._range(now_ns)
        least, most = self._drifts()
        bound_ns, drift_bound = -((least_ns - most_ns) // 2), (most - least) / 2
        middle_ns, drift = (least_ns + most_ns) // 2, (most + least) / 2
        return ClockEstimate(middle_ns, bound_ns, now_ns, drift, drift_bound, self._round_trips, self._jumps)

    def _range(self, now_ns: int) -> tuple[int, int]:
        """What the offset may be."""
        least_ns = max(limit.offset_ns - _spread_ns(limit, now_ns) for limit in self._lower.values())
        return least_ns, min(limit.offset_ns + _spread_ns(limit, now_ns) for limit in self._upper.values())

    def _drifts(self) -> tuple[float, float]:
        """Least and largest of straight lines θ(L) that keep all limits."""
        least, most = -DRIFT_LIMIT, DRIFT_LIMIT
        for lower in self._lower.values():
            for upper in self._upper.values():
                run_ns = lower.at_ns - upper.at_ns
                if run_ns > 0:
                    least = max(least, (lower.offset_ns - upper.offset_ns) / run_ns)
                elif run_ns < 0:
                    most = min(most, (lower.offset_ns - upper.offset_ns) / run_ns)
        # Clocks whose drift changed have none that fits all.
        return (least, most) if least <= most else (-DRIFT_LIMIT, DRIFT_LIMIT)

    def _forget_before_jump(self, now_ns: int) -> None:
        """Limits that contradict each other are of different clocks: only the newest may be of those that there are."""
        if not (self._lower and self._upper):
            return
        least_ns, most_ns = self._range(now_ns)
        if least_ns <= most_ns:
            return
        self._jumps += 1
        self._lower.clear()
        self._upper.clear()


def _spread_ns(limit: _Limit, now_ns: int) -> int:
    """By how much the offset may have changed since."""
    return int(DRIFT_LIMIT * abs(now_ns - limit.at_ns)) + 1


def _forget(limits: dict[int, _Limit], newest: int) -> None:
    for key in [key for key in limits if key < newest - _WINDOW_NS // _BIN_NS]:
        del limits[key]
