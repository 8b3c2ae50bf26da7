"""What a plant counts while it runs: the totals that it tells on the bus, and the table at the end."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import final

from mpc_controller.bus.counts import Counts
from mpc_controller.bus.messages import Event, EventKind, Mode
from mpc_controller.control.ladder import ModeChange
from mpc_controller.control.plan_acceptance import PlanAcceptance
from mpc_controller.node.statistics import Distribution, Percentiles

_REMEMBERED_CHANGES = 1000
_PAUSE_NS = 1_000_000_000


@final
@dataclass(frozen=True)
class PlantSummary:
    """What happened, for the table at the end.

    mode_changes: the last thousand of `mode_change_count`, with times from the start. plan_age_ms: as observations tell it.
    tick_time_us: from the observation to the command, without the plant's own reading and applying. wake_late_us: how much
    later than its time a tick began. limited_ticks: commands that slid within the slew limit into a hold, a stop or back to a
    plan; safety_interventions: all others that the safety gate changed, and the times that it called for the brake."""

    robot: str
    duration_s: float
    ticks: int
    overruns: int
    mode_changes: tuple[dict[str, float | str], ...]
    mode_change_count: int
    mode_s: dict[str, float]
    plan_age_ms: Percentiles
    tick_time_us: Percentiles
    rejected_plans: dict[str, int]
    limited_ticks: int
    safety_interventions: int
    invalid_measurements: int
    wake_late_us: Percentiles = field(default_factory=lambda: Percentiles(0.0, 0.0, 0.0))


@final
class PlantStatistics:
    """Counts. What acceptance, link and clock count belongs to them and is handed in."""

    def __init__(self, acceptance: PlanAcceptance, frames: Counts) -> None:
        self._acceptance, self._frames = acceptance, frames
        self._rejected = acceptance.rejected
        self.ticks = self.limited_ticks = self.interventions = self.invalid = 0
        self.plan_age_ms, self.tick_time_us, self.wake_late_us = Distribution(), Distribution(), Distribution()
        self.mode_ticks: Counter[Mode] = Counter()
        self._changes: deque[ModeChange] = deque(maxlen=_REMEMBERED_CHANGES)
        self._change_count = 0
        self._told_ns: int | None = None

    def changed(self, change: ModeChange) -> None:
        """The mode changed."""
        self._changes.append(change)
        self._change_count += 1

    def totals(self, time_ns: int, overruns: int, is_last: bool = False) -> Event | None:
        """The totals as an event: once a second, and at the end. unread_plans: older than others that came with them."""
        if self._told_ns is not None and not is_last and time_ns - self._told_ns < _PAUSE_NS:
            return None
        self._told_ns = time_ns
        counts = {
            "safety_interventions": self.interventions,
            "limited_ticks": self.limited_ticks,
            "invalid_measurements": self.invalid,
            "overruns": overruns,
            "accepted_plans": self._acceptance.accepted,
            "unread_plans": self._frames.dropped,
            "rejected_plans": sum(self._rejected.values()),
            **{f"rejected_plans.{reason.value}": n for reason, n in sorted(self._rejected.items())},
            "rejected_frames": self._frames.rejected,
            **{f"rejected_frames.{reason}": n for reason, n in sorted(self._frames.reasons.items())},
        }
        text = f"{'totals of the run' if is_last else 'totals so far'}: {self.interventions} safety interventions"
        return Event(EventKind.INFO, time_ns, "plant", text, details={name: str(n) for name, n in counts.items()})

    def summary(self, robot: str, start_ns: int, tick_s: float, overruns: int) -> PlantSummary:
        """The whole run."""
        return PlantSummary(
            robot=robot,
            duration_s=self.ticks * tick_s,
            ticks=self.ticks,
            overruns=overruns,
            mode_changes=tuple(
                {
                    "time_s": (change.time_ns - start_ns) * 1e-9,
                    "from": change.before.name,
                    "to": change.after.name,
                    "reason": change.reason,
                }
                for change in self._changes
            ),
            mode_change_count=self._change_count,
            mode_s={mode.name: n * tick_s for mode, n in sorted(self.mode_ticks.items())},
            plan_age_ms=self.plan_age_ms.percentiles(),
            tick_time_us=self.tick_time_us.percentiles(),
            rejected_plans={reason.value: n for reason, n in sorted(self._rejected.items())},
            limited_ticks=self.limited_ticks,
            safety_interventions=self.interventions,
            invalid_measurements=self.invalid,
            wake_late_us=self.wake_late_us.percentiles(),
        )
