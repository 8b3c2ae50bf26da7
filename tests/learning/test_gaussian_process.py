from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mpc_controller.arrays import Array
from mpc_controller.learning.labels import Labels

pytest.importorskip("jax")

from mpc_controller.learning.extra import double_precision
from mpc_controller.learning.jax_gaussian_process import bound, gaussian_process, mean_weights, variance, variance_pairs
from tests.model.residual_reference import network_reference

LENGTHS, SIZE, NOISE = np.array([1.0, 2.0]), 1.5, 0.01
THETA = np.log(np.concatenate([LENGTHS, [SIZE], [NOISE]]))


def _kernel(a: Array, b: Array) -> Array:
    return SIZE * np.exp(-0.5 * (((a[:, None] - b[None]) / LENGTHS) ** 2).sum(axis=2))


def _data() -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    z = random.uniform(-2, 2, (40, 2))
    return z, (np.sin(z[:, :1]) + 0.3 * z[:, 1:]) + 0.1 * random.standard_normal((40, 1))


def test_with_all_points_as_inducing_ones_it_is_the_full_gaussian_process() -> None:
    z, r = _data()
    at = np.random.default_rng(1).uniform(-2, 2, (20, 2))
    covariance = _kernel(z, z) + NOISE * np.eye(len(z))
    mean = _kernel(at, z) @ np.linalg.solve(covariance, r)
    spread = SIZE - np.einsum("ij,ji->i", _kernel(at, z), np.linalg.solve(covariance, _kernel(z, at)))
    with double_precision():
        weights = mean_weights(THETA, z, r, z)
        found = variance(THETA, z, r, z, at)
        likelihood = float(bound(THETA, z, r, z))
    np.testing.assert_allclose(_kernel(at, z) / SIZE @ weights.T, mean, atol=1e-3)
    np.testing.assert_allclose(found[:, 0], spread, atol=1e-3)
    assert likelihood == pytest.approx(multivariate_normal(cov=covariance).logpdf(r[:, 0]), abs=0.05)


def test_fewer_inducing_points_bound_the_likelihood_from_below() -> None:
    z, r = _data()
    with double_precision():
        values = [float(bound(THETA, z, r, z[:count])) for count in (8, 40)]
    assert values == sorted(values)


def test_a_feature_that_says_nothing_gets_a_long_scale() -> None:
    random = np.random.default_rng(0)
    z = random.standard_normal((300, 2))
    r = np.sin(2 * z[:, :1]) + 0.05 * random.standard_normal((300, 1))
    labels = Labels(z, r, np.zeros(300, int), np.zeros(1), np.zeros(1), 1)
    with double_precision():
        draft = gaussian_process(labels, z, np.ones(1), 40, np.random.default_rng(1))
    assert draft.range.scale[1] > 5 * draft.range.scale[0]
    values, _ = network_reference(draft.networks()[0], draft.range.normalized(z))
    assert np.abs(values - np.sin(2 * z[:, :1])).mean() < 0.05


def test_members_in_pairs_have_the_mean_and_the_variance_of_the_process() -> None:
    random = np.random.default_rng(0)
    z = np.vstack([random.uniform(-2, 0, (350, 2)), random.uniform(-2, 2, (50, 2))])  # known better in a corner
    r = np.sin(z[:, :1]) + 0.1 * random.standard_normal((400, 1))
    points = np.stack(np.meshgrid(np.linspace(-2, 2, 7), np.linspace(-2, 2, 7)), axis=-1).reshape(-1, 2)
    with double_precision():
        mean = mean_weights(THETA, z, r, points)
        deviations = variance_pairs(THETA, z, r, points, pairs=12)
        wanted = variance(THETA, z, r, points, z)[:, 0]
    kernel = _kernel(z, points) / SIZE
    values = np.einsum("mi,ki->mk", mean + deviations[:, 0], kernel)
    np.testing.assert_allclose(values.mean(axis=0), kernel @ mean[0], atol=1e-9)
    found = values.var(axis=0)
    assert found.mean() == pytest.approx(wanted.mean(), rel=1e-9)
    assert np.corrcoef(found, wanted)[0, 1] > 0.9


def test_a_draft_of_a_process_becomes_an_ensemble_with_its_mean() -> None:
    random = np.random.default_rng(0)
    z = random.standard_normal((200, 2))
    r = np.sin(2 * z[:, :1]) + 0.2 * random.standard_normal((200, 1))
    labels = Labels(z, r, np.zeros(200, int), np.zeros(1), np.zeros(1), 1)
    with double_precision():
        draft = gaussian_process(labels, z, np.ones(1), 20, np.random.default_rng(1), pairs=3)
    each = [network_reference(n, draft.range.normalized(z))[0] for n in draft.with_members().networks()]
    alone = network_reference(draft.networks()[0], draft.range.normalized(z))[0]
    assert len(each) == 6
    np.testing.assert_allclose(np.mean(each, axis=0), alone, atol=1e-5)
    assert 1e-3 < np.std(each, axis=0).mean() < 0.2
