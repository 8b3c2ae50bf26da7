"""A compiled function of very many samples at once: one foreign call for a block of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.native.function import NativeFunction

_BLOCK = 128  # samples a call: its results stay in the processor's cache


def _ignore(line: str) -> None:
    """The default for reports: nobody listens."""


@final
class BatchedFunction:
    """Y_k = f(x_k, …, p) for samples k: arguments are (K, n), those whose position is in `shared` are (n,) for all samples.

    All arguments and results of `function` are columns; results are (K, m), fresh arrays. Compiled once and kept, as
    NativeFunction is; raises CompilerError when it cannot be built.
    """

    def __init__(
        self, function: ca.Function, name: str, shared: Sequence[int] = (), report: Callable[[str], None] = _ignore
    ) -> None:
        self._shared = frozenset(shared)
        self._sizes = tuple(function.size1_out(i) for i in range(function.n_out()))
        mapped = function.map("batch", "serial", _BLOCK, list(shared), [])
        self._native = NativeFunction(mapped, name, report)

    def __call__(self, *arguments: Array) -> tuple[Array, ...]:
        given = [np.atleast_1d(np.asarray(argument, dtype=float)) for argument in arguments]
        samples = next(len(a) for i, a in enumerate(given) if i not in self._shared)
        results = tuple(np.empty((samples, size)) for size in self._sizes)
        for start in range(0, samples, _BLOCK):
            part = slice(start, min(start + _BLOCK, samples))
            blocks = [a if i in self._shared else _padded(a[part]).T for i, a in enumerate(given)]
            for result, value in zip(results, self._native(*blocks), strict=True):
                result[part] = value.T[: part.stop - start]
        return results


def _padded(rows: Array) -> Array:
    """A full block: the last row again and again behind the others."""
    missing = _BLOCK - len(rows)
    return rows if missing == 0 else np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
