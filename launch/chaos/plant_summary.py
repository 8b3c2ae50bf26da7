"""How long the plant's ticks took, by its own clock: the summary that it writes when it ends."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from launch.chaos.outcome import Requirement


@final
class PlantSummaryFile:
    """`options` are those of `mpc sim` that make it write one; it is there once the plant has ended."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mpc-chaos-")
        self._path = Path(self._folder.name) / "plant.json"
        self.options = ("--json", str(self._path))

    def read(self) -> dict[str, Any]:
        """PlantSummary as a table."""
        summary: dict[str, Any] = json.loads(self._path.read_text())
        return summary

    def no_hang(self, longest_ms: float) -> Requirement:
        """No tick took longer than a period of plans."""
        summary = self.read()
        worst_ms, overruns, ticks = summary["tick_time_us"]["max"] * 1e-3, summary["overruns"], summary["ticks"]
        text = f"no hang beyond one period of plans, {longest_ms:g} ms"
        return Requirement(text, f"{worst_ms:.2f} ms, {overruns} overruns of {ticks} ticks", worst_ms <= longest_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._folder.cleanup()
