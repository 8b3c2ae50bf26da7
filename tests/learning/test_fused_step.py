from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.identification.log import whole
from mpc_controller.identification.output_error import OutputError
from mpc_controller.identification.prediction import Predictions
from mpc_controller.learning.data_set import DataSet
from mpc_controller.learning.fused_step import FusedStep
from mpc_controller.learning.rollout import horizon_error, no_correction
from robots import load_structure
from tests.learning.carts import cart, cart_log, drag, no_force


def _points(step: FusedStep, count: int = 5) -> tuple[Array, Array, Array, Array]:
    random = np.random.default_rng(0)
    manifold = step.structure.dynamics.manifold
    x = manifold.normalized(np.eye(1, step.nx, 3) + 0.3 * random.standard_normal((count, step.nx)))
    r, u = 0.01 * random.standard_normal((count, step.nr)), 0.07 + 0.01 * random.standard_normal((count, step.parts, step.nu))
    durations = random.uniform(0.01, 0.02, (count, step.parts))
    measured = manifold.normalized(x + 0.01)[:, step.structure.measured_indices]
    p = np.array([parameter.value for parameter in step.structure.dynamics.parameters])
    return x, r, step.rows(u, durations, measured, u[:, -1]), p


def _slopes(f: object, x: Array, size: float = 1e-6) -> Array:
    """(K, outputs, inputs) by central differences."""
    columns = []
    for i in range(x.shape[1]):
        move = np.zeros(x.shape[1])
        move[i] = size
        columns.append((f(x + move) - f(x - move)) / (2 * size))  # type: ignore[operator]
    return np.stack(columns, axis=2)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_backward_sweep_is_the_transposed_derivative(parts: int) -> None:
    step = FusedStep(load_structure("quadrotor"), parts)
    x, r, d, p = _points(step)
    adjoint = np.random.default_rng(1).standard_normal((len(x), step.width))
    swept = step.advance_vjp(x, r, d, p, adjoint)[0]
    by_x = _slopes(lambda moved: step.advance(moved, r, d, p)[0], x)
    by_r = _slopes(lambda moved: step.advance(x, moved, d, p)[0], r)
    expected = np.einsum("ko,koi->ki", adjoint, np.concatenate([by_x, by_r], axis=2))
    np.testing.assert_allclose(swept, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_the_start_moves_in_the_tangent_space() -> None:
    step = FusedStep(load_structure("quadrotor"), 1)
    x, _, _, p = _points(step)
    delta, mean = np.full((len(x), step.ndx), 0.01), np.full((len(x), step.nu), 0.07)
    first = step.begin(x, delta, mean, p)[0]
    np.testing.assert_allclose(first[:, : step.nx], step.structure.dynamics.manifold.retract(x, delta), atol=1e-12)
    adjoint = np.ones_like(first)
    by_delta = _slopes(lambda moved: step.begin(x, moved, mean, p)[0], delta)
    np.testing.assert_allclose(step.begin_vjp(x, delta, mean, p, adjoint)[0], by_delta.sum(axis=1), rtol=1e-5, atol=1e-7)


def test_what_is_left_over_is_what_outputs_did() -> None:
    step = FusedStep(cart(), 1)
    x, r, d, p = _points(step)
    after = step.split(step.advance(x, r, d, p)[0])[0]
    defect, by_r = step.defect(x, d, p, after)
    np.testing.assert_allclose(defect, by_r * r, rtol=1e-9, atol=1e-15)


def test_a_late_command_acts_in_two_parts_of_a_step() -> None:
    one, two = FusedStep(cart(), 1), FusedStep(cart(), 2)
    x, r, p = np.array([[0.1, 0.5]]), np.array([[0.3]]), np.array([2.0])
    rest = (np.zeros((1, 2)), np.zeros((1, 1)))
    whole_step = one.advance(x, r, one.rows(np.full((1, 1, 1), 0.7), np.full((1, 1), 0.05), *rest), p)[0]
    halves = two.advance(x, r, two.rows(np.full((1, 2, 1), 0.7), np.array([[0.02, 0.03]]), *rest), p)[0]
    np.testing.assert_allclose(halves, whole_step, rtol=1e-12)


def test_physics_alone_has_the_errors_that_identification_prints() -> None:
    structure = cart()
    log = cart_log("run", 1, drag, noise=1e-3)
    data = DataSet(structure)
    mine = horizon_error(data, data.tracks([log])[0], no_correction(1)).error
    fit = OutputError(structure, delay=False)
    theirs = Predictions(fit, fit.theta_of(structure.dynamics.parameters)).horizon_error(log)
    np.testing.assert_allclose(mine, theirs, rtol=1e-9)


def test_predictions_with_what_acted_are_exact() -> None:
    log = cart_log("run", 1, drag)
    data = DataSet(cart())
    track = data.tracks([log])[0]
    error = horizon_error(data, track, lambda z: (drag(z), np.ones(len(z)))).cumulated
    assert (error < 1e-9).all()
    assert (horizon_error(data, track, lambda z: (no_force(z), np.ones(len(z)))).cumulated > 0.5).all()


def test_gaps_and_samples_that_lack_are_left_out() -> None:
    log = cart_log("run", 1, drag)
    measured = log.measured.copy()
    measured[100:110, 0] = np.nan
    gappy = type(log)(log.name, log.times, measured, log.controls, ((0, 200), (250, 400)))
    data = DataSet(cart())
    track = data.tracks([gappy])[0]
    assert not track.seen[99:109, 0].any()
    starts = track.starts(20)
    assert not ((starts > 179) & (starts < 250)).any()
    error = horizon_error(data, track, lambda z: (drag(z), np.ones(len(z)))).error
    assert np.isfinite(error).all()
    with pytest.raises(ValueError, match="2 samples"):
        whole("short", np.zeros(1), np.zeros((1, 2)), np.zeros((1, 1)))
