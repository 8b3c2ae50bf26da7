"""What a residual should have given, sample by sample: the outputs that explain what physics left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mpc_controller.arrays import Array, IntArray
from mpc_controller.learning.data_set import DataSet, Track
from mpc_controller.learning.options import LearningError

_CLEAR, _HOPELESS = 0.25, 0.9  # shares of the labels' variance that are noise: good enough, and too much
_SHORTEST_SHARE = 4  # blocks are at most a fourth of the horizon


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """One a block of samples: features z (n, nz), means over the block; outputs r (n, nr); the track that they come from (n,).

    std (nr,): of the labels' noise; noise_share (nr,): of their variance. block: samples of a label. times (n,): means over
    the block [s].
    """

    z: Array
    r: Array
    track: IntArray
    std: Array
    noise_share: Array
    block: int
    times: Array = field(default_factory=lambda: np.zeros(0))


def labels_of(data: DataSet, tracks: Sequence[Track]) -> Labels:
    """Weighted least squares over blocks of n steps,

        r* = argmin Σ_block ‖(x_meas⁺ ⊟ F(x_meas, u, p) − Γ r)/σ‖²,    Γ = ∂γ/∂r,

    σ: noise of the measured states, by their second differences. Noise telescopes within a block, so that a label has
    2 Γ⁺ Σ Γ⁺ᵀ of it; n doubles until noise is a quarter of the labels' variance in every output, or n a fourth of the horizon.
    Raises LearningError if all outputs are noise then.
    """
    labels = longest_clear(data, tracks)
    if len(labels.r) == 0:
        raise LearningError(f"{data.structure.name}: no two samples in a piece; give longer logs")
    if (labels.noise_share > _HOPELESS).all():
        worst = ", ".join(
            f"{name} {share:.0%}" for name, share in zip(data.step.port.output_names, labels.noise_share, strict=True)
        )
        raise LearningError(
            f"{data.structure.name}: what the physics leaves over is noise ({worst} of its variance, over {labels.block} "
            "samples); give logs with more motion, or sensors with less noise"
        )
    return labels


def longest_clear(data: DataSet, tracks: Sequence[Track]) -> Labels:
    """The same, whatever they are worth."""
    parts = [_defects(data, track) for track in tracks]
    noise = np.asarray(sensor_noise(data, tracks)[data.known])
    longest = max(1, min(data.steps_of(track) for track in tracks) // _SHORTEST_SHARE)
    block, labels = 1, _blocks(parts, noise, 1)
    while labels.noise_share.max() > _CLEAR and 2 * block <= longest:
        block *= 2
        longer = _blocks(parts, noise, block)
        if len(longer.r) < 4 * (data.step.nz + 1):
            break
        labels = longer
    return labels


def sensor_noise(data: DataSet, tracks: Sequence[Track]) -> Array:
    """Standard deviation (ndx,) of white noise on the followed states, from second differences: Var(ν₊ − 2ν + ν₋) = 6σ²."""
    manifold = data.structure.dynamics.manifold
    second = []
    for track in tracks:
        for a, b in track.log.pieces:
            first = manifold.difference(track.states[a + 1 : b], track.states[a : b - 1])
            second.append(np.diff(first, axis=0))
    rows = np.concatenate(second) if second else np.zeros((1, data.step.ndx))
    if not len(rows):
        return np.full(data.step.ndx, 1e-9)
    robust = 1.4826 * np.median(np.abs(rows), axis=0) / np.sqrt(6)
    plain = rows.std(axis=0) / np.sqrt(6)
    return np.asarray(np.maximum(np.where(robust > 0, robust, plain), 1e-12))


_Defects = tuple[Array, Array, Array, Array, list[tuple[int, int]]]


def _defects(data: DataSet, track: Track) -> _Defects:
    """times (K,), z (K, nz), defects (K, known), Γ (K, known, nr) of all samples, and the pieces."""
    step, samples = data.step, track.starts(1)
    count = len(track.log.times)
    z, defect = np.zeros((count, step.nz)), np.zeros((count, len(data.known)))
    gamma = np.zeros((count, len(data.known), step.nr))
    if len(samples):
        off, by_r = step.defect(track.states[samples], track.rows[samples], data.parameters, track.states[samples + 1])
        z[samples] = data.features(track, samples)
        defect[samples] = off[:, data.known]
        gamma[samples] = by_r.reshape(-1, step.nr, step.ndx).transpose(0, 2, 1)[:, data.known]
    return track.log.times, z, defect, gamma, [(a, b - 1) for a, b in track.log.pieces]


def _blocks(parts: Sequence[_Defects], noise: Array, block: int) -> Labels:
    z_all, r_all, when, where, spread = [], [], [], [], []
    for number, (times, z, defect, gamma, pieces) in enumerate(parts):
        for a, b in pieces:
            n = (b - a) // block
            if n == 0:
                continue
            cut = slice(a, a + n * block)
            weighted = gamma[cut] / noise[:, None] ** 2
            normal = np.einsum("kir,kis->krs", weighted, gamma[cut]).reshape(n, block, *2 * (gamma.shape[2],)).sum(axis=1)
            right = np.einsum("kir,ki->kr", weighted, defect[cut]).reshape(n, block, -1).sum(axis=1)
            trace = np.trace(normal, axis1=1, axis2=2)
            inverse = np.linalg.inv(normal + (1e-9 * trace + 1e-300)[:, None, None] * np.eye(normal.shape[1]))
            z_all.append(z[cut].reshape(n, block, -1).mean(axis=1))
            r_all.append(np.einsum("krs,ks->kr", inverse, right))
            when.append(times[cut].reshape(n, block).mean(axis=1))
            where.append(np.full(n, number))
            # 2 A⁻¹ Γ̄ᵀ Σ⁻¹ Γ̄ A⁻¹ with A = block Γ̄ᵀ Σ⁻¹ Γ̄
            spread.append(2 / block * np.einsum("krr->kr", inverse))
    if not r_all:
        empty = np.zeros(parts[0][3].shape[2])
        return Labels(np.zeros((0, parts[0][1].shape[1])), np.zeros((0, len(empty))), np.zeros(0, int), empty, empty, block)
    z, r, tracks = np.concatenate(z_all), np.concatenate(r_all), np.concatenate(where)
    finite = np.isfinite(r).all(axis=1) & np.isfinite(z).all(axis=1)
    std = np.sqrt(np.median(np.concatenate(spread), axis=0))
    variance = np.maximum(_robust_variance(r[finite]), 1e-300)
    return Labels(
        z[finite], r[finite], tracks[finite], std, np.minimum(std**2 / variance, 1.0), block, np.concatenate(when)[finite]
    )


def _robust_variance(r: Array) -> Array:
    low, high = np.quantile(r, [0.01, 0.99], axis=0)
    return np.asarray(np.clip(r, low, high).var(axis=0) + np.clip(r, low, high).mean(axis=0) ** 2)
