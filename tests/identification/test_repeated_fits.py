"""Fits done many times over: starts that tell of other minima, a bootstrap that covers, logs predicted by the others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import casadi as ca
import numpy as np
import pytest

from mpc_controller.identification.bootstrap import block_length, draw_blocks
from mpc_controller.identification.cross_validation import cross_validate
from mpc_controller.identification.fit import Standing
from mpc_controller.identification.identify import IdentifyOptions, identify, output_error
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure
from mpc_controller.identification.multi_start import first_guesses, multi_start
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import Workers
from mpc_controller.identification.report.report import report
from mpc_controller.identification.report.terminal import WIDTH, format_identification
from mpc_controller.identification.windows import Window
from mpc_controller.model.dynamics import Dynamics
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, Parameters
from tests.identification.here import Here
from tests.identification.machines import machine
from tests.identification.pendulum import TRUTH, structure, swing

_PLAIN = IdentifyOptions(output_error=OutputErrorOptions(threads=1), compares_lengths=False)


class Vibration(Dynamics):
    """q̈ = −k² q; p = (k [rad/s]), of which only the square acts."""

    name = "vibration"
    state_names, state_units = ("position", "velocity"), ("m", "m/s")
    control_names, control_units = ("unused",), ("N",)
    manifold = Euclidean(2)

    def __init__(self, lower: float, stiffness: float = 6.0) -> None:
        self.parameters = Parameters((Parameter("stiffness", stiffness, "rad/s", lower, 30.0),))

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(x[1], -(p[0] ** 2) * x[0])


def _vibration(lower: float) -> ModelStructure:
    return ModelStructure("vibration", "for tests", Vibration(lower), ("position",), np.array([0.01]), 0.5)


def _ringing(rate: float = 7.0, seconds: float = 5.0) -> Log:
    times = np.arange(0.0, seconds, 0.02)
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(times))
    return whole("ringing", times, (np.cos(rate * times) + noise)[:, None], np.zeros((len(times), 1)))


def test_starts_tell_of_local_minima_and_the_best_counts() -> None:
    """The phase of a vibration over 16 s has a minimum wherever another whole number of periods fits."""
    fit, log = OutputError(_vibration(1.0), delay=False), _ringing(seconds=16.0)
    options = OutputErrorOptions(window_s=16.0, interval_s=16.0, threshold=np.inf)
    guesses = first_guesses(fit, 8)
    found = multi_start(fit, [log], options, options, guesses, Here())
    assert abs(found.best.theta[0] - 7.0) < 0.01
    ended_there = sum(abs(m.theta[0] - 7.0) < 0.01 for m in found.minima)
    assert 0 < ended_there < 8
    assert f"{ended_there} of 8 starts end" in found.note
    assert "times the cost" in found.note
    worst = max(m.times(found.best) for m in found.minima)
    assert worst > 100


def test_short_windows_first_find_the_one_minimum_from_everywhere() -> None:
    fit, log = OutputError(_vibration(1.0), delay=False), _ringing()
    options = OutputErrorOptions()
    found = multi_start(fit, [log], options, replace(options, window_s=0.125), first_guesses(fit, 6), Here())
    assert found.note == "all 6 starts end at the same values"
    assert found.spread[0] < 0.01


def test_other_values_that_fit_as_well_are_named() -> None:
    fit, log = OutputError(_vibration(-30.0), delay=False), _ringing()
    options = OutputErrorOptions()
    found = multi_start(fit, [log], options, options, np.array([[6.0], [6.5], [-6.5]]), Here())
    count, others = (2, "one ends") if found.best.theta[0] > 0 else (1, "2 end")
    assert found.note.startswith(
        f"{count} of 3 starts end{'s' if count == 1 else ''} at the same values, the best; {others} at other"
    )
    assert "(stiffness " in found.note
    assert [round(m.theta[0]) for m in found.minima] == [7, 7, -7]
    assert found.spread[0] == pytest.approx(14.0, rel=0.01)


@final
@dataclass(frozen=True)
class RunAway(Workers):
    """Fits of which some, by their numbers, come to nothing."""

    lost: Sequence[int]

    def results(
        self, function: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]
    ) -> Generator[tuple[int, Any], None, None]:
        for number, found in Here().results(function, shared, items):
            yield number, replace(found, value=np.inf) if number in self.lost else found


def test_starts_that_lead_nowhere_are_counted_and_nothing_else_is_an_error() -> None:
    fit, log, options = OutputError(_vibration(1.0), delay=False), _ringing(), OutputErrorOptions()
    guesses = first_guesses(fit, 3)
    found = multi_start(fit, [log], options, options, guesses, RunAway([0]))
    assert found.note == "2 of 3 starts end at the same values, the best; one leads nowhere"
    with pytest.raises(IdentificationError, match="none of 3 starts leads anywhere"):
        multi_start(fit, [log], options, options, guesses, RunAway([0, 1, 2]))


def test_first_guesses_are_spread_as_widely_as_bounds_priors_and_values_say() -> None:
    table = Parameters(
        (
            Parameter("stiffness", 30.0, "1/s²", 1.0, 200.0),
            Parameter("damping", 0.3, "1/s", 0.2, 10.0),
            Parameter("friction", 0.0, "rad/s²", 0.0, 4.0),
        )
    )
    pendulum = structure(biased=("angle",))
    pendulum.dynamics.parameters = table
    fit = OutputError(pendulum, delay=False)
    given = np.array([20.0, 0.25, 0.1, 0.02])
    guesses = first_guesses(fit, 34, [given])
    np.testing.assert_array_equal(guesses[:2], [[30.0, 0.3, 0.0, 0.0], given])
    drawn = guesses[2:]
    # One in each of 32 cells: even in the logarithm, even between narrower bounds, even from 0 to the prior's end.
    cells = [
        np.log(drawn[:, 0] / 10.0) / np.log(9.0),
        (drawn[:, 1] - 0.2) / (0.9 - 0.2),
        drawn[:, 2] / 2.0,
    ]
    for column in cells:
        assert sorted((32 * column).astype(int)) == list(range(32))
    assert (drawn[:, 3] == 0).all()


def test_bootstrap_covers_with_coloured_residuals_and_agrees_with_the_sandwich() -> None:
    """A push that the model knows nothing of, correlated over 0.3 s."""
    clean = swing(6.0, torque=3.0)
    clean = replace(
        clean, measured=clean.measured - np.array([0.002, 0.02]) * np.random.default_rng(0).standard_normal((600, 2))
    )
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    inside, ratios = [], []
    for seed in range(12):
        random, wander = np.random.default_rng(seed), np.zeros(clean.measured.shape)
        for k in range(1, len(wander)):
            wander[k] = 0.97 * wander[k - 1] + random.standard_normal(2) * [0.004, 0.04]
        log = replace(clean, measured=clean.measured + wander)
        drawn = output_error(fit, [log], replace(_PLAIN, bootstrap=16), workers=Here())[0].estimated
        once = output_error(fit, [log], _PLAIN)[0].estimated
        inside.append([abs(e.value - t) <= e.half_width for e, t in zip(drawn, TRUTH, strict=True)])
        ratios.append([b.half_width / s.half_width for b, s in zip(drawn, once, strict=True)])
    assert np.mean(inside) >= 0.85
    assert 0.6 < np.median(ratios) < 1.6


def test_bootstrap_does_not_take_a_prior_for_data() -> None:
    """The arm of a quadrotor is not seen: fits on other windows all give its prior, and say nothing of how wrong that is."""
    m = machine("quadrotor")
    found = output_error(OutputError(m.structure), [m.log(8.0)], replace(_PLAIN, bootstrap=10), workers=Here())[0]
    once = output_error(OutputError(m.structure), [m.log(8.0)], _PLAIN)[0]
    assert found["arm"].standing is Standing.PRIOR
    for name in ("arm", "inertia_x", "inertia_z"):
        assert 0.5 < found[name].half_width / once[name].half_width < 2


def test_few_windows_are_not_drawn_from() -> None:
    found = output_error(OutputError(structure(), delay=False), [swing(2.0)], replace(_PLAIN, bootstrap=10), workers=Here())[0]
    assert any(note.startswith("no bootstrap: 4 windows are too few") for note in found.notes)


def test_blocks_are_neighbours_of_one_log() -> None:
    windows = [Window(log, 10 * k, 10 * k + 10) for log in (0, 1) for k in range(32)]
    drawn = draw_blocks(windows, np.random.default_rng(0))
    assert len(drawn) == 64
    for k in range(0, 64, 4):
        block = drawn[k : k + 4]
        assert {w.log for w in block} == {block[0].log}
        assert [w.first - block[0].first for w in block] == [0, 10, 20, 30]


def test_blocks_hold_windows_that_overlap_together_and_are_no_longer_than_a_log() -> None:
    assert block_length([Window(0, 2 * k, 2 * k + 10) for k in range(100)]) == 8
    assert block_length([Window(log, 0, 10) for log in range(30)]) == 1


def test_a_log_that_stands_twice_counts_twice() -> None:
    """Fitting to every window twice is fitting to the log twice."""
    log = swing(4.0, torque=3.0)
    fit = OutputError(structure(), delay=False)
    options = OutputErrorOptions(reweighted=False)
    once = fit.fit([log], options)
    twice = fit.fit([log], options, windows=[*once.windows.windows, *once.windows.windows])
    copy = whole("copy", log.times, log.measured, log.controls)
    np.testing.assert_allclose(twice.information, fit.fit([log, copy], options).information, rtol=1e-9)


def test_cross_validation_is_a_fit_without_each_log_and_its_jackknife() -> None:
    logs = [replace(swing(3.0, torque=3.0, seed=seed), name=f"swing {seed}") for seed in range(3)]
    fit = OutputError(structure(), delay=False)
    optimum = fit.fit(logs)
    found = cross_validate(fit, optimum, logs, OutputErrorOptions(), Here())
    without = np.array([fit.fit([log for log in logs if log is not out]).theta for out in logs])
    np.testing.assert_allclose(found.estimates, without, rtol=2e-3)
    np.testing.assert_allclose(found.std, np.sqrt(2 / 3 * ((without - without.mean(axis=0)) ** 2).sum(axis=0)), rtol=0.1)
    # Half a second ahead from a noisy start: two to five standard deviations of the sensors.
    for error in found.errors:
        assert error.shape == (50, 2)
        assert 0.002 < error[-1, 0] < 0.01


def test_logs_that_differ_are_told_and_widen_the_intervals() -> None:
    logs = [swing(6.0, torque=3.0, seed=seed) for seed in range(2)]
    faster = swing(6.0, torque=3.0, seed=2)  # the same with time running 5 % slower: 10 % more stiffness
    logs.append(whole("faster", 0.95 * faster.times, faster.measured * [1, 1 / 0.95], faster.controls / 0.95**2))
    both = [identify(structure(), logs, (), replace(_PLAIN, cross_validates=on), workers=Here()) for on in (False, True)]
    once, found = (result.fit["stiffness"] for result in both)
    assert found.value == pytest.approx(once.value)
    low, high = found.interval
    assert low < TRUTH[0]
    assert high > TRUTH[0] / 0.95**2
    assert found.half_width > once.half_width
    validated = both[1].fit.cross_validation
    assert validated is not None
    assert validated.errors[2][-1, 0] > 1.3 * both[1].predictions[2].error[-1, 0]
    text, page = format_identification(both[1]), report(both[1], logs)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    for shown in (text, page):
        assert "without it" in shown
        assert "lowest without one" in shown
    assert "without it" not in format_identification(both[0]) + report(both[0], logs)


def test_one_log_cannot_be_cross_validated() -> None:
    with pytest.raises(IdentificationError, match="needs two or more; there is 1"):
        identify(structure(), [swing(2.0)], (), replace(_PLAIN, cross_validates=True))


@pytest.mark.parametrize("repeated", [{"starts": 2}, {"bootstrap": 10}, {"cross_validates": True}])
def test_least_squares_alone_repeats_nothing(repeated: dict[str, Any]) -> None:
    with pytest.raises(IdentificationError, match="with least-squares there is none"):
        IdentifyOptions(method="least-squares", **repeated)
