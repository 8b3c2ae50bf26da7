"""What a user may choose of how a residual is learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import final

from mpc_controller.model.residual.network import Activation

_RATE, _LINEAR_RATE = 5e-3, 2e-2
SMOOTH = (Activation.TANH, Activation.SOFTPLUS, Activation.SILU)


class LearningError(ValueError):
    """Logs, a structure or options that nothing can be learned from; says what was given and what would be valid."""


class Family(StrEnum):
    """Which functions a residual is looked for among; all become `Network`s."""

    MLP = "mlp"
    ENSEMBLE = "ensemble"
    GP = "gp"
    LINEAR = "linear"
    RFF = "rff"


@final
@dataclass(frozen=True)
class LearnOptions:
    """family: one of Family. hidden, activation: of an mlp and of the members of an ensemble. members: of an ensemble (None:
    6), and of a gp, whose variance they stand for in pairs (None: 1, the mean
    alone). basis: inducing points of a gp, random features of rff.

    multi_step: after the one-step solution, fit over the horizon through the fused model. epochs: at most so many passes;
    patience: stop after so many without progress on what is kept aside. rate: Adam's first step (None: 0.005, or 0.02 for
    a linear one, whose single layer bears it). batch: windows a step. decay: of weights, in the loss. noise: of the starts
    that a residual is trained from, relative to the sensors'.
    horizon_s: of the training (None: the structure's, but at most MOST_STEPS samples). free_starts: fit windows' initial
    states, too (None: unless the structure has measured_starts). dissipative: the residual may only take energy out.
    folds: at most so many of the logs, or quarters of fewer than four, are left out in turn, to say when to stop and which
    outputs to keep (0: all outputs, all epochs). seed: of everything random.
    """

    family: Family = Family.MLP
    hidden: tuple[int, ...] = (32, 32)
    activation: Activation = Activation.TANH
    members: int | None = None
    basis: int = 64
    multi_step: bool = True
    epochs: int = 60
    patience: int = 12
    rate: float | None = None
    batch: int = 256
    decay: float = 1e-3
    noise: float = 1.0
    horizon_s: float | None = None
    free_starts: bool | None = None
    dissipative: bool = False
    folds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.family not in list(Family):
            raise LearningError(f"no family '{self.family}'; there are {', '.join(Family)}")
        if self.activation not in SMOOTH:
            raise LearningError(f"activation is '{self.activation}'; of smooth ones there are {', '.join(SMOOTH)}")
        if self.members is not None and self.members < 1:
            raise LearningError(f"members is {self.members}; it must be at least 1")
        for name in ("basis", "epochs", "patience", "batch"):
            if getattr(self, name) < 1:
                raise LearningError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not all(width >= 1 for width in self.hidden):
            raise LearningError(f"hidden is {self.hidden}; widths must be at least 1")
        for name in ("decay", "noise", "folds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise LearningError(f"{name} is {getattr(self, name):g}; it must be finite and not below 0")
        if not 0 < self.first_rate < math.inf:
            raise LearningError(f"rate is {self.first_rate:g}; it must be above 0")
        if self.horizon_s is not None and not 0 < self.horizon_s < math.inf:
            raise LearningError(f"horizon_s is {self.horizon_s:g}; it must be above 0 s")

    @property
    def first_rate(self) -> float:
        """Adam's."""
        if self.rate is not None:
            return self.rate
        return _LINEAR_RATE if self.family == Family.LINEAR else _RATE
