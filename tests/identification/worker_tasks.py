"""What workers of the tests do: in a file of its own, as each of them imports it anew, and with it all that it imports."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

NEVER_S = 1000.0  # longer than any test may take


def scaled(shared: Any, item: float) -> Any:
    if item < 0:
        raise ValueError(f"{item:g} is below 0")
    time.sleep(NEVER_S if item > 100 else 0)
    return shared * item


def dies(shared: None, item: int) -> int:
    os._exit(item)


def marks_and_sleeps(folder: Path, item: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(NEVER_S)
