"""Two clocks, what travels between them, and whether the truth lies within what is stated."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.node.clock_offset import DRIFT_LIMIT, ClockComparison, ClockEstimate

MS = 1_000_000
S = 1_000_000_000


class Hosts:
    """A plant of 500 Hz and a peer that asks it ten times a second, in true time [s]; the peer's own clock is true, the
    plant's is off and drifts. Both ways take at least `least_s`, each with jitter of its own; messages overtake none."""

    def __init__(self, seed: int, offset_s: float, drift: float, least_s: tuple[float, float], jitter_s: tuple[float, float]):
        self.random = np.random.default_rng(seed)
        self.offset_ns, self.drift, self.least_s, self.jitter_s = round(offset_s * S), drift, least_s, jitter_s
        self.comparison = ClockComparison()
        self.delays_s: list[float] = []
        self._heard_s = self._reached_s = 0.0

    def offset_at(self, true_s: float) -> float:
        """θ [ns]."""
        return self.offset_ns + self.drift * true_s * S

    def plant_ns(self, true_s: float) -> int:
        return self.offset_ns + round((1 + self.drift) * true_s * S)

    def run(self, start_s: float, end_s: float) -> None:
        """All ticks of the plant, and the questions that reach it before each."""
        ticks_s = np.arange(start_s, end_s, 0.002) + self.random.uniform(0, 2e-4)
        questions = [(s, self._reach(s)) for s in np.arange(start_s, end_s, 0.1) + self.random.uniform(0, 0.1)]
        asked_s: float | None = None
        for tick_s in ticks_s:
            heard_s = self._heard_s = max(self._heard_s, tick_s + self._delay(1))
            plant_ns, heard_ns = self.plant_ns(tick_s), round(heard_s * S)
            if asked_s is None:
                self.comparison.heard(plant_ns, heard_ns)
            else:
                self.comparison.answered(round(asked_s * S), plant_ns, heard_ns)
                self.delays_s.append(heard_s - asked_s)
                asked_s = None
            while questions and questions[0][1] <= tick_s:  # repeated after this tick's observation, before the next one's
                asked_s = questions.pop(0)[0]

    def _reach(self, sent_s: float) -> float:
        self._reached_s = max(self._reached_s, sent_s + self._delay(0))
        return self._reached_s

    def _delay(self, way: int) -> float:
        return float(self.least_s[way] + self.random.exponential(self.jitter_s[way]))


def _estimate(comparison: ClockComparison, true_s: float) -> ClockEstimate:
    estimate = comparison.estimate(round(true_s * S))
    assert estimate is not None
    return estimate


def test_one_round_trip_is_that_of_ntp():
    comparison = ClockComparison()
    comparison.answered(sent_ns=100 * MS, plant_ns=5 * S, received_ns=104 * MS)
    estimate = comparison.estimate(104 * MS)
    assert estimate is not None
    assert estimate.offset_ns == pytest.approx(5 * S - 102 * MS, abs=4e6 * DRIFT_LIMIT)
    assert estimate.bound_ns == pytest.approx(2 * MS, abs=4e6 * DRIFT_LIMIT)
    assert (estimate.drift, estimate.drift_bound, estimate.round_trips) == (0.0, DRIFT_LIMIT, 1)


def test_what_is_only_heard_is_not_enough():
    comparison = ClockComparison()
    assert comparison.estimate(0) is None
    comparison.heard(5 * S, 100 * MS)
    assert comparison.estimate(100 * MS) is None


def test_the_truth_is_within_the_stated_bounds_for_1000_pairs_of_clocks():
    bounds_ms, drift_bounds = [], []
    for seed in range(1000):
        random = np.random.default_rng([seed, 1])
        least_s, jitter_s = random.uniform(5e-5, 5e-3, 2), random.uniform(1e-5, 5e-3, 2)
        offset_s, drift = random.uniform(-1e6, 1e6), random.uniform(-1, 1) * DRIFT_LIMIT
        hosts = Hosts(seed, offset_s, drift, tuple(least_s), tuple(jitter_s))
        hosts.run(0.0, 0.6)
        hosts.run(9.0, 9.6)
        for true_s in (9.6, 12.0):
            estimate = _estimate(hosts.comparison, true_s)
            assert abs(estimate.offset_ns - hosts.offset_at(true_s)) <= estimate.bound_ns, seed
            assert abs(estimate.drift - drift) <= estimate.drift_bound, seed
            assert estimate.jumps == 0
        bounds_ms.append(_estimate(hosts.comparison, 9.6).bound_ns / MS)
        drift_bounds.append(estimate.drift_bound)
        # Never wider than the best single round trip of late, a little older.
        assert bounds_ms[-1] <= 1e3 * min(hosts.delays_s[-4:]) / 2 + 1e3 * DRIFT_LIMIT
    assert np.median(bounds_ms) < 5.0
    assert np.median(drift_bounds) < DRIFT_LIMIT


def test_a_drift_that_wanders_within_its_limit_breaks_no_bound():
    comparison = ClockComparison()
    random = np.random.default_rng(0)

    def offset_ns(true_s: float) -> int:  # its rate is within ± 900 ppm
        return round(3 * S + 9e-4 * np.sin(true_s) * S)

    for k in range(400):
        sent_s = 0.1 * k
        taken_s = sent_s + random.exponential(2e-3)
        heard_s = taken_s + random.exponential(5e-3)
        comparison.answered(round(sent_s * S), round(taken_s * S) + offset_ns(taken_s), round(heard_s * S))
        estimate = _estimate(comparison, heard_s)
        assert abs(estimate.offset_ns - offset_ns(heard_s)) <= estimate.bound_ns
        assert estimate.jumps == 0


def test_an_hour_of_round_trips_tells_the_drift_to_some_parts_per_million():
    comparison = ClockComparison()
    random = np.random.default_rng(0)
    for k in range(3600):
        taken_s = k + random.uniform(2e-4, 3e-3)
        heard_s = taken_s + random.uniform(2e-4, 3e-3)
        comparison.answered(k * S, round((1 + 37e-6) * taken_s * S), round(heard_s * S))
    estimate = _estimate(comparison, 3600.0)
    assert abs(estimate.drift - 37e-6) <= estimate.drift_bound < 12e-6
    assert len(comparison._lower) <= 121


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0, 0.5])
def test_a_clock_that_jumps_is_noticed_and_known_again_after_two_answers(jump_s: float):
    comparison = ClockComparison()

    def ask(k: int, offset_s: float) -> None:
        sent_ns = k * 100 * MS
        comparison.answered(sent_ns, sent_ns + MS + round(offset_s * S), sent_ns + 2 * MS)

    for k in range(50):
        ask(k, 7.0)
    for k in range(50, 53):
        ask(k, 7.0 + jump_s)
    estimate = _estimate(comparison, 5.3)
    assert estimate.jumps == 1
    assert abs(estimate.offset_ns - (7.0 + jump_s) * S) <= estimate.bound_ns < 2 * MS
