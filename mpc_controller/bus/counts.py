"""What a link took in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import final

from mpc_controller.bus.frame import WireError


@final
@dataclass
class Counts:
    """received: frames that came. dropped: of them, those that newer ones of their kind made worthless, never read. rejected:
    not as docs/wire.md says, by `WireError.reason` in `reasons`; `last_error` tells how the last one was wrong ('': none was).
    """

    received: int = 0
    dropped: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    last_error: str = ""

    def reject(self, error: WireError) -> None:
        """Count a frame that is refused."""
        self.rejected += 1
        self.reasons[error.reason] += 1
        self.last_error = str(error)
