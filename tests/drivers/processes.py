"""`mpc drive` as a process, and waiting for what it does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.launch.command import start

PATIENCE_S = 60.0  # for what takes a moment, on a machine that may be busy


@contextmanager
def driving(robot: str, folder: Path, text: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`mpc drive ROBOT` with this table [driver], once it is ready; gone afterwards in any case."""
    (folder / "driver.toml").write_text(f"[driver]\n{text}\n")
    command = ("drive", robot, "driver.toml", "--endpoint", f"ipc://{folder}/bus", "--priority", "0", *options)
    with start(*command, cwd=folder) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line.startswith(f"ready: driving {robot}"), line + process.stderr.read()
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], at_most_s: float = PATIENCE_S) -> None:
    """Look every 5 ms. Fails when it does not come true."""
    end_s = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.005)
