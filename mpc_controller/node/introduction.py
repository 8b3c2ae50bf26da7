"""What a controller says first, so that its recording can be replayed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from mpc_controller.bus.messages import LARGEST_EPOCH, Event, EventKind

_PARAMETER = "parameter."  # before the names of parameters


@final
@dataclass(frozen=True)
class Introduction:
    """With which rates [Hz], estimator, parameters of the robot's model and delay of its commands a controller plans, and
    whether its residual adapts."""

    rate_hz: float
    plant_rate_hz: float
    estimator: str
    parameters: Mapping[str, float]
    control_delay_s: float = 0.0
    adapts_residual: bool = False

    def event(self, robot: str, epoch: int, build_s: float) -> Event:
        """build_s: what it took to make the solver."""
        details = {
            "epoch": str(epoch),
            "rate_hz": repr(self.rate_hz),
            "plant_rate_hz": repr(self.plant_rate_hz),
            "estimator": self.estimator,
            "build_s": repr(build_s),
            "control_delay_s": repr(self.control_delay_s),
            "adapts_residual": repr(self.adapts_residual),
        }
        details |= {_PARAMETER + name: repr(value) for name, value in self.parameters.items()}
        return Event(EventKind.INFO, 0, "controller", f"controller of '{robot}' is ready", details=details)

    @staticmethod
    def of(event: Event) -> Introduction | None:
        """What an event says of that; None when it is about something else, or cannot be read: its epoch, too."""
        told = event.details
        if event.source != "controller" or not {"epoch", "rate_hz", "plant_rate_hz", "estimator"} <= told.keys():
            return None
        try:
            rates = float(told["rate_hz"]), float(told["plant_rate_hz"])
            delay_s = float(told.get("control_delay_s", "0"))
            epoch = int(told["epoch"])
            values = {name.removeprefix(_PARAMETER): float(v) for name, v in told.items() if name.startswith(_PARAMETER)}
        except ValueError:
            return None
        if not 0 <= epoch <= LARGEST_EPOCH:
            return None
        if not all(math.isfinite(rate) and rate > 0 for rate in rates) or not 0 <= delay_s < math.inf:
            return None
        return Introduction(*rates, told["estimator"], values, delay_s, told.get("adapts_residual") == "True")
