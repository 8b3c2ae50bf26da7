"""Segments put together to windows: the nodes inside a window follow its initial state and θ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit_library import Normal
from mpc_controller.identification.windows import WindowSet
from mpc_controller.model.manifold import Manifold


@final
@dataclass(frozen=True)
class Condensed:
    """All windows at one θ, over the unknowns (δs, δθ) of each: initial state in the tangent space, and θ.

    cost: as it is. closed: what the quadratic model says of it once the gaps between segments are closed to first order. gap: Σ
    over nodes of ‖gap‖₁. squares, counts (nres,): Σψe² and how many. Hss (W, n, n), Hsp (W, n, nθ), Hpp (W, nθ, nθ), gs (W, n),
    gp (W, nθ): normal equations at closed gaps. nodes (segments, n, n + nθ + 1): a node moves by X δs + P δθ + c. Without
    derivatives all but cost and gap are empty.
    """

    cost: float
    closed: float
    gap: float
    squares: Array
    counts: Array
    Hss: Array
    Hsp: Array
    Hpp: Array
    gs: Array
    gp: Array
    nodes: Array

    def moved(self, states: Array, change: Array, windows: WindowSet) -> Array:
        """(segments, n): how nodes move for δs (W, n) and δθ (nθ,)."""
        n = states.shape[1]
        owner = [s.window for s in windows.segments]
        return np.asarray(
            np.einsum("sij,sj->si", self.nodes[:, :, :n], states[owner])
            + self.nodes[:, :, n:-1] @ change
            + self.nodes[:, :, -1]
        )


def condense(windows: WindowSet, normals: Sequence[Normal], nodes: Array, manifold: Manifold, derivatives: bool) -> Condensed:
    """Along every window δs_{j+1} = A_j δs_j + B_j δθ + gap_j, so that δs_j = X_j δs_0 + P_j δθ + c_j.

    Source: Bock, Plitt, "A multiple shooting algorithm for direct solution of optimal control problems", 1984.
    """
    count, n = len(windows.segments), manifold.ndx
    cost, end = (np.concatenate([getattr(m, name) for m in normals])[:count] for name in ("cost", "end"))
    owner = np.array([s.window for s in windows.segments])
    goes_on = np.append(owner[1:] == owner[:-1], False)
    gaps = np.zeros((count, n))
    if goes_on.any():
        with np.errstate(invalid="ignore", over="ignore"):
            gaps[goes_on] = manifold.difference(end[goes_on], nodes[np.flatnonzero(goes_on) + 1])
    total = float(cost.sum()) if np.isfinite(cost).all() and np.isfinite(gaps).all() else np.inf
    gap = float(np.abs(gaps).sum())
    if not derivatives:
        none = np.zeros((0, 0, 0))
        return Condensed(total, total, gap, none, none, none, none, none, none, none, none)
    squares, counts = (np.sum([getattr(m, name).sum(axis=1) for m in normals], axis=0) for name in ("squares", "counts"))
    H, g, S = (np.concatenate([getattr(m, name) for m in normals])[:count] for name in ("hessian", "gradient", "sensitivity"))
    size = H.shape[1]
    moves = np.zeros((count, n, size + 1))
    Hw, gw = np.zeros((windows.count, size, size)), np.zeros((windows.count, size))
    closed = total
    place = np.arange(count) - np.searchsorted(owner, owner)  # of a segment in its window
    for j in range(int(place.max()) + 1):
        at = np.flatnonzero(place == j)
        if j == 0:
            moves[at, :, :n] = np.eye(n)
        else:
            before = at - 1
            moves[at] = S[before][:, :, :n] @ moves[before]
            moves[at, :, n:-1] += S[before][:, :, n:]
            moves[at, :, -1] += gaps[before]
        T = np.zeros((len(at), size, size))
        T[:, :n] = moves[at, :, :-1]
        T[:, n:, n:] = np.eye(size - n)
        offset = np.zeros((len(at), size))
        offset[:, :n] = moves[at, :, -1]
        shifted = g[at] + np.einsum("sij,sj->si", H[at], offset)
        closed += float(np.einsum("si,si->", offset, g[at] + shifted) / 2)
        Hw[owner[at]] += T.transpose(0, 2, 1) @ H[at] @ T
        gw[owner[at]] += np.einsum("sji,sj->si", T, shifted)
    return Condensed(
        total, closed, gap, squares, counts,
        Hw[:, :n, :n], Hw[:, :n, n:], Hw[:, n:, n:], gw[:, :n], gw[:, n:], moves,
    )  # fmt: skip
