"""What workers share who fit one structure to the same logs many times over."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import casadi as ca
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log import Log
from mpc_controller.identification.model_structure import ModelStructure
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.windows import Window


@final
@dataclass(frozen=True)
class RepeatedFit:
    """Picklable; the fit is built where it is used, once, from the cache of compiled code.

    delay: whether that of the commands is fitted. options: of every fit, one core each. short: of the fit before it from a bad
    first guess. theta (nθ,), std (nres,): where fits start that have no other. windows: those to draw from.
    """

    structure: ModelStructure
    delay: bool
    logs: Sequence[Log]
    options: OutputErrorOptions
    short: OutputErrorOptions | None = None
    theta: Array | None = None
    std: Array | None = None
    windows: Sequence[Window] = ()

    @cached_property
    def fit(self) -> OutputError:
        return OutputError(self.structure, delay=self.delay)

    def __getstate__(self) -> dict[str, Any]:
        fields = {name: value for name, value in self.__dict__.items() if name not in ("fit", "structure")}
        with ca.global_pickle_context():  # a model may hold expressions
            return fields | {"structure": pickle.dumps(self.structure)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with ca.global_unpickle_context():
            self.__dict__.update(state | {"structure": pickle.loads(state["structure"])})


def is_finite(theta: Array, cost: float) -> bool:
    return bool(np.isfinite(theta).all() and np.isfinite(cost))
