"""When a process that died is started again."""

from __future__ import annotations

import pytest

from launch.restarts import RestartPolicy, Restarts


def test_by_default_a_death_is_the_end() -> None:
    assert Restarts(RestartPolicy()).delay_s(-9, 0.0) is None


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, True), (2, False), (3, True), (-9, True), (-15, True)])
def test_failures_and_signals_are_followed_by_another_start_and_bad_input_is_not(code: int, again: bool) -> None:
    assert (Restarts(RestartPolicy(on_failure=True)).delay_s(code, 0.0) is not None) is again


def test_the_wait_doubles_up_to_ten_seconds_and_the_count_is_bounded() -> None:
    restarts = Restarts(RestartPolicy(on_failure=True, most=8, within_s=60.0, backoff_s=0.1))
    delays = [restarts.delay_s(-9, 1.0) for _ in range(9)]
    assert delays == [pytest.approx(d) for d in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)] + [None]
    assert restarts.count == 8


def test_those_of_long_ago_are_forgiven() -> None:
    restarts = Restarts(RestartPolicy(on_failure=True, most=2, within_s=10.0, backoff_s=0.5))
    assert [restarts.delay_s(1, t) for t in (0.0, 9.0, 9.9, 10.0, 12.0, 19.0)] == [0.5, 1.0, None, 1.0, None, 1.0]
    assert restarts.count == 4


def test_in_any_window_there_are_at_most_so_many() -> None:
    restarts = Restarts(RestartPolicy(on_failure=True, most=3, within_s=5.0))
    times = [t for t in (0.7 * k for k in range(200)) if restarts.delay_s(1, t) is not None]
    assert max(sum(start <= t < start + 5.0 for t in times) for start in times) == 3
    assert len(times) > 60
