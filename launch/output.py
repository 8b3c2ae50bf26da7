"""What commands print and write."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launch.errors import CommandError, ExitCode
from mpc_controller.whole_file import objection

TO_STDOUT = "-"


def speaker(json_path: str | None) -> Callable[[str], None]:
    """Prints lines for people: on stdout, or on stderr when the JSON summary goes to stdout."""
    stream = sys.stderr if json_path == TO_STDOUT else sys.stdout

    def say(line: str) -> None:
        print(line, file=stream, flush=True)

    return say


def write_json(json_path: str | None, summary: Any) -> None:
    """Write a summary (a dict or a dataclass) to a file, to stdout for '-', or not at all for None.

    JSON knows no NaN and no infinity: they become null.
    """
    if json_path is None:
        return
    data = dataclasses.asdict(summary) if dataclasses.is_dataclass(summary) and not isinstance(summary, type) else summary
    text = json.dumps(_plain(data), indent=2, allow_nan=False)
    if json_path == TO_STDOUT:
        print(text, flush=True)
    else:
        Path(json_path).write_text(f"{text}\n")


def check_json_path(json_path: str | None) -> None:
    """Refuse a path that could not be written, before a run instead of after it. Raises CommandError."""
    if json_path is None or json_path == TO_STDOUT:
        return
    path = Path(json_path)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(
            f"--json {json_path}: cannot be written; give a file in an existing folder, or -", ExitCode.BAD_INPUT
        )


def check_free(path: Path, force: bool) -> None:
    """Refuse before the work what could not be written after it. Raises CommandError."""
    if reason := objection(path, force):
        raise CommandError(reason, ExitCode.BAD_INPUT)


def _plain(value: Any) -> Any:
    """The same in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | None):
        return value
    return _plain(value.tolist())  # NumPy numbers and arrays
