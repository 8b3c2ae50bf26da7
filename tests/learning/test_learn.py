from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.learning.data_set import DataSet
from mpc_controller.learning.learn import LearnedResidual, learn
from mpc_controller.learning.options import LearningError, LearnOptions
from mpc_controller.learning.validation import validate
from mpc_controller.model.residual.residual_file import residual_bytes
from mpc_controller.native.native_residual import NativeResidual
from tests.learning.carts import Force, cart, cart_log, drag
from tests.model.residual_reference import residual_reference

pytest.importorskip("jax")
pytest.importorskip("equinox")
pytest.importorskip("optax")

QUICK = LearnOptions(family="linear", epochs=4, batch=64, folds=2, horizon_s=0.5)


def _ignore(line: str) -> None:
    """Nobody listens."""


def _learned(
    options: LearnOptions, force: Force = drag, noise: float = 1e-3, report: Callable[[str], None] = _ignore, **changes: Any
) -> LearnedResidual:
    logs = [cart_log(name, seed, force, noise=noise) for seed, name in enumerate("abc")]
    return learn(cart(**changes), logs, options, report=report)


@pytest.fixture(scope="module")
def good() -> LearnedResidual:
    """A linear drag, learned once for several tests."""
    return _learned(QUICK)


def _wind(z: Array) -> Array:
    """What bends: quadratic drag [N]."""
    return -0.5 * z[:, :1] * np.abs(z[:, :1])


def test_a_linear_drag_is_found_to_a_part_in_a_thousand() -> None:
    found = _learned(replace(QUICK, epochs=10), noise=0.0)
    residual, network = found.residual, found.residual.networks[0]
    slope = network.weights[0][0] / residual.scale
    np.testing.assert_allclose(slope, [-0.8, 0.0], atol=2e-3)
    assert residual.accepted
    assert found.rows[-1].role == "held out"
    assert found.rows[-1].ratio < 1e-2


@pytest.mark.parametrize("family", ["gp", "rff", "ensemble"])
def test_every_family_finds_a_drag_that_bends(family: str) -> None:
    found = _learned(replace(QUICK, family=family, hidden=(12,), members=2, basis=24, epochs=6, rate=2e-2), _wind)
    assert found.residual.accepted, found.reason
    assert found.rows[-1].ratio < 0.35
    assert found.residual.family == family


def test_a_dissipative_residual_only_takes_energy_out() -> None:
    found = _learned(
        replace(QUICK, family="mlp", hidden=(8,), epochs=25, rate=3e-2, decay=1e-5, folds=0, dissipative=True), _wind
    )
    assert found.residual.accepted, found.reason
    assert found.rows[-1].ratio < 0.5
    z = np.random.default_rng(0).uniform(-10, 10, (1000, 2))
    r, _ = NativeResidual(found.residual.shape).values(found.residual, z)
    assert (r[:, 0] * z[:, 0] <= 0).all()


def test_initial_states_are_fitted_where_starts_are_noisy() -> None:
    found = _learned(replace(QUICK, epochs=10), noise=0.02, measured_starts=False)
    slope = found.residual.networks[0].weights[0][0] / found.residual.scale
    np.testing.assert_allclose(slope, [-0.8, 0.0], atol=0.05)


def test_the_same_seed_gives_the_same_file() -> None:
    options = replace(QUICK, epochs=2, folds=0)
    first, again, other = (residual_bytes(_learned(o).residual) for o in (options, options, replace(options, seed=1)))
    assert first == again
    assert first != other


def test_an_interrupt_gives_the_best_so_far() -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    found = _learned(replace(QUICK, epochs=100), report=stop)
    assert found.interrupted
    assert found.residual.provenance["interrupted"] is True
    assert found.rows[-1].ratio < 0.5


def test_a_residual_that_does_not_help_is_not_accepted(good: LearnedResidual) -> None:
    assert good.residual.accepted
    network = good.residual.networks[0]
    against = replace(network, weights=(-network.weights[0],))
    judged = validate(cart(), replace(good.residual, networks=(against,)), [cart_log("d", 7)])
    assert not judged.accepted
    assert "above 1" in judged.reason
    nothing = replace(network, weights=(0 * network.weights[0],), biases=(0 * network.biases[0],))
    judged = validate(cart(), replace(good.residual, networks=(nothing,)), [cart_log("d", 7)])
    assert not judged.accepted
    assert "no gain" in judged.reason


def test_outputs_that_do_not_help_are_nothing() -> None:
    random = np.random.default_rng(3)

    def gust(z: Array) -> Array:
        return 0.3 * random.standard_normal((len(z), 1))

    found = _learned(QUICK, gust)
    assert not found.residual.accepted or found.rows[-1].ratio <= 1
    assert found.rows[-1].ratio < 1.01


def test_the_guard_covers_what_was_learned_from(good: LearnedResidual) -> None:
    data = DataSet(cart())
    tracks = data.tracks([cart_log(name, seed, noise=1e-3) for seed, name in enumerate("ab")])
    z = np.concatenate([data.features(track, track.starts(1)) for track in tracks])
    native = NativeResidual(good.residual.shape)
    assert (native.values(good.residual, z)[1] == 1).mean() >= 0.99
    assert (native.values(good.residual, z[:5] + 100.0)[1] == 0).all()


def test_far_from_what_was_learned_nothing_is_corrected(good: LearnedResidual) -> None:
    judged = validate(cart(), good.residual, [cart_log("fast", 9, size=60.0)])
    assert judged.rows[0].outside > 0.5
    assert judged.rows[0].ratio <= 1.001


@pytest.mark.parametrize("conjugate", [(), (0,)])
def test_training_sees_the_residual_that_will_run(conjugate: tuple[int, ...]) -> None:
    import jax.numpy as jnp

    from mpc_controller.learning.draft import Draft, network_shape
    from mpc_controller.learning.extra import double_precision
    from mpc_controller.learning.guard import range_of
    from mpc_controller.learning.jax_residual import frame_of, gate, members, shaped
    from mpc_controller.learning.jax_training import residual_of
    from mpc_controller.model.residual.network import Activation
    from mpc_controller.model.residual.residual import ResidualShape

    random = np.random.default_rng(0)
    data = DataSet(cart())
    tracks = data.tracks([cart_log("run", 0)])
    z = np.concatenate([data.features(track, track.starts(1)) for track in tracks])
    for activation in (Activation.SILU, Activation.GAUSSIAN):
        shape = ResidualShape(network_shape(2, [(5, activation), (1, Activation.IDENTITY)]), 2, conjugate)
        layers = tuple((0.3 * random.standard_normal((2, o, i)), np.zeros((2, o))) for i, o in ((2, 5), (5, 1)))
        draft = Draft(shape, range_of(z), np.array([0.7]), layers)
        residual = residual_of(data, draft, tracks)
        wide = 1.3 * z
        calm = replace(residual.guard, bound=np.array([1e9]), disagreement=np.array([1e9]))
        expected = residual_reference(replace(residual, guard=calm), wide)
        with double_precision():
            each = members(shape, frame_of(draft), layers, jnp.broadcast_to(wide, (2, *wide.shape)))
            given = np.asarray(gate(frame_of(draft), wide)[:, None] * shaped(shape, each.mean(axis=0), jnp.array(wide)))
        np.testing.assert_allclose(given, expected[0], atol=1e-5)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(LearningError, match=r"pip install 'mpc_controller\[learn\]'"):
        _learned(QUICK)


def test_a_machine_without_a_port_is_refused() -> None:
    logs = [cart_log(name, seed, samples=60) for seed, name in enumerate("ab")]
    with pytest.raises(LearningError, match="no port"):
        learn(replace(cart(), residual_port=None), logs, QUICK)


def test_logs_shorter_than_the_horizon_are_refused() -> None:
    logs = [cart_log(name, seed, samples=15) for seed, name in enumerate("abc")]
    with pytest.raises(LearningError, match="longer than the horizon"):
        learn(cart(), logs, replace(QUICK, horizon_s=None))
