"""What a process takes of the machine, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def memory_mb(pid: int) -> float:
    """What it has allocated and touched (anonymous pages) [MB]; files that it maps do not count. Source: proc(5)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024e-6
    return float("nan")


def open_files(pid: int) -> int:
    """File descriptors, sockets among them."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def processor_s(pid: int) -> float:
    """Time of the processor that it has taken so far, all its threads together [s], to a nanosecond. Source: proc(5)."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) * 1e-9
