"""The processes of a launcher."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int) -> dict[str, int]:
    """A launcher's children by the sub-command that they run; the dead are left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            arguments = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue  # it has just ended
        if int(parent) == pid and state != "Z" and "--parent" in arguments:
            found[arguments[arguments.index("--parent") + 2]] = int(entry.name)
    return found
