"""Fewer samples keep the motion below the new band, without phase, and the impulse of the commands."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.log_files.decimation import decimated
from mpc_controller.identification.model_structure import IdentificationError
from tests.identification.log_structures import cart


def _log(disturbance: float = 0.0) -> Log:
    t = np.arange(4001) / 1000
    x = np.sin(2 * np.pi * t) + disturbance * np.sin(2 * np.pi * 290 * t)
    force = np.random.default_rng(0).standard_normal((4001, 1))
    return whole("run", t, np.stack([x, 2 * np.pi * np.cos(2 * np.pi * t)], axis=1), force)


def test_a_slow_motion_passes_without_phase_and_a_fast_one_does_not() -> None:
    thin = decimated(_log(0.3), cart(), 10)
    np.testing.assert_allclose(thin.times, np.arange(401) / 100, atol=1e-12)
    inner = slice(40, -40)
    np.testing.assert_allclose(thin.measured[inner, 0], np.sin(2 * np.pi * thin.times[inner]), atol=1e-3)
    aliased = decimated(_log(0.3), cart(), 10, anti_alias=False)
    np.testing.assert_array_equal(aliased.measured, _log(0.3).measured[::10])
    assert thin.notes == ("every 10-th sample of low-passed signals",)


def test_commands_keep_their_impulse() -> None:
    log = _log()
    thin = decimated(log, cart(), 10)
    np.testing.assert_allclose(thin.controls[:-1, 0], log.controls[:-1, 0].reshape(-1, 10).mean(axis=1), rtol=1e-9)


def test_pieces_stay_apart_and_values_that_were_not_measured_stay_so() -> None:
    log = _log()
    log.measured[1000:1100, 0] = np.nan
    log = Log(log.name, log.times, log.measured, log.controls, ((0, 2000), (2003, 4001)))
    thin = decimated(log, cart(), 10)
    assert thin.pieces == ((0, 200), (200, 400))
    assert thin.times[200] == log.times[2003]
    assert np.isnan(thin.measured[:, 0]).sum() == 10
    np.testing.assert_allclose(thin.measured[150:195, 0], np.sin(2 * np.pi * thin.times[150:195]), atol=1e-3)


def test_irregular_steps_cannot_be_filtered() -> None:
    t = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, 4001)) / 1000
    log = Log("run", t, _log().measured, _log().controls, ((0, 4001),))
    with pytest.raises(
        IdentificationError, match=r"run: steps are too irregular for a low-pass filter, first at .* anti_alias"
    ):
        decimated(log, cart(), 10)
    assert len(decimated(log, cart(), 10, anti_alias=False).times) == 401
