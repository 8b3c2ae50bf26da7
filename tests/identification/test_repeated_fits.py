"""Many fits at once: the same in processes as on Ray, starts that find the best minimum, and a bootstrap that covers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.identify import IdentifyOptions, output_error
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import LocalWorkers, RayWorkers, Workers
from mpc_controller.identification.repeated_fits import draw_blocks, first_guesses
from mpc_controller.identification.windows import Window
from tests.identification.pendulum import TRUTH, structure, swing


def _scaled(shared: Array, item: float) -> Array:
    if item < 0:
        raise ValueError(f"{item:g} is below 0")
    return shared * item


@pytest.fixture(params=["processes", "ray"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    if request.param == "processes":
        yield LocalWorkers(2)
        return
    pytest.importorskip("ray")
    cluster = RayWorkers("local")
    yield cluster
    cluster.close()


@pytest.mark.filterwarnings("default")  # Ray's own
def test_results_come_in_order_and_errors_as_they_are(workers: Workers) -> None:
    lines: list[str] = []
    shared = np.array([1.0, 2.0])
    found = workers.map(_scaled, shared, [3.0, 1.0, 2.0], lines.append)
    np.testing.assert_array_equal(found, [[3.0, 6.0], [1.0, 2.0], [2.0, 4.0]])
    assert lines[-1] == "3 of 3 done"
    with pytest.raises(ValueError, match="-1 is below 0"):
        workers.map(_scaled, shared, [1.0, -1.0])


@pytest.mark.filterwarnings("default")
def test_starts_and_bootstrap_give_the_fit_and_intervals_like_those_from_residuals(workers: Workers) -> None:
    fit = OutputError(structure(2.5 * TRUTH), delay=False)
    log = swing(8.0, torque=3.0)
    options = IdentifyOptions(starts=4, bootstrap=24, compares_lengths=False)
    found, _, _ = output_error(fit, [log], options, workers=workers)
    plain, _, _ = output_error(fit, [log], IdentifyOptions(compares_lengths=False))
    for repeated, once, truth in zip(found.estimated, plain.estimated, TRUTH, strict=True):
        assert abs(repeated.value - truth) < 2 * once.half_width
        assert 0.3 < repeated.half_width / once.half_width < 3.0
    assert any("starts ended at the same minimum" in note for note in found.notes)


def test_bootstrap_widens_with_residuals_that_are_coloured() -> None:
    clean, random = swing(8.0, torque=3.0), np.random.default_rng(5)
    wander = np.zeros(clean.measured.shape)
    for k in range(1, len(wander)):
        wander[k] = 0.97 * wander[k - 1] + random.standard_normal(2) * [0.004, 0.04]
    fit = OutputError(structure(), delay=False)
    widths = []
    for log in (clean, replace(clean, measured=clean.measured + wander)):
        found, _, _ = output_error(fit, [log], IdentifyOptions(bootstrap=20, compares_lengths=False))
        widths.append([e.half_width for e in found.estimated])
    assert (np.array(widths[1]) > 3 * np.array(widths[0])).all()


def test_blocks_are_neighbours_of_one_log() -> None:
    windows = [Window(log, 10 * k, 10 * k + 10) for log in (0, 1) for k in range(32)]
    drawn = draw_blocks(windows, np.random.default_rng(0))
    assert len(drawn) == 64
    for k in range(0, 64, 4):
        block = drawn[k : k + 4]
        assert {w.log for w in block} == {block[0].log}
        assert [w.first - block[0].first for w in block] == [0, 10, 20, 30][: len(block)]


def test_first_guesses_begin_with_the_nominal_values_and_keep_the_bounds() -> None:
    fit = OutputError(structure(), delay=False)
    guesses = first_guesses(fit, 16)
    np.testing.assert_array_equal(guesses[0], TRUTH)
    assert guesses.shape == (16, 3)
    assert ((guesses >= fit.lower) & (guesses <= fit.upper)).all()
    assert (guesses[1:] / TRUTH).max() > 2
    assert (guesses[1:] / TRUTH).min() < 0.5


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(IdentificationError, match=r"pip install 'mpc_controller\[ray\]'"):
        RayWorkers("local")


def test_a_log_that_stands_twice_counts_twice() -> None:
    """Fitting to every window twice is fitting to the log twice."""
    log: Log = swing(4.0, torque=3.0)
    fit = OutputError(structure(), delay=False)
    options = OutputErrorOptions(reweighted=False)
    once = fit.fit([log], options)
    twice = fit.fit([log], options, windows=[*once.windows.windows, *once.windows.windows])
    copy = whole("copy", log.times, log.measured, log.controls)
    np.testing.assert_allclose(twice.information, fit.fit([log, copy], options).information, rtol=1e-9)
