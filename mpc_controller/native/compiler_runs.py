"""The compiler's processes of one build."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, final

from mpc_controller.native.cache import cache_folder
from mpc_controller.native.compiler import CompilerError

_ERROR_LINES = 12


@final
class CompilerRuns:
    """Commands in `folder`, where their temporary files are too. Whoever leaves the context early ends those that still run."""

    def __init__(self, folder: Path) -> None:
        # zig keeps its support library; where there is no cache folder that can be written, only for this build.
        kept = cache_folder() if cache_folder().is_dir() and os.access(cache_folder(), os.W_OK) else folder
        own = {"LC_ALL": "C", "TMPDIR": str(folder)}
        self._folder, self._environment = folder, {"ZIG_GLOBAL_CACHE_DIR": str(kept / "zig"), **os.environ, **own}
        self._running: list[subprocess.Popen[str]] = []

    def run(self, command: Sequence[str]) -> None:
        """One command, from any thread; CompilerError shows it and the first lines that it said."""
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._running.append(process)
        _, said = process.communicate()
        if process.returncode != 0:
            lines = "\n".join(said.strip().splitlines()[:_ERROR_LINES])
            raise CompilerError(f"the C compiler failed (exit code {process.returncode}): {' '.join(command)}\n{lines}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._running if kind else ():
            if process.poll() is None:
                for pid in _family(process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def _family(pid: int) -> list[int]:
    """A process and all that it started, as Linux tells. Not by a group: whoever ends that of this process ends these too."""
    try:
        threads = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for thread in threads for child in thread.read_text().split()]
    except OSError:
        children = []  # it has just ended
    return [pid, *(member for child in children for member in _family(int(child)))]
