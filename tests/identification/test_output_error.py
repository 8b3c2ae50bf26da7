"""The fit of whole windows: exact derivatives, the optimum that others find, and parameters that are known."""

from __future__ import annotations

from itertools import pairwise

import casadi as ca
import numpy as np
import pytest
import scipy.optimize
from scipy.integrate import solve_ivp

from mpc_controller.arrays import Array
from mpc_controller.identification.condensing import Condensed, condense
from mpc_controller.identification.fit_library import FitLibrary
from mpc_controller.identification.log import Log, whole
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.output_error import Optimum, OutputError, OutputErrorOptions
from mpc_controller.identification.sensitivity import Unknowns
from tests.identification.machines import MACHINES, machine
from tests.identification.pendulum import TRUTH, Pendulum, structure, swing


@pytest.fixture(scope="module")
def swings() -> Log:
    return swing(9.0, torque=3.0)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("interval_s", [0.4, 0.2], ids=["one node", "two nodes"])
def test_gradient_of_a_window_is_the_difference_quotient_of_its_cost(name: str, interval_s: float) -> None:
    """Over θ with the first state held; the node inside, if there is one, goes where the first segment ends."""
    m = machine(name)
    log = m.log(0.45, delay_s=0.012)
    fit = OutputError(m.structure)
    theta = fit.theta_of(m.structure.dynamics.parameters, 0.0137)
    windows = fit.windows([log], OutputErrorOptions(window_s=0.4, interval_s=interval_s), theta)
    windows.set_weights(m.structure.measurement_std)
    lib, manifold = fit.library, m.structure.dynamics.manifold

    def condensed(theta: Array, derivatives: bool) -> Condensed:
        windows.set_delay(fit.delay_of(theta))
        for _ in windows.segments:  # once more than there are gaps to close
            windows.start(windows.nodes)
            normals = [lib.segments(batch, theta, fit.held(), 3.0, derivatives) for batch in windows.batches]
            ends = np.concatenate([n.end for n in normals])
            for k, segment in enumerate(windows.segments[1:], start=1):
                if segment.window == windows.segments[k - 1].window:
                    windows.nodes[k] = ends[k - 1]
        point = condense(windows, normals, windows.nodes, manifold, derivatives)
        assert point.gap < 1e-9
        return point

    gradient = condensed(theta, derivatives=True).gp.sum(axis=0)
    for k in range(lib.nt):
        h = 1e-6 * max(abs(theta[k]), fit.scale[k] * 1e-2)
        costs = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[k] += sign * h
            costs.append(condensed(moved, derivatives=False).cost)
        quotient = (costs[0] - costs[1]) / (2 * h)
        size = np.abs(gradient * fit.scale).max() / fit.scale[k]
        assert gradient[k] == pytest.approx(quotient, rel=2e-4, abs=2e-5 * size), fit.unknowns.names[k]


def test_optimum_is_the_one_that_scipy_finds_with_its_own_integrator(swings: Log) -> None:
    """One window, least squares, fixed weights: scipy's trust region on solve_ivp's trajectories."""
    log = whole("part", swings.times[:60], swings.measured[:60], swings.controls[:60])
    s = structure(0.9 * TRUTH)
    fit = OutputError(s, delay=False)
    options = OutputErrorOptions(window_s=0.6, interval_s=0.6, threshold=np.inf, reweighted=False)
    found = fit.fit([log], options)

    def residuals(z: Array) -> Array:
        x, rows = z[:2], []
        for k in range(len(log.times)):
            rows.append((log.measured[k] - x) / s.measurement_std)
            if k + 1 < len(log.times):
                u = log.controls[k, 0]
                x = solve_ivp(
                    lambda _, y, u=u: [y[1], -z[2] * np.sin(y[0]) - z[3] * y[1] - z[4] * np.tanh(y[1] / 0.3) + u],
                    (log.times[k], log.times[k + 1]), x, "DOP853", rtol=1e-9, atol=1e-11,
                ).y[:, -1]  # fmt: skip
        prior = (z[2:] - fit.nominal) / fit.scale
        return np.concatenate([*rows, prior])

    start = np.concatenate([log.measured[0], found.theta * 1.02])
    reference = scipy.optimize.least_squares(residuals, start, x_scale="jac", xtol=1e-12, ftol=1e-12)
    # RK4 with steps of 10 ms is off by some 1e-5 of what friction does near standstill.
    np.testing.assert_allclose(found.theta, reference.x[2:], rtol=1e-3)
    assert found.converged


@pytest.mark.parametrize("guess", [(10, 6, 2), (3, 5, 0.01), (120, 0.01, 0.01), (60, 5, 0.01)])
def test_a_swing_of_nine_seconds_is_fitted_from_a_bad_guess(guess: tuple[float, float, float]) -> None:
    """All of it as one window, with nodes inside that start at what was measured."""
    fit = OutputError(structure(np.array(guess)), delay=False)
    found = fit.fit([swing(9.0)], OutputErrorOptions(window_s=9.0, interval_s=0.25))
    assert found.converged
    assert np.abs(standard_scores(fit, found)).max() < 4
    np.testing.assert_allclose(found.theta, TRUTH, rtol=0.05)


def standard_scores(fit: OutputError, found: Optimum) -> Array:
    """(θ̂ − truth) over the standard deviations that white residuals give."""
    covariance = np.linalg.inv(found.information + np.diag(1 / fit.scale**2))
    return np.asarray((found.theta - TRUTH) / np.sqrt(np.diag(covariance)))


def test_states_that_are_not_measured_are_found(swings: Log) -> None:
    angle_only = whole("angles", swings.times, swings.measured[:, :1], swings.controls)
    fit = OutputError(structure(1.3 * TRUTH, ("angle",)), delay=False)
    assert np.abs(standard_scores(fit, fit.fit([angle_only]))).max() < 4


def test_noise_of_every_signal_is_found_from_the_residuals(swings: Log) -> None:
    loud = swings.measured + np.array([0.0, 0.18]) * np.random.default_rng(3).standard_normal(swings.measured.shape)
    found = OutputError(structure(), delay=False).fit([whole("loud", swings.times, loud, swings.controls)])
    np.testing.assert_allclose(found.std, [0.002, np.hypot(0.02, 0.18)], rtol=0.1)


def test_outliers_are_outvoted(swings: Log) -> None:
    spoilt = swings.measured.copy()
    spoilt[::37, 0] += 0.5
    log = whole("spoilt", swings.times, spoilt, swings.controls)
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    robust, plain = (fit.fit([log], OutputErrorOptions(threshold=t, reweighted=False)).theta for t in (3.0, np.inf))
    assert np.abs(robust / TRUTH - 1).max() < 0.25 * np.abs(plain / TRUTH - 1).max()
    np.testing.assert_allclose(robust, TRUTH, rtol=0.1)


def test_samples_that_a_sensor_missed_are_left_out(swings: Log) -> None:
    holes = swings.measured.copy()
    holes[::3, 1] = np.nan
    holes[100:140, 0] = np.nan
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    found = fit.fit([whole("holes", swings.times, holes, swings.controls)])
    assert np.abs(standard_scores(fit, found)).max() < 4


def test_irregular_time_stamps_are_fitted_as_they_are(swings: Log) -> None:
    """Every second to fourth sample of a finer log: the hold of the command makes the difference."""
    fine = swing(9.0, period_s=0.004, torque=3.0)
    steps = np.random.default_rng(1).integers(2, 5, 900)
    kept = np.concatenate([[0], np.cumsum(steps)])
    kept = kept[kept < len(fine.times)]
    # The command over the new, longer step is the mean of those that were held meanwhile.
    means = np.array([fine.controls[a:b].mean(axis=0) for a, b in pairwise(kept)])
    log = whole("irregular", fine.times[kept], fine.measured[kept], np.vstack([means, means[-1:]]))
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    assert np.abs(standard_scores(fit, fit.fit([log]))).max() < 4


def test_bias_and_lag_of_a_sensor_are_found_beside_the_parameters(swings: Log) -> None:
    shifted = swings.measured.copy()
    lag = 0.007
    shifted[:, 1] = np.interp(swings.times - lag, swings.times, swing(9.0, torque=3.0, seed=0).measured[:, 1])
    shifted[:, 0] += 0.05
    s = structure(1.1 * TRUTH, biased=("angle",), lagged=("rate",))
    fit = OutputError(s, delay=False)
    found = fit.fit([whole("shifted", swings.times[10:], shifted[10:], swings.controls[10:])])
    by_name = dict(zip(fit.unknowns.names, found.theta, strict=True))
    assert by_name["bias.angle"] == pytest.approx(0.05, abs=0.002)
    assert by_name["lag.rate"] == pytest.approx(lag, abs=0.001)
    assert by_name["stiffness"] == pytest.approx(TRUTH[0], rel=0.02)


def test_parameters_stay_within_their_bounds(swings: Log) -> None:
    s = structure()
    dynamics = Pendulum(TRUTH)
    table = {p.name: p for p in dynamics.parameters}
    from dataclasses import replace

    from mpc_controller.model.parameters import Parameters

    dynamics.parameters = Parameters((replace(table["stiffness"], upper=30.0, value=20.0), table["damping"], table["friction"]))
    bounded = replace(s, dynamics=dynamics)
    heavier = whole("stiffer", swings.times * 0.9, swings.measured * [1, 1 / 0.9], swings.controls)
    found = OutputError(bounded, delay=False).fit([heavier])
    assert found.theta[0] == 30.0


class _Odd(Pendulum):
    """With a function that has no translation into vectors: the fit calls it lane by lane."""

    name = "odd pendulum"

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return super().xdot(x, u, p) + ca.vertcat(0, 0 * ca.erf(x[0]))


def test_a_model_without_vector_code_gives_the_same_numbers(swings: Log) -> None:
    from dataclasses import replace

    plain = OutputError(structure(1.2 * TRUTH), delay=False)
    odd = OutputError(replace(structure(), dynamics=_Odd(1.2 * TRUTH)), delay=False)
    np.testing.assert_allclose(odd.fit([swings]).theta, plain.fit([swings]).theta, rtol=1e-6)


def test_one_thread_and_several_give_the_same(swings: Log) -> None:
    fit = OutputError(structure(1.2 * TRUTH), delay=False)
    one, two = (fit.fit([swings], OutputErrorOptions(threads=n)).theta for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_library_of_a_structure_comes_from_the_cache_the_second_time() -> None:
    unknowns = Unknowns(structure(), delay=False)
    FitLibrary(unknowns)
    assert FitLibrary(unknowns).build.from_cache


def test_logs_without_a_window_are_refused() -> None:
    short = whole("short", np.arange(2) * 0.01, np.zeros((2, 2)), np.zeros((2, 1)))
    windowed = Log("cut", short.times, short.measured, short.controls, ())
    with pytest.raises(IdentificationError, match=r"no window of 50 samples fits into the logs \(cut: 0.00 s in pieces\)"):
        OutputError(structure(), delay=False).fit([windowed])
