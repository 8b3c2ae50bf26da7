"""A residual while it is learned: a shape, layers in double precision, and the frame around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.learning.guard import Range
from mpc_controller.model.residual.network import Activation, LayerShape, Network, NetworkShape
from mpc_controller.model.residual.residual import ResidualShape

# W (members, outputs, inputs) and b (members, outputs) of every layer.
Layers: TypeAlias = tuple[tuple[Any, Any], ...]

_SHUT = -40.0  # softplus of it is 4e-18


@final
@dataclass(frozen=True, eq=False)
class Draft:
    """y = output_scale · network(z̃) within `range`; the first `fixed` layers are not trained any further.

    deviations (members, outputs, inputs): what the last layers of members will differ by from W, when `with_members` makes them
    of the one network.
    """

    shape: ResidualShape
    range: Range
    output_scale: Array
    layers: Layers
    fixed: int = 0
    deviations: Array | None = None

    def with_trained(self, trained: Layers) -> Draft:
        """The same with other numbers in the layers that are trained."""
        arrays = tuple((np.asarray(w, dtype=float), np.asarray(b, dtype=float)) for w, b in trained)
        return replace(self, layers=(*self.layers[: self.fixed], *arrays))

    def scaled(self, factors: Array) -> Draft:
        """Every output times its factor (nr,); of a dissipative residual those with factor 0 are shut, and the others stay."""
        weight, bias = self.layers[-1]
        if self.shape.conjugate:
            open_ = factors > 0
            last = (np.where(open_[:, None], weight, 0.0), np.where(open_, bias, _SHUT / self.output_scale))
        else:
            last = (weight * factors[:, None], bias * factors)
        return replace(self, layers=(*self.layers[:-1], last))

    def with_members(self) -> Draft:
        """The same mean, said by members that deviate from it; as it is without deviations."""
        if self.deviations is None:
            return self
        members = len(self.deviations)
        *hidden, (weight, bias) = ((np.repeat(w, members, axis=0), np.repeat(b, members, axis=0)) for w, b in self.layers)
        shape = replace(self.shape, members=members)
        return replace(self, shape=shape, layers=(*hidden, (weight + self.deviations, bias)), deviations=None)

    def networks(self) -> tuple[Network, ...]:
        """In single precision, with the outputs' scale in the last layer."""
        *hidden, (weight, bias) = self.layers
        layers = [*hidden, (weight * self.output_scale[:, None], bias * self.output_scale)]
        return tuple(
            Network(
                self.shape.network,
                tuple(np.asarray(w[m], np.float32) for w, _ in layers),
                tuple(np.asarray(b[m], np.float32) for _, b in layers),
            )
            for m in range(self.shape.members)
        )


def network_shape(inputs: int, layers: Sequence[tuple[int, Activation]]) -> NetworkShape:
    """A chain of (outputs, activation)."""
    shapes, size = [], inputs
    for outputs, activation in layers:
        shapes.append(LayerShape(size, outputs, activation))
        size = outputs
    return NetworkShape(tuple(shapes))
