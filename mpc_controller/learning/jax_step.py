"""The fused step in JAX: the compiled functions of the one physics model, with their generated derivatives.

Translating the expressions into JAX operations instead costs 9 s of compiling for a quadrotor, much more for an arm, and is no
faster (gradient over 50 steps of 256 windows of the Crazyflie, network 2x32: 83 ms like this, 80 ms translated).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.fused_step import FusedStep
from mpc_controller.native.batched_function import BatchedFunction


@final
class JaxStep:
    """FusedStep at parameters p: advance(x, r, d) differentiates by x and r, begin(x, δ, ū) by δ."""

    def __init__(self, step: FusedStep, parameters: Array) -> None:
        self.step = step
        self.advance = self._advance(step, parameters)
        self.begin = self._begin(step, parameters)

    @staticmethod
    def _advance(step: FusedStep, p: Array) -> Callable[[Any, Any, Any], Any]:
        def advance_of(x: Any, r: Any, d: Any) -> Any:
            return _called(step.advance, step.width, x, r, d, p)

        advance: Any = jax.custom_vjp(advance_of)

        def forwards(x: Any, r: Any, d: Any) -> Any:
            return advance(x, r, d), (x, r, d)

        def backwards(kept: Any, adjoint: Any) -> Any:
            x, r, d = kept
            both = _called(step.advance_vjp, step.nx + step.nr, x, r, d, p, adjoint)
            return both[:, : step.nx], both[:, step.nx :], jnp.zeros_like(d)

        advance.defvjp(forwards, backwards)
        return advance  # type: ignore[no-any-return]

    @staticmethod
    def _begin(step: FusedStep, p: Array) -> Callable[[Any, Any, Any], Any]:
        def begin_of(x: Any, delta: Any, mean: Any) -> Any:
            return _called(step.begin, step.nx + step.nz, x, delta, mean, p)

        begin: Any = jax.custom_vjp(begin_of)

        def forwards(x: Any, delta: Any, mean: Any) -> Any:
            return begin(x, delta, mean), (x, delta, mean)

        def backwards(kept: Any, adjoint: Any) -> Any:
            x, delta, mean = kept
            by_delta = _called(step.begin_vjp, step.ndx, x, delta, mean, p, adjoint)
            return jnp.zeros_like(x), by_delta, jnp.zeros_like(mean)

        begin.defvjp(forwards, backwards)
        return begin  # type: ignore[no-any-return]


def _called(function: BatchedFunction, width: int, *arguments: Any) -> Any:
    """One call of a compiled function from within a JAX program; `p`, a NumPy array, is the same in all rows."""
    rows = [a for a in arguments if not isinstance(a, np.ndarray)]
    shared = {i: a for i, a in enumerate(arguments) if isinstance(a, np.ndarray)}

    def call(*given: Any) -> Any:
        values = iter(given)
        filled = [shared[i] if i in shared else np.asarray(next(values)) for i in range(len(arguments))]
        return function(*filled)[0]

    return jax.pure_callback(call, jax.ShapeDtypeStruct((rows[0].shape[0], width), rows[0].dtype), *rows)
