"""Residuals in C are those of the equations: compared with NumPy in double precision."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpc_controller.arrays import Array
from mpc_controller.model.residual.network import Activation, LayerShape, NetworkShape, mlp_shape
from mpc_controller.model.residual.residual import SATURATION, Guard, Residual, ResidualShape
from mpc_controller.native.native_residual import NativeResidual
from tests.model.residual_reference import network_reference, residual_reference
from tests.model.residuals import random_residual, wide_open, zeroed

SKIPS = NetworkShape(
    (
        LayerShape(5, 7, Activation.TANH),
        LayerShape(7, 5, Activation.SILU, 0),
        LayerShape(5, 7, Activation.SOFTPLUS, 1),
        LayerShape(7, 7, Activation.IDENTITY, 3),
        LayerShape(7, 7, Activation.NORMALIZED, 1),
        LayerShape(7, 3, Activation.IDENTITY),
    )
)
RADIAL = NetworkShape(
    (
        LayerShape(5, 5, Activation.TANH),
        LayerShape(5, 20, Activation.GAUSSIAN),
        LayerShape(20, 5, Activation.IDENTITY, 1),
        LayerShape(5, 3, Activation.GAUSSIAN),
    )
)


STEEP = NetworkShape(
    (
        LayerShape(5, 33, Activation.LEAKY_RELU, alpha=0.2),
        LayerShape(33, 18, Activation.ELU, alpha=0.7),
        LayerShape(18, 18, Activation.GELU_TANH, 2),
        LayerShape(18, 16, Activation.LEAKY_RELU, alpha=-0.5),
        LayerShape(16, 3, Activation.ELU, alpha=2.5),
    )
)


def one_after_another(*kinds: Activation) -> ResidualShape:
    """A layer of each kind, wider and narrower than whole vectors; three outputs."""
    sizes = (5, *(33, 18, 16)[: len(kinds) - 1], 3)
    layers = [LayerShape(*pair, kind) for pair, kind in zip(itertools.pairwise(sizes), kinds, strict=True)]
    return ResidualShape(NetworkShape(tuple(layers)))


A = Activation
# Few, as each is compiled; together they have all activations, as first, as inner and as last layers.
SHAPES = {
    "smooth": one_after_another(A.TANH, A.SOFTPLUS, A.SILU, A.IDENTITY),
    "bent": one_after_another(A.RELU, A.LEAKY_RELU, A.ELU, A.GELU),
    "steep": ResidualShape(STEEP),
    "bounded": one_after_another(A.GAUSSIAN, A.SIGMOID, A.COS, A.NORMALIZED),
    "linear": ResidualShape(mlp_shape(5, (), 3)),
    "one number": ResidualShape(mlp_shape(1, (4,), 1)),
    "skips": ResidualShape(SKIPS),
    "gaussian layers and skips": ResidualShape(RADIAL),
    "wide": ResidualShape(mlp_shape(12, (128, 128), 6)),
    "ensemble": ResidualShape(mlp_shape(5, (12,), 3, A.RELU), 4),
    "dissipative ensemble": ResidualShape(SKIPS, 3, (4, 0, 0)),
}
SMOOTH = SHAPES["smooth"]


@functools.cache
def native(shape: ResidualShape, batch: int = 8) -> NativeResidual:
    """Built once for all tests."""
    return NativeResidual(shape, batch=batch)


def guarded(shape: ResidualShape, seed: int) -> Residual:
    """Random, with features of other centres and scales, a gate that bends among the points below, and bounds that act."""
    random = np.random.default_rng(seed)
    nz, nr = shape.nz, shape.nr
    root = random.standard_normal((nz, nz)) / np.sqrt(nz)
    guard = Guard(
        lower=-0.5 - random.random(nz),
        upper=0.5 + random.random(nz),
        fade=2 + random.random(nz),
        precision=root @ root.T + 0.3 * np.eye(nz),
        density_limit=0.9 * nz,
        disagreement=0.2 + random.random(nr),
        bound=0.3 + random.random(nr),
    )
    residual = random_residual(shape, seed, guard=guard)
    return replace(residual, center=random.standard_normal(nz), scale=0.5 + random.random(nz), strength=0.7)


def points(residual: Residual, count: int, seed: int = 0, spread: float = 1.0) -> Array:
    """(count, nz) about the centre."""
    random = np.random.default_rng(seed)
    return residual.center + spread * residual.scale * random.standard_normal((count, residual.shape.nz))


def off_kinks(residual: Residual, z: Array) -> Array:
    """Those of the points at which rounding cannot change the side of a kink: the Jacobian there is the same in both."""
    step = 3e-6
    moved = [residual_reference(residual, z + sign * step * residual.scale)[1] for sign in (-1, 1)]
    size = 1 + np.abs(moved[0]).max(axis=(1, 2))
    return z[np.abs(moved[0] - moved[1]).max(axis=(1, 2)) < 1e-3 * size]


def assert_agrees(residual: Residual, z: Array) -> None:
    """Values to 1e-5, Jacobians to 1e-4 of the largest entry; gates to 1e-5."""
    expected, slopes, gates = residual_reference(residual, z)
    r, jacobian, gate = native(residual.shape).jacobians(residual, z)
    np.testing.assert_allclose(gate, gates, rtol=0, atol=1e-5)
    np.testing.assert_allclose(r, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=0.01))
    np.testing.assert_allclose(jacobian, slopes, rtol=1e-4, atol=1e-4 * np.abs(slopes).max(initial=0.01))
    again, gate_again = native(residual.shape).values(residual, z)
    np.testing.assert_array_equal(again, r)
    np.testing.assert_array_equal(gate_again, gate)


@pytest.mark.parametrize("name", SHAPES)
def test_values_and_jacobians_are_those_of_the_equations(name: str) -> None:
    residual = guarded(SHAPES[name], seed=1)
    z = off_kinks(residual, points(residual, 43))
    assert len(z) > 30
    _, _, gates = residual_reference(residual, z)
    assert len({0.0, 1.0} & set(gates)) < len(set(gates))  # some in between
    assert_agrees(residual, z)
    unguarded = replace(residual, guard=wide_open(residual.shape.nz, residual.shape.nr))
    assert_agrees(unguarded, off_kinks(unguarded, points(residual, 43)))


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_jacobians_of_the_reference_are_differences_of_its_values(name: str) -> None:
    residual = guarded(SHAPES[name], seed=2)
    z = off_kinks(residual, points(residual, 20))
    jacobian, step = residual_reference(residual, z)[1], 1e-6
    for j in range(residual.shape.nz):
        ahead, behind = (residual_reference(residual, z + sign * step * np.eye(residual.shape.nz)[j])[0] for sign in (1, -1))
        np.testing.assert_allclose(jacobian[:, :, j], (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["one number", "skips", "gaussian layers and skips", "dissipative ensemble", "linear", "bent"]),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 20),
    spread=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    strength=st.floats(0, 1),
)
def test_any_weights_and_points_agree(name: str, seed: int, count: int, spread: float, strength: float) -> None:
    residual = replace(guarded(SHAPES[name], seed), strength=strength)
    z = points(residual, count, seed, spread)
    if len(kept := off_kinks(residual, z) if count else z):
        assert_agrees(residual, kept)


@pytest.mark.parametrize("name", SHAPES)
def test_a_point_gives_the_same_bits_whatever_is_evaluated_with_it(name: str) -> None:
    residual = guarded(SHAPES[name], seed=3)
    z = points(residual, 29)
    whole = native(residual.shape).jacobians(residual, z)
    turned = np.random.default_rng(0).permutation(29)
    for count in (1, 3, 7, 29):
        blocks = [native(residual.shape).jacobians(residual, z[turned[k : k + count]]) for k in range(0, 29, count)]
        for one, *others in zip(whole, *blocks, strict=True):
            np.testing.assert_array_equal(one[turned], np.concatenate(others))


def test_blocks_of_another_size_agree_to_rounding() -> None:
    """They are other code: the compiler may round products and sums around the networks in one step or in two."""
    residual = guarded(SMOOTH, seed=3)
    z = points(residual, 29)
    for one, other in zip(native(SMOOTH).jacobians(residual, z), native(SMOOTH, 1).jacobians(residual, z), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_two_gaussian_layers_agree() -> None:
    residual = guarded(one_after_another(A.GAUSSIAN, A.GAUSSIAN, A.IDENTITY), seed=1)
    assert_agrees(residual, off_kinks(residual, points(residual, 43)))


def crossing(residual: Residual, direction: Array, farthest: float, count: int = 4001) -> tuple[Array, Array]:
    """Distances t (count,) and the points center + t scale direction."""
    t = np.linspace(0, farthest, count)
    return t, residual.center + t[:, None] * residual.scale * direction


def only(residual: Residual, **changes: object) -> Residual:
    """With one part of the guard at work."""
    return replace(residual, guard=replace(wide_open(residual.shape.nz, residual.shape.nr), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("edge", ["range", "density"])
def test_the_gate_and_its_slope_are_continuous_across_the_edge_of_the_data_and_beyond(edge: str) -> None:
    open_residual = random_residual(SMOOTH, 4)
    parts = {
        "range": {"upper": np.full(5, 1.0), "fade": np.full(5, 0.5)},
        "density": {"density_limit": 2.0, "precision": np.diag([1.0, 2.0, 1.0, 3.0, 1.0])},
    }
    residual = only(open_residual, **parts[edge])
    t, z = crossing(residual, np.array([1.0, 0.2, -0.3, 0.1, 0.4]), 3.0)
    r, jacobian, gate = native(SMOOTH).jacobians(residual, z)
    assert gate[0] == 1
    assert gate[-1] == 0
    assert not r[gate == 0].any()
    assert not jacobian[gate == 0].any()
    assert (np.diff(gate) <= 0).all()
    assert np.abs(np.diff(gate)).max() < 5 * t[1]
    # A jump of a slope would be as large as the slope itself, about 1, at however fine a step.
    assert np.abs(np.diff(jacobian, axis=0)).max() < 0.03
    along = jacobian @ (residual.scale * np.array([1.0, 0.2, -0.3, 0.1, 0.4]))
    differences = (r[2:] - r[:-2]) / (t[2] - t[0])
    np.testing.assert_allclose(along[1:-1], differences, atol=0.01)


def test_the_gate_follows_its_formula_beyond_one_range() -> None:
    residual = only(random_residual(SMOOTH, 4), upper=np.full(5, 1.0), fade=np.full(5, 0.5))
    t, z = crossing(residual, np.array([1.0, 0, 0, 0, 0]), 2.0, 41)
    far = np.maximum(0, t - 1) / 0.5
    np.testing.assert_allclose(native(SMOOTH).values(residual, z)[1], np.where(far < 1, (1 - far**2) ** 2, 0), atol=1e-12)


def test_members_that_disagree_close_the_gate() -> None:
    """v is the mean over the outputs of variances over members, relative to the largest ones seen."""
    shape = SHAPES["ensemble"]
    residual = random_residual(shape, 5)
    z = points(residual, 200)
    variance = np.var([network_reference(network, z)[0] for network in residual.networks], axis=0)
    disagreement = np.median(variance, axis=0)
    unsure = np.maximum(0, np.mean(variance / disagreement, axis=1) - 1) ** 2
    gate = native(shape).values(only(residual, disagreement=disagreement), z)[1]
    np.testing.assert_allclose(gate, np.where(unsure < 1, 1 - unsure, 0) ** 2, atol=1e-5)
    assert min((gate == 0).sum(), (gate == 1).sum(), ((gate > 0) & (gate < 1)).sum()) > 20
    assert (native(shape).values(residual, z)[1] == 1).all()


@pytest.mark.parametrize("name", ["linear", "smooth", "bent", "steep", "ensemble", "skips", "dissipative ensemble"])
def test_outputs_keep_their_bounds_for_huge_inputs_and_weights(name: str) -> None:
    shape = SHAPES[name]
    bound = np.array([0.1, 2.0, 30.0])
    residual = only(random_residual(shape, 6, size=50.0), bound=bound, lower=np.full(5, -1e30), upper=np.full(5, 1e30))
    residual = replace(residual, guard=replace(residual.guard, density_limit=1e80))
    for spread in (1.0, 1e3, 1e8):
        r, jacobian, _ = native(shape).jacobians(residual, points(residual, 50, spread=spread))
        assert np.isfinite(r).all()
        assert np.isfinite(jacobian).all()
        assert (np.abs(r) <= (1 + SATURATION) * bound * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", ["smooth", "bent", "steep", "linear", "ensemble"])
def test_zero_weights_give_exactly_nothing(name: str) -> None:
    shape = SHAPES[name]
    residual = zeroed(guarded(shape, 7))
    r, jacobian, _ = native(shape).jacobians(residual, points(residual, 30))
    assert (r == 0.0).all()
    assert (jacobian == 0.0).all()


def test_a_residual_of_no_strength_gives_exactly_nothing() -> None:
    residual = replace(random_residual(SMOOTH, 8), strength=0.0)
    r, jacobian, _ = native(SMOOTH).jacobians(residual, points(residual, 30))
    assert (r == 0.0).all()
    assert (jacobian == 0.0).all()


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"one number", "wide"}))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_give_nothing_and_leave_the_others_alone(name: str, value: float) -> None:
    residual = guarded(SHAPES[name], seed=9)
    z = points(residual, 21)
    clean = native(residual.shape).jacobians(residual, z)
    spoilt = z.copy()
    spoilt[[2, 10, 20], [0, 4, 2]] = value
    for before, after in zip(clean, native(residual.shape).jacobians(residual, spoilt), strict=True):
        assert (after[[2, 10, 20]] == 0.0).all()
        others = np.setdiff1d(np.arange(21), [2, 10, 20])
        np.testing.assert_array_equal(after[others], before[others])


def test_a_dissipative_residual_never_feeds_power_in() -> None:
    shape = SHAPES["dissipative ensemble"]
    residual = guarded(shape, 10)
    z = points(residual, 500, spread=2.0)
    r, _ = native(shape).values(residual, z)
    power = r * z[:, list(shape.conjugate)]
    assert (power <= 0).all()
    assert (power < 0).any()


def test_a_residual_of_another_shape_or_points_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="given one of"):
        native(SMOOTH).values(random_residual(SHAPES["linear"]), np.zeros((1, 5)))
    with pytest.raises(ValueError, match=r"z has shape \(2, 4\); it must be \(K, 5\)"):
        native(SMOOTH).values(random_residual(SMOOTH), np.zeros((2, 4)))


def test_only_activations_with_a_constant_take_one() -> None:
    with pytest.raises(ValueError, match=r"a layer of tanh has alpha 0\.2; only leaky_relu and elu have one, a"):
        LayerShape(2, 2, Activation.TANH, alpha=0.2)
    with pytest.raises(ValueError, match="a layer of elu has alpha nan"):
        LayerShape(2, 2, Activation.ELU, alpha=np.nan)
