"""Intervals that hold: every robot with a hidden truth, noise and a delay; residuals that are coloured; what is not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.identification.fit import Fit, Standing
from mpc_controller.identification.identify import IdentifyOptions, output_error
from mpc_controller.identification.log import whole
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from tests.identification.machines import MACHINES, machine, without_prior
from tests.identification.pendulum import TRUTH, structure, swing

DELAY = 0.012
_DURATION_S = {"cartpole": 8.0, "quadrotor": 8.0, "arm": 4.0, "car": 8.0}
# What these motions show of every robot; the rest must be said not to be seen, or to come from the prior.
_SEEN = {
    "cartpole": {"cart_damping", "pole_damping"},
    "quadrotor": {"mass", "motor_time_constant", "drag"},
    "arm": {*(f"damping.joint{k}" for k in range(1, 8)), "payload_mass"},
    "car": {"yaw_inertia", "mass"},
}


def _fitted(name: str, seed: int) -> tuple[Fit, dict[str, float]]:
    m = machine(name, seed)
    log = m.log(_DURATION_S[name], DELAY, seed)
    options = IdentifyOptions(output_error=OutputErrorOptions(threads=1))
    fit, _, _ = output_error(OutputError(m.structure), [log], options)
    return fit, dict(zip(m.structure.dynamics.parameters.names, m.truth, strict=True)) | {"control_delay": DELAY}


def _coverage(name: str, seeds: int) -> dict[str, float]:
    """How often the truth lies in the interval, of what is said to be identified."""
    inside: dict[str, list[bool]] = {}
    for seed in range(seeds):
        fit, truth = _fitted(name, seed)
        for e in fit.estimated:
            if e.standing is Standing.IDENTIFIED:
                inside.setdefault(e.name, []).append(abs(e.value - truth[e.name]) <= e.half_width)
    assert _SEEN[name] | {"control_delay"} <= set(inside)
    assert all(len(hits) == seeds for key, hits in inside.items() if key in _SEEN[name])
    return {key: float(np.mean(hits)) for key, hits in inside.items() if len(hits) > seeds / 2}


@pytest.mark.parametrize("name", MACHINES)
def test_intervals_hold_the_truth_and_delays_are_found_to_half_a_sample(name: str) -> None:
    fit, truth = _fitted(name, 100)
    assert fit.converged
    assert abs(fit.control_delay_s - DELAY) < machine(name).period_s / 2
    for e in fit.estimated:
        if e.standing is Standing.IDENTIFIED:
            # The factor makes a chance failure of one of forty intervals a matter of one in ten thousand.
            assert abs(e.value - truth[e.name]) <= 2.2 * e.half_width, e.name
        if e.name in _SEEN[name]:
            assert e.standing is Standing.IDENTIFIED


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", MACHINES)
def test_intervals_hold_the_truth_in_nine_of_ten_of_fifty_seeds(name: str) -> None:
    for parameter, share in _coverage(name, 50).items():
        assert share >= 0.9, f"{parameter}: {share:.0%}"


def test_intervals_of_a_pendulum_hold_in_nine_of_ten_of_forty_seeds() -> None:
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    options = IdentifyOptions(output_error=OutputErrorOptions(threads=1))
    hits = []
    clean = swing(6.0, torque=3.0)
    for seed in range(40):
        noise = np.array([0.002, 0.02]) * np.random.default_rng(1000 + seed).standard_normal(clean.measured.shape)
        found = output_error(fit, [replace(clean, measured=_CLEAN + noise)], options)[0]
        hits.append([abs(e.value - t) <= e.half_width for e, t in zip(found.estimated, TRUTH, strict=True)])
    assert (np.mean(hits, axis=0) >= 0.9).all()


_NOISY = swing(6.0, torque=3.0)
_CLEAN = _NOISY.measured - np.array([0.002, 0.02]) * np.random.default_rng(0).standard_normal(_NOISY.measured.shape)


def test_coloured_residuals_widen_the_intervals_as_much_as_the_estimates_spread() -> None:
    """A push that the model knows nothing of, correlated over 0.3 s: white intervals would be several times too narrow."""
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    values, widths, white = [], [], []
    for seed in range(25):
        random = np.random.default_rng(seed)
        shape = _CLEAN.shape
        wander = np.zeros(shape)
        for k in range(1, len(wander)):
            wander[k] = 0.97 * wander[k - 1] + random.standard_normal(2) * [0.004, 0.04]
        log = whole("wandering", _NOISY.times, _CLEAN + wander, _NOISY.controls)
        found = output_error(fit, [log], IdentifyOptions(output_error=OutputErrorOptions(threads=1)))[0]
        values.append([e.value for e in found.estimated])
        widths.append([e.half_width for e in found.estimated])
        V = found.information.directions
        information = V * found.information.singular_values**2 @ V.T
        white.append(1.96 * np.sqrt(np.diag(np.linalg.inv(information))) * found.information.scale)
    covered = np.abs(np.array(values) - TRUTH) <= np.array(widths)
    too_narrow = np.abs(np.array(values) - TRUTH) <= np.array(white)
    assert covered.mean() >= 0.85
    assert too_narrow.mean() < covered.mean() - 0.05


def test_what_the_data_do_not_see_is_said_in_words() -> None:
    """Only the ratios of a quadrotor's arm and inertias act on its motion."""
    m = machine("quadrotor")
    fit, _, _ = output_error(OutputError(without_prior(m.structure, "arm")), [m.log(8.0, DELAY)], IdentifyOptions())
    (note,) = fit.notes
    assert note.startswith("only the ratios of ")
    assert all(name in note for name in ("arm", "inertia_x", "inertia_y", "inertia_z", "torque_per_thrust"))
    assert all(fit[name].standing is Standing.UNSEEN for name in ("arm", "inertia_x", "inertia_z"))


def test_a_known_length_makes_the_inertias_known() -> None:
    """The same flight, with the arm measured to half a millimetre, as the robot's own parameter file says."""
    m = machine("quadrotor")
    fit, _, _ = output_error(OutputError(m.structure), [m.log(8.0, DELAY)], IdentifyOptions())
    assert fit["arm"].standing is Standing.PRIOR
    for k, name in enumerate(m.structure.estimated):
        if name.startswith("inertia"):
            assert fit[name].standing is Standing.IDENTIFIED
            assert abs(fit[name].value - m.truth[k]) <= 2 * fit[name].half_width
