"""What a cost or constraint may look at: one point of the horizon, as expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import casadi as ca


@final
@dataclass(frozen=True)
class Stage:
    """State x (nx,), control u (nu,), parameters by name, reference r (nr,) of one grid point.

    A terminal term must not use u: there is no control at N, and a problem whose terminal term depends on u is refused.
    """

    x: ca.SX
    u: ca.SX
    parameters: Mapping[str, ca.SX]
    reference: ca.SX
