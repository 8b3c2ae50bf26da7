from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.learning.data_set import DataSet, divided
from mpc_controller.learning.families import Ridge, linear, random_features, ridge
from mpc_controller.learning.guard import bound_of, disagreement_of, range_of
from mpc_controller.learning.labels import Labels, labels_of, sensor_noise
from mpc_controller.learning.options import LearningError, LearnOptions
from tests.learning.carts import cart, cart_log, drag, no_force
from tests.model.residual_reference import network_reference


def _labels(z: Array, r: Array) -> Labels:
    count, nr = r.shape
    return Labels(z, r, np.arange(count) * 4 // count, np.zeros(nr), np.zeros(nr), 1)


def _random_labels(count: int = 80) -> Labels:
    random = np.random.default_rng(0)
    z = random.standard_normal((count, 2))
    return _labels(z, np.stack([np.sin(z[:, 0]), 0.5 * z[:, 1]], axis=1) + 0.05 * random.standard_normal((count, 2)))


def test_labels_of_a_noise_free_log_are_the_force_itself() -> None:
    data = DataSet(cart())
    labels = labels_of(data, data.tracks([cart_log("run", 0, drag)]))
    assert labels.block == 1
    np.testing.assert_allclose(labels.r, drag(labels.z), atol=1e-6)


def test_noise_of_the_sensors_shows_in_second_differences() -> None:
    data = DataSet(cart())
    tracks = data.tracks([cart_log("run", 0, drag, samples=2000, noise=0.02)])
    np.testing.assert_allclose(sensor_noise(data, tracks), 0.02, rtol=0.3)


def test_noisier_logs_make_longer_labels_and_say_how_much_is_noise() -> None:
    data = DataSet(cart())
    labels = labels_of(data, data.tracks([cart_log("run", 0, drag, samples=2000, noise=0.03)]))
    assert labels.block > 1
    off = labels.r - drag(labels.z)
    assert 0.5 < labels.std[0] / off.std() < 2.0
    assert 0.02 < labels.noise_share[0] < 0.9


def test_labels_that_are_only_noise_are_refused() -> None:
    data = DataSet(cart())
    with pytest.raises(LearningError, match="what the physics leaves over is noise"):
        labels_of(data, data.tracks([cart_log("run", 0, no_force, samples=2000, noise=0.05)]))


def test_the_last_log_judges_where_none_is_named() -> None:
    logs = [cart_log(name, k, samples=50) for k, name in enumerate("abc")]
    learned, judging = divided(cart(), logs, [])
    assert ([log.name for log in learned], [log.name for log in judging]) == (["a", "b"], ["c"])
    learned, judging = divided(cart(), logs[:2], logs[2:])
    assert ([log.name for log in learned], [log.name for log in judging]) == (["a", "b"], ["c"])


def test_one_log_alone_is_refused_unless_its_end_is_held_out() -> None:
    log = cart_log("a", 0, samples=100)
    with pytest.raises(LearningError, match="one log alone cannot judge"):
        divided(cart(), [log], [])
    learned, judging = divided(cart(), [log], [], hold_out=0.3)
    assert learned[0].pieces == ((0, 70),)
    assert judging[0].pieces == ((70, 100),)


@pytest.mark.parametrize(("logs", "message"), [([], "no log to learn from"), (["a", "a"], "a is given twice")])
def test_data_sets_that_say_nothing_are_refused(logs: list[str], message: str) -> None:
    with pytest.raises(LearningError, match=message):
        divided(cart(), [cart_log(name, 0, samples=50) for name in logs], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "forest"}, "no family 'forest'; there are mlp"),
        ({"activation": "relu"}, "of smooth ones there are tanh"),
        ({"members": 0}, "members is 0"),
        ({"rate": 0.0}, "rate is 0"),
        ({"horizon_s": -1.0}, "horizon_s is -1"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(LearningError, match=message):
        LearnOptions(**options)  # type: ignore[arg-type]


def test_ridge_without_noise_is_least_squares() -> None:
    random = np.random.default_rng(0)
    z, truth = random.standard_normal((60, 3)), random.standard_normal((2, 3))
    weight, bias = ridge(z, z @ truth.T + 0.5, np.arange(60) // 20)
    np.testing.assert_allclose(weight, truth, atol=1e-4)
    np.testing.assert_allclose(bias, 0.5, atol=1e-4)


def test_the_error_on_groups_that_are_left_out_is_that_of_refits() -> None:
    random = np.random.default_rng(0)
    z, group = random.standard_normal((60, 3)), np.arange(60) // 20
    r = z[:, :1] + random.standard_normal((60, 1))
    regression, off = Ridge(z, r, group), 0.0
    strength, found = regression.best()
    for g in range(3):
        weight, bias = Ridge(z[group != g], r[group != g], np.zeros(40, int)).solve(strength * 60 / 40)
        off += ((r[group == g] - z[group == g] @ weight.T - bias) ** 2).sum()
    assert found == pytest.approx(off, rel=1e-6)


def test_closed_forms_are_networks() -> None:
    labels = _random_labels()
    spread, scale = range_of(labels.z), np.ones(2)
    for draft in (linear(labels, spread, scale), random_features(labels, spread, scale, 40, np.random.default_rng(1))):
        values, _ = network_reference(draft.networks()[0], spread.normalized(labels.z))
        assert np.abs(values[:, 1] - labels.r[:, 1]).mean() < 0.1
    assert np.abs(values - labels.r).mean() < 0.08  # random features bend, too


def test_ranges_cover_what_they_were_made_of() -> None:
    random = np.random.default_rng(0)
    z = random.standard_t(4, (5000, 6)) @ random.standard_normal((6, 6)) + 3
    spread = range_of(z)
    inside = spread.normalized(z)
    within = ((spread.lower <= inside) & (inside <= spread.upper)).all(axis=1)
    dense = np.einsum("ki,ij,kj->k", inside, spread.precision, inside) <= spread.density_limit
    assert (within & dense).mean() >= 0.99


def test_a_feature_that_never_changes_has_a_narrow_range() -> None:
    z = np.stack([np.random.default_rng(0).standard_normal(100), np.full(100, 2.0)], axis=1)
    spread = range_of(z)
    assert np.isfinite(spread.precision).all()
    assert spread.upper[1] - spread.lower[1] < 1e-3


def test_bounds_and_disagreements_are_the_largest_that_were_seen() -> None:
    y = np.random.default_rng(0).standard_normal((3, 4000, 2)) * np.array([1.0, 10.0])
    mean = y.mean(axis=0)
    assert ((np.abs(mean) <= bound_of(mean)).mean(axis=0) > 0.999).all()
    v = (y.var(axis=0) / disagreement_of(y)).mean(axis=1)
    assert (v <= 1).mean() > 0.999
