"""What happened in a run, a line of JSON each, for programs to read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO, TypeAlias, final

from launch.errors import CommandError, ExitCode

Level: TypeAlias = Literal["info", "warning", "error"]


@final
class RunLog:
    """Appends lines such as

        {"time": "2026-01-31T12:00:00.000Z", "after_s": 3.21, "process": "control", "level": "warning",
         "text": "killed by SIGKILL", "details": {"exit_code": -9}}

    time: UTC, of the wall clock, which may jump; after_s: since this log was opened, by a clock that does not. Without a path
    nothing is written. A disk that is full loses lines, which `complain` hears of once, and never the run. Safe to use from
    several threads. Raises CommandError when the file can't be opened.
    """

    def __init__(self, path: Path | None, complain: Callable[[str], None]) -> None:
        self._path, self._complain = path, complain
        self._lock = threading.Lock()
        self._start_s = time.monotonic()
        self._file: TextIO | None = None
        self._has_failed = False
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            reason = f"the log {path} can't be written: {error.strerror}"
            raise CommandError(f"{reason}; give `supervision.log` a file in a folder of yours", ExitCode.ENVIRONMENT) from None

    def write(self, process: str, level: Level, text: str, **details: Any) -> None:
        """One line, on the disk on return."""
        if self._file is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "after_s": round(time.monotonic() - self._start_s, 4),
            "process": process,
            "level": level,
            "text": text,
            "details": details,
        }
        with self._lock:
            try:
                self._file.write(f"{json.dumps(line, default=str)}\n")
            except (OSError, ValueError) as error:
                self._tell(error)

    def close(self) -> None:
        """No more lines."""
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.close()
            except OSError as error:
                self._tell(error)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _tell(self, error: OSError | ValueError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._complain(f"the log {self._path} loses lines: {error}")
