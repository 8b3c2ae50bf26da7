"""Clocks, percentiles and events."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest

from mpc_controller.bus.messages import EventKind
from mpc_controller.node.clock import Clock, SimulationClock, SteadyClock
from mpc_controller.node.event_log import EventLog
from mpc_controller.node.realtime import collect_young, real_time
from mpc_controller.node.statistics import Distribution, Percentiles
from tests.control.machines import MS


class Wall:
    """A wall clock that moves when someone sleeps or works."""

    def __init__(self) -> None:
        self.now = 1000

    def read(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


def ticks(clock: Clock, wall: Wall, work_ns: list[int]) -> list[int]:
    result = []
    for work in work_ns:
        result.append(clock.tick())
        wall.now += work
    return result


WORK = [MS // 2] * 3 + [5 * MS] + [MS // 2] * 3


def test_a_real_robots_clock_skips_what_it_missed():
    wall = Wall()
    clock = SteadyClock(2 * MS, wall.read, wall.sleep)
    # The fourth tick, at 6 ms, works until 11 ms: the one at 8 ms comes late and stands for the one at 10 ms as well.
    assert [t - 1000 for t in ticks(clock, wall, WORK)] == [0, 2 * MS, 4 * MS, 6 * MS, 11 * MS, 12 * MS, 14 * MS]
    assert clock.overruns == 1


def test_a_simulators_clock_keeps_the_time_of_its_physics_and_never_hurries():
    wall = Wall()
    clock = SimulationClock(2 * MS, real_time=True, now_ns=wall.read, sleep_s=wall.sleep)
    assert [t - 1000 for t in ticks(clock, wall, WORK)] == [2 * MS * k for k in range(7)]
    assert clock.overruns == 1
    # Ticks at 0, 2, 4, 6, then late at 11, and from there every 2 ms again.
    assert wall.now - 1000 == 15 * MS + MS // 2


@pytest.mark.parametrize("make", [SteadyClock, lambda *how: SimulationClock(how[0], True, *how[1:])])
def test_a_clock_begins_with_its_first_tick(make: Callable[..., Clock]):
    wall = Wall()
    clock = make(2 * MS, wall.read, wall.sleep)
    wall.now += 50 * MS
    assert ticks(clock, wall, [MS] * 3) == [wall.now - 5 * MS, wall.now - 3 * MS, wall.now - MS]
    assert (clock.overruns, clock.late_ns) == (0, 0)


def test_a_clock_that_does_not_wait_starts_at_zero():
    wall = Wall()
    clock = SimulationClock(2 * MS, real_time=False, now_ns=wall.read, sleep_s=wall.sleep)
    assert ticks(clock, wall, [7 * MS] * 3) == [0, 2 * MS, 4 * MS]
    assert clock.overruns == 0


def test_percentiles_are_exact_to_one_percent():
    values = np.random.default_rng(0).lognormal(4.0, 1.5, 10_000)
    distribution = Distribution()
    for value in values:
        distribution.add(float(value))
    result = distribution.percentiles()
    assert result.p50 == pytest.approx(np.percentile(values, 50), rel=0.011)
    assert result.p99 == pytest.approx(np.percentile(values, 99), rel=0.011)
    assert result.max == values.max()


def test_percentiles_of_nothing_are_zero_and_of_one_value_that_value():
    distribution = Distribution()
    assert distribution.percentiles() == Percentiles(0.0, 0.0, 0.0)
    distribution.add(0.0)
    assert distribution.percentiles() == Percentiles(0.0, 0.0, 0.0)
    distribution.add(1e300)
    assert distribution.percentiles().max == 1e300


def test_events_of_a_topic_are_counted_always_and_told_once_a_second():
    log = EventLog("plant")
    for k in range(2500):
        log.tell(EventKind.REJECTED, k * MS, "no", topic="bad")
        log.tell(EventKind.REJECTED, k * MS, "never", topic="worse")
    told = [e for e in log.drain() if e.text == "no"]
    assert [(e.time_ns, e.count) for e in told] == [(0, 1), (1000 * MS, 1001), (2000 * MS, 2001)]
    assert log.counts == {"bad": 2500, "worse": 2500}
    assert log.drain() == []


def test_events_without_a_topic_are_all_told():
    log = EventLog("plant")
    for _ in range(3):
        log.tell(EventKind.INFO, 0, "hello")
    assert [e.count for e in log.drain()] == [1, 1, 1]


def test_the_garbage_collector_rests_in_the_loop_and_comes_back():
    assert gc.isenabled()
    with real_time(0) as problem:
        assert problem == ""
        assert not gc.isenabled()
        collect_young()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_priority_that_is_not_permitted_is_one_line_and_no_error():
    with real_time(100) as problem:
        assert "SCHED_FIFO with priority 100 is not permitted" in problem
