"""A learned correction r(z; w) with the guard that says where it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.model.residual.network import Network, NetworkShape

# The saturation bends from b to b (1 + SATURATION).
SATURATION = 0.25


@final
@dataclass(frozen=True)
class ResidualShape:
    """What of a residual shapes code: its networks, and whether its outputs can only take energy out.

    `members` networks of one shape (an ensemble; 1 otherwise). `conjugate` gives, for each output, the position of the feature
    z_{c_i} on which it does work, for a dissipative residual; empty otherwise.
    """

    network: NetworkShape
    members: int = 1
    conjugate: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ValueError(f"ResidualShape: members is {self.members}; it must be at least 1")
        if self.conjugate and (len(self.conjugate) != self.nr or not all(0 <= entry < self.nz for entry in self.conjugate)):
            raise ValueError(
                f"ResidualShape: conjugate is {self.conjugate}; it needs one of {self.nz} features for each of {self.nr}"
            )

    @property
    def nz(self) -> int:
        return self.network.inputs

    @property
    def nr(self) -> int:
        return self.network.outputs


@final
@dataclass(frozen=True, eq=False)
class Guard:
    """Where a residual was trained, in normalised features z̃ = (z − center)/scale, and what it gave there.

        e = Σ_i [max(0, lower_i − z̃_i, z̃_i − upper_i)/fade_i]² + max(0, z̃ᵀP z̃/density_limit − 1)² + max(0, v − 1)²
        gate g = (1 − e)² for e < 1, 0 beyond: once continuously differentiable, 1 wherever it was trained

    lower, upper, fade (nz,): ranges and how far beyond them the correction fades to nothing. P (nz, nz), density_limit: the
    squared Mahalanobis distance within which the data lie. v = mean over outputs of (variance over members)/disagreement_i,
    disagreement (nr,): the largest variances that were seen; 0 for a single network. bound (nr,): |output| bends from there to
    (1 + SATURATION) times it.
    """

    lower: Array
    upper: Array
    fade: Array
    precision: Array
    density_limit: float
    disagreement: Array
    bound: Array


@final
@dataclass(frozen=True, eq=False)
class Residual:
    """r(z; w) (nr,) of features z (nz,), in the units of its robot's ResidualPort.

        z̃ = (z − center)/scale,    y = mean over members of network(z̃)                       in single precision
        y_i ← −softplus(y_i) z_{c_i}                                                          if dissipative
        y_i ← y_i for |y_i| ≤ b_i, else ± [b_i + β_i tanh((|y_i| − b_i)/β_i)], β = SATURATION b
        r = strength · g(z̃) · y

    Which model it belongs to: `robot`, the hash of its equations and the values of its parameters when it was trained.
    `accepted`: whether validation found it better than physics alone. `metrics` and `provenance` are what its table and its
    report say (JSON values). strength in [0, 1] fades it in and out.
    """

    shape: ResidualShape
    networks: tuple[Network, ...]
    center: Array
    scale: Array
    guard: Guard
    family: str
    robot: str
    model_hash: str
    parameters: Mapping[str, float]
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]
    accepted: bool
    strength: float = 1.0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nz, nr, guard = self.shape.nz, self.shape.nr, self.guard
        if len(self.networks) != self.shape.members or any(n.shape != self.shape.network for n in self.networks):
            raise ValueError(f"Residual of {self.robot}: {len(self.networks)} networks do not fit the shape {self.shape}")
        for name, value, shape in (
            ("center", self.center, (nz,)),
            ("scale", self.scale, (nz,)),
            ("feature_names", np.asarray(self.feature_names), (nz,)),
            ("output_names", np.asarray(self.output_names), (nr,)),
            ("guard.lower", guard.lower, (nz,)),
            ("guard.upper", guard.upper, (nz,)),
            ("guard.fade", guard.fade, (nz,)),
            ("guard.precision", guard.precision, (nz, nz)),
            ("guard.disagreement", guard.disagreement, (nr,)),
            ("guard.bound", guard.bound, (nr,)),
        ):
            if value.shape != shape:
                raise ValueError(f"Residual of {self.robot}: {name} has shape {value.shape}; it must be {shape}")
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise ValueError(f"Residual of {self.robot}: {name} holds numbers that are not finite")
        for name, value in (
            ("scale", self.scale),
            ("guard.fade", guard.fade),
            ("guard.density_limit", np.array([guard.density_limit])),
            ("guard.disagreement", guard.disagreement),
            ("guard.bound", guard.bound),
        ):
            if not (value > 0).all():
                raise ValueError(f"Residual of {self.robot}: {name} is {value}; it must be above 0")
        if not (guard.lower <= guard.upper).all() or not 0 <= self.strength <= 1:
            raise ValueError(
                f"Residual of {self.robot}: a range is reversed, or the strength {self.strength:g} is not within 0 and 1"
            )
