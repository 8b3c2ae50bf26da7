"""One line that says how a run is going."""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO, final

from mpc_controller.analysis.units import shown_quantity
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Observation, Plan

_PLAIN_PERIOD_S = 2.0  # between lines where there is no terminal to write over


@final
class Terminal:
    """Lines that stay, and one that is written over. Safe to use from the children's reader threads."""

    def __init__(
        self, stream: TextIO = sys.stdout, clock_s: Callable[[], float] = time.monotonic, errors: TextIO | None = None
    ) -> None:
        self._stream, self._clock_s = stream, clock_s
        self._errors = sys.stderr if errors is None else errors
        self._is_terminal = stream.isatty()
        self._lock = threading.Lock()
        self._live = ""
        self._shown_at = -math.inf

    def say(self, line: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._write(f"{line}\n")
            if self._live:
                self._write_live()

    def complain(self, line: str) -> None:
        """Print a line that stays, where errors go: perhaps the same terminal."""
        with self._lock:
            self._write("")
            self._errors.write(f"{line}\n")
            self._errors.flush()
            if self._live:
                self._write_live()

    def show(self, line: str) -> None:
        """Replace the live line; without a terminal, print one every two seconds."""
        with self._lock:
            if self._is_terminal:
                self._live = line[: shutil.get_terminal_size().columns - 1]  # a line that wraps cannot be written over
                self._write_live()
            elif self._clock_s() - self._shown_at >= _PLAIN_PERIOD_S:
                self._shown_at = self._clock_s()
                self._write(f"{line}\n")

    def end_live(self) -> None:
        """Let the live line stay as it is."""
        with self._lock:
            if self._live:
                self._live = ""
                self._write_raw("\n")

    def _write(self, text: str) -> None:
        self._write_raw(("\r\x1b[K" if self._live else "") + text)

    def _write_live(self) -> None:
        self._write_raw(f"\r\x1b[K{self._live}")

    def _write_raw(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


@final
class RunMonitor:
    """Listens to a robot's bus and tells in a line how the run goes: time, tracking error, solve time, plan age, mode."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._start_ns: int | None = None
        self._observation: Observation | None = None
        self._plan: Plan | None = None

    def line(self) -> str:
        """The state of the run now; '' before the first observation."""
        for message in self._link.receive(0.0):
            if isinstance(message, Observation):
                self._observation = message
            elif isinstance(message, Plan):
                self._plan = message
        if self._observation is None:
            return ""
        if self._start_ns is None:
            self._start_ns = self._observation.time_ns
        parts = [f"{(self._observation.time_ns - self._start_ns) * 1e-9:6.2f} s"]
        if self._plan is not None:
            parts.append("error " + ", ".join(_with_unit(name, value) for name, value in self._plan.tracking.items()))
            parts.append(f"solve {self._plan.solve_time_ns * 1e-3:5.0f} µs")
        if self._observation.plan_sequence > 0:
            parts.append(f"plan age {self._observation.plan_age_ns * 1e-6:4.1f} ms")
        parts.append(self._observation.mode.name)
        return " | ".join(parts)


def _with_unit(name: str, value: float) -> str:
    """'position 1.2 cm' from ('position_m', 0.012)."""
    quantity, unit, factor = shown_quantity(name)
    return f"{quantity} {abs(value) * factor:.2f} {unit}"
