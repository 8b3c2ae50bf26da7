"""Products of two values of a graph that are one activation: x·sigmoid(x), and gelu as exporters write it out."""

from __future__ import annotations

import math

import numpy as np

from mpc_controller.learning.affine import Affine, Source, Special, is_identity
from mpc_controller.model.residual.network import Activation

_ROOT, _CUBIC = math.sqrt(2 / math.pi), 0.044715  # of gelu's approximation by tanh
_ROUNDING = 1e-5  # relative: constants of exporters are in single precision


def product_of(value: Affine, gate: Affine) -> tuple[Activation | Special, Affine, float] | None:
    """value · gate, entry by entry, as (kind, a, factor): factor · kind(a); None where it is no function of one value a.

        t a · s σ(a)                                = t s silu(a)
        t √2 a · s (1 + erf a)                      = 2 t s gelu(√2 a)
        t a · s (1 + tanh(√(2/π)(a + 0.044715 a³))) = 2 t s gelu_tanh(a)
        t a · a = t a²,   t a · s a² = t s a³

    Squares and cubes are no activations: they are of use on the way to gelu_tanh only.
    """
    if (t := value.ratio_to(gate)) is not None:
        return Special.SQUARE, gate, t
    multiple = gate.as_multiple()
    if multiple is None:
        return None
    source, s = multiple
    found = _gating(source)
    if found is None:
        return None
    kind, base, factor, offset = found
    t = value.ratio_to(base)
    if t is None or not np.allclose(gate.offset, offset * s, atol=1e-12):
        return None
    return kind, base, factor * t * s


def _gating(source: Source) -> tuple[Activation | Special, Affine, float, float] | None:
    """(kind, a, factor, offset) with a (source + offset) = factor · kind(a)."""
    argument = source.argument
    if argument is None:
        return None
    if source.kind is Activation.SIGMOID:
        return Activation.SILU, argument, 1.0, 0.0
    if source.kind is Special.ERF:
        return Activation.GELU, argument.scaled(math.sqrt(2)), 2.0, 1.0
    if source.kind is Special.SQUARE:
        return Special.CUBE, argument, 1.0, 0.0
    base = _within_cubic(argument) if source.kind is Activation.TANH else None
    return None if base is None else (Activation.GELU_TANH, base, 2.0, 1.0)


def _within_cubic(argument: Affine) -> Affine | None:
    """a where the argument is √(2/π)(a + 0.044715 a³)."""
    argument = _opened(argument)
    cubes = [source for source in argument.terms if source.kind is Special.CUBE]
    if len(cubes) != 1 or cubes[0].argument is None:
        return None
    A, base = argument.terms[cubes[0]], cubes[0].argument
    rest = Affine({s: B for s, B in argument.terms.items() if s is not cubes[0]}, argument.offset)
    linear, cubic = rest.ratio_to(base), float(A[0, 0])
    if linear is None or not is_identity(A, cubic):
        return None
    is_gelu = math.isclose(linear, _ROOT, rel_tol=_ROUNDING) and math.isclose(cubic, _ROOT * _CUBIC, rel_tol=_ROUNDING)
    return base if is_gelu else None


def _opened(value: Affine) -> Affine:
    """A sum that was kept together as one source, as the sum."""
    while (multiple := value.as_multiple()) is not None and multiple[0].kind is Activation.IDENTITY:
        source, s = multiple
        assert source.argument is not None
        value = source.argument.scaled(s).shifted(value.offset)
    return value
