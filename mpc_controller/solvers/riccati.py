"""The linear-quadratic regulator in closed form: finite and infinite horizon, by Riccati's equations. NumPy."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array


class RegulatorError(ValueError):
    """Matrices for which no linear-quadratic regulator exists."""


@final
@dataclass(frozen=True)
class AffineFeedback:
    """u_k = K_k x + k_k, and the cost to go ½ xᵀP_k x + p_kᵀx (+ a constant).

    gains K (N, nu, nx), offsets k (N, nu), P (N+1, nx, nx), p (N+1, nx).
    """

    gains: Array
    offsets: Array
    P: Array
    p: Array


def finite_horizon_lqr(
    A: Array,
    B: Array,
    Q: Array,
    R: Array,
    Q_N: Array,
    *,
    horizon: int | None = None,
    S: Array | None = None,
    q: Array | None = None,
    r: Array | None = None,
    q_N: Array | None = None,
    c: Array | None = None,
) -> AffineFeedback:
    """The minimiser of

        Σ_k (½ xᵀQx + xᵀSu + ½ uᵀRu + qᵀx + rᵀu) + ½ x_NᵀQ_N x_N + q_Nᵀx_N,   x_{k+1} = A x_k + B u_k + c

    over k = 0..N−1, from any x_0. A (nx, nx), B (nx, nu), Q, R, S (nx, nu), q, r, c are constant, or vary with k along a first
    axis of length N; `horizon` is N, and may be left out when one of them varies. S, q, r, q_N, c are 0 when not given. Note
    the sign: u = + K x.

    Raises RegulatorError for shapes that do not fit, for numbers that are not finite, and where R + BᵀPB is not positive
    definite.

    Source: Anderson, Moore, "Optimal Control: Linear Quadratic Methods", 1990, section 2.4; the affine terms as in Rawlings,
    Mayne, Diehl, "Model Predictive Control", 2017, section 8.8.3.
    """
    nx, nu = _sizes(B)
    zeros = {"S": S, "q": q, "r": r, "c": c}
    shapes = {"A": (nx, nx), "B": (nx, nu), "Q": (nx, nx), "R": (nu, nu), "S": (nx, nu), "q": (nx,), "r": (nu,), "c": (nx,)}
    given = {"A": A, "B": B, "Q": Q, "R": R} | {n: np.zeros(shapes[n]) if v is None else v for n, v in zeros.items()}
    N = _horizon(given, shapes, horizon)
    over = {name: np.broadcast_to(np.asarray(given[name], dtype=float), (N, *shape)) for name, shape in shapes.items()}
    end = np.zeros(nx) if q_N is None else np.asarray(q_N, dtype=float)
    for name, value, shape in (("Q_N", Q_N, (nx, nx)), ("q_N", end, (nx,))):
        if np.shape(value) != shape:
            raise RegulatorError(f"{name} has shape {np.shape(value)}; expected {shape}")
    _check_finite({**given, "Q_N": Q_N, "q_N": end})
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows on the way is not positive definite
        return _recursion(over, np.asarray(Q_N, dtype=float), end)


def _recursion(over: Mapping[str, Array], Q_N: Array, q_N: Array) -> AffineFeedback:
    """Backward in k over matrices that have k as their first axis."""
    N, nx, nu = over["B"].shape
    from scipy import linalg  # a third of a second to import, which a controller that is started again would wait for

    K, k = np.zeros((N, nu, nx)), np.zeros((N, nu))
    P, p = np.zeros((N + 1, nx, nx)), np.zeros((N + 1, nx))
    P[N], p[N] = Q_N, q_N
    for i in range(N - 1, -1, -1):
        A_i, B_i, S_i = over["A"][i], over["B"][i], over["S"][i]
        PB, ahead = P[i + 1] @ B_i, p[i + 1] + P[i + 1] @ over["c"][i]
        coupling = S_i.T + PB.T @ A_i
        try:
            factor = linalg.cho_factor(over["R"][i] + B_i.T @ PB)
        except ValueError:  # LinAlgError is one too
            raise RegulatorError(f"R + BᵀPB at k={i} is not positive definite: some control costs nothing or gains") from None
        K[i] = -linalg.cho_solve(factor, coupling)
        k[i] = -linalg.cho_solve(factor, over["r"][i] + B_i.T @ ahead)
        cost_to_go = over["Q"][i] + A_i.T @ P[i + 1] @ A_i + coupling.T @ K[i]
        P[i] = (cost_to_go + cost_to_go.T) / 2
        p[i] = over["q"][i] + A_i.T @ ahead + coupling.T @ k[i]
    return AffineFeedback(K, k, P, p)


def infinite_horizon_lqr(
    A: Array, B: Array, Q: Array, R: Array, S: Array | None = None, *, continuous: bool = False
) -> tuple[Array, Array]:
    """Gain K (nu, nx) of u = K x and cost to go P (nx, nx) of

        min Σ_k ½ xᵀQx + xᵀSu + ½ uᵀRu,  x_{k+1} = A x + B u      or, when `continuous`,  min ∫ …  dt,  ẋ = A x + B u

    Raises RegulatorError for shapes that do not fit, for numbers that are not finite and for a Q or R that is not symmetric,
    where R is not positive definite, where B cannot stabilise a mode of A, and where no stabilising
    solution exists (an undamped mode that costs nothing).

    Source: Anderson, Moore, 1990, section 3.1; solved by scipy.linalg.solve_discrete_are and solve_continuous_are.
    """
    nx, nu = _sizes(B)
    S = np.zeros((nx, nu)) if S is None else S
    given = {"A": A, "B": B, "Q": Q, "R": R, "S": S}
    for name, shape in {"A": (nx, nx), "B": (nx, nu), "Q": (nx, nx), "R": (nu, nu), "S": (nx, nu)}.items():
        if np.shape(given[name]) != shape:
            raise RegulatorError(f"{name} has shape {np.shape(given[name])}; expected {shape}")
    _check_finite(given)
    A, B, Q, R, S = (np.asarray(matrix, dtype=float) for matrix in given.values())
    for name, matrix in (("Q", Q), ("R", R)):
        if not np.allclose(matrix, matrix.T):
            raise RegulatorError(f"{name} is not symmetric; only its symmetric part has a cost: give ({name} + {name}ᵀ)/2")
    smallest = float(np.linalg.eigvalsh(R).min())
    if not smallest > 0:
        raise RegulatorError(f"R has the eigenvalue {smallest:.3g}; it must be positive definite")
    _check_stabilisable(A, B, continuous=continuous)
    from scipy import linalg

    solve = linalg.solve_continuous_are if continuous else linalg.solve_discrete_are
    try:
        P = solve(A, B, Q, R, s=S)
    except np.linalg.LinAlgError as error:
        raise RegulatorError(f"no stabilising solution: does every undamped mode cost something? ({error})") from None
    if continuous:
        return -np.linalg.solve(R, B.T @ P + S.T), P
    return -np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A + S.T), P


def _sizes(B: Array) -> tuple[int, int]:
    """nx, nu."""
    if np.ndim(B) not in (2, 3):
        raise RegulatorError(f"B has shape {np.shape(B)}; expected (nx, nu), or ('N', nx, nu) where it varies")
    nx, nu = np.shape(B)[-2:]
    return nx, nu


def _check_finite(given: Mapping[str, Array]) -> None:
    for name, value in given.items():
        if not np.isfinite(value).all():
            raise RegulatorError(f"{name} has entries that are not finite numbers")


def _check_stabilisable(A: Array, B: Array, *, continuous: bool) -> None:
    """The test of Popov, Belevitch and Hautus: rank [λI − A, B] = nx for every eigenvalue that does not decay."""
    nx = len(A)
    for value in np.linalg.eigvals(A):
        decays = value.real < 0 if continuous else abs(value) < 1
        if not decays and np.linalg.matrix_rank(np.hstack([value * np.eye(nx) - A, B])) < nx:
            raise RegulatorError(f"not stabilisable: no control reaches the mode with the eigenvalue {value:.4g} of A")


def _horizon(given: dict[str, Array], shapes: dict[str, tuple[int, ...]], horizon: int | None) -> int:
    """N from what varies with k, checked against every shape."""
    lengths = {} if horizon is None else {"horizon": horizon}
    for name, shape in shapes.items():
        found = np.shape(given[name])
        if found != shape and found[1:] != shape:
            raise RegulatorError(f"{name} has shape {found}; expected {shape}, or {('N', *shape)} where it varies")
        if found != shape:
            lengths[name] = found[0]
    if not isinstance(horizon, numbers.Integral | None):
        raise RegulatorError(f"horizon is {horizon!r}; it must be a whole number of steps")
    if len(set(lengths.values())) != 1 or min(lengths.values()) < 1:
        raise RegulatorError(f"horizons are {lengths or 'not given'}; all must be the same number of steps, at least 1")
    return next(iter(lengths.values()))
