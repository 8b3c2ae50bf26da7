"""What was measured, part by part, in files that the pages are written from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from launch.errors import CommandError, ExitCode
from mpc_controller.native.build import architecture
from mpc_controller.native.compiler import find_compiler

Measurement = Mapping[str, Any]
PARTS = ("solvers", "convergence", "phases", "flops", "builds", "launches", "identification")
# Of a row, what says where things lie on the machine that measured it.
_OF_THE_MACHINE = ("command",)


@final
@dataclass(frozen=True)
class Measurements:
    """A folder with a file a part: the machine, and rows."""

    folder: Path

    def rows(self, part: str) -> list[Measurement]:
        """Of one of PARTS."""
        rows: list[Measurement] = self._content(part)["rows"]
        return rows

    def machine(self, part: str) -> str:
        """Where a part was measured."""
        return str(self._content(part)["machine"])

    def store(self, part: str, rows: Sequence[Measurement]) -> None:
        """Replace a part by what this machine measured; a line a row."""
        self.folder.mkdir(exist_ok=True)
        lines = ",\n".join(json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) for row in rows)
        machine = json.dumps(this_machine(), ensure_ascii=False)
        self._file(part).write_text(f'{{"machine": {machine}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")

    def _content(self, part: str) -> dict[str, Any]:
        if not self._file(part).is_file():
            raise CommandError(f"no {self._file(part)}; `mpc bench pages --measure {part}` makes it", ExitCode.BAD_INPUT)
        content: dict[str, Any] = json.loads(self._file(part).read_text(encoding="utf-8"))
        return content

    def _file(self, part: str) -> Path:
        return self.folder / f"{part}.json"


def this_machine() -> str:
    """Processor, cores and compiler in a line."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    compiler = find_compiler()
    processor = names[0] if names else os.uname().machine
    return f"{processor}, {os.cpu_count()} cores; {compiler.version}, -march={architecture()}"


def _plain(row: Measurement) -> dict[str, Any]:
    """In JSON's types: twelve digits of a number, null for one that is none."""
    return {key: _plain_value(value) for key, value in row.items() if key not in _OF_THE_MACHINE}


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain_value(item) for key, item in value.items()}
    return [_plain_value(item) for item in value] if isinstance(value, list | tuple) else value
