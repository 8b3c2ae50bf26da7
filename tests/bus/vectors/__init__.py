"""What a plant must do, as numbers that any language can read: docs/wire.md has the format.

`python -m tests.bus.vectors` writes the files anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bus.vectors import acceptance, frames, gate, ladder, plant, quadrotor, tracker

FOLDER = Path(__file__).parent
FILES: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "acceptance": acceptance.cases,
    "frames": frames.cases,
    "gate": gate.cases,
    "ladder": ladder.cases,
    "plant": plant.cases,
    "quadrotor": quadrotor.cases,
    "tracker": tracker.cases,
}
