"""Where a learned correction enters a robot's physics: what it sees, and which forces it may add."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import casadi as ca


@final
@dataclass(frozen=True)
class ResidualPort:
    """Features z = φ(x, u, p) (nz,), and what outputs r (nr,) do to the motion, of one robot.

        ẋ = f(x, u, p) + e(x, u, p, r),    e linear in r

    `features(x, u, p)` gives z; `effect(x, u, p, r)` gives e in the tangent space (ndx,), 0 on the entries of attitudes. p are
    the parameters of the nominal model (no disturbances). Physically shaped: outputs are forces and torques in named frames,
    and e divides them by masses and inertias; features leave out what the physics is symmetric in (a position, a heading).

    `conjugate` gives, for each output, the feature that it does work on: r_i z_{c_i} [W] is the power that it feeds in, so that
    a dissipative residual can be asked for. Empty where outputs have no such features.
    """

    feature_names: tuple[str, ...]
    feature_units: tuple[str, ...]
    output_names: tuple[str, ...]
    output_units: tuple[str, ...]
    features: Callable[[ca.SX, ca.SX, ca.SX], ca.SX]
    effect: Callable[[ca.SX, ca.SX, ca.SX, ca.SX], ca.SX]
    conjugate: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, names, units in (
            ("feature", self.feature_names, self.feature_units),
            ("output", self.output_names, self.output_units),
        ):
            if not names or len(names) != len(units) or len(set(names)) != len(names):
                raise ValueError(f"ResidualPort: {what}s are {names} in {units}; they need different names, and a unit each")
        unknown = [name for name in self.conjugate if name not in self.feature_names]
        if unknown or (self.conjugate and len(self.conjugate) != len(self.output_names)):
            raise ValueError(
                f"ResidualPort: conjugate is {self.conjugate}; it must name one of {', '.join(self.feature_names)} "
                f"for each of {', '.join(self.output_names)}"
            )

    @property
    def nz(self) -> int:
        return len(self.feature_names)

    @property
    def nr(self) -> int:
        return len(self.output_names)
