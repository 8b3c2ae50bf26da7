"""A row against what it is to be faster than."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from launch.bench.published import Published, published, published_build_s, published_costs
from launch.bench.row import Mode, Row

_CACHED_S = 0.2
# Closed-loop costs are recorded to 4 to 6 digits, and the disturbances of the record are not known.
_COST_ROOM = 1e-3


@final
@dataclass(frozen=True)
class Target:
    """To be at most `factor` of the times of `reference` in `reference_mode`."""

    mode: Mode
    reference: str
    factor: float
    applies: Callable[[str], bool] = lambda solver: True


TARGETS = (
    Target(Mode.RTI, "acados", 1 / 5),
    Target(Mode.COLD, "acados", 1 / 5),
    Target(Mode.WARM, "acados", 1 / 5, lambda solver: "collocation" not in solver),
    Target(Mode.WARM, "fatrop radau-3", 1 / 10, lambda solver: "collocation" in solver),
    Target(Mode.ITERATION, "crocoddyl", 1 / 5),
)


@final
@dataclass(frozen=True)
class Comparison:
    """Ratios of median and, where it is known, 99th percentile to the reference's; `source`: where those are from."""

    reference: str
    source: str
    ratio_median: float
    ratio_p99: float | None
    target: float

    @property
    def is_met(self) -> bool:
        return self.ratio_median <= self.target and (self.ratio_p99 is None or self.ratio_p99 <= self.target)


def compare(row: Row, rows: Sequence[Row], scale: float) -> Comparison | None:
    """Against the reference of the row's mode, which is in the problem's `rows` or recorded on a machine `scale` times as fast;
    None for a peer's row, a row without times, and where there is no reference."""
    for target in TARGETS:
        if row.peer or target.mode is not row.mode or not target.applies(row.solver) or not row.median_us > 0:
            continue
        references = _references(target, row, rows, scale)
        if not references:
            return None
        reference, source = min(references, key=lambda pair: pair[0].median_us)
        p99 = None if reference.p99_us is None else row.p99_us / reference.p99_us
        return Comparison(target.reference, source, row.median_us / reference.median_us, p99, target.factor)
    return None


def shortfalls(row: Row, comparison: Comparison | None) -> list[str]:
    """What keeps a row of ours from its targets, in words; empty when all are met."""
    found = []
    if comparison is not None and not comparison.is_met:
        found.append("time")
    if row.failures:
        found.append("failures")
    costs = published_costs("acados", row.problem)
    finished = row.mode is Mode.RTI and len(row.costs) == len(costs) > 0
    if finished and sum(row.costs) > sum(costs) * (1 + _COST_ROOM):
        found.append("cost")
    build_s = published_build_s("acados", row.problem)
    if row.build_s is not None and build_s is not None and row.build_s > build_s:
        found.append("build")
    if row.cached_s is not None and row.cached_s > _CACHED_S:
        found.append("cached build")
    return found


def _references(target: Target, row: Row, rows: Sequence[Row], scale: float) -> list[tuple[Published, str]]:
    """The reference's times as measured in this run, and as recorded and scaled, with where they are from. The faster counts: a
    peer may be slower here than it was where it was tuned. One that failed in every solve is no reference."""
    found = [
        (Published(other.median_us, other.p99_us), "measured")
        for other in rows
        if (other.solver, other.problem, other.mode) == (target.reference, row.problem, row.mode)
        and other.median_us > 0
        and (other.failures == 0 or other.failures < other.solves)
    ]
    record = published(target.reference, row.problem, row.mode)
    if record is not None:
        p99 = None if record.p99_us is None else record.p99_us * scale
        found.append((Published(record.median_us * scale, p99), "recorded"))
    return found
