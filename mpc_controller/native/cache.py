"""Where built libraries are kept: one file each, named by the hash of all that went into it, complete or ignored."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mpc_controller.whole_file import write_whole

_DIGEST_SIZE = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """$MPC_CACHE_DIR, else mpc_controller under $XDG_CACHE_HOME or ~/.cache. It need not exist."""
    override = os.environ.get("MPC_CACHE_DIR")
    if override:
        return Path(override)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mpc_controller"


def library_path(folder: Path, name: str, digest: str) -> Path:
    """File of a library whose inputs hash to `digest`; the name only helps people who look into the folder."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80]
    return folder / f"{slug}-{digest[:24]}.so"


def processor() -> str:
    """What `-march=native` depends on: vendor, model and features of the first processor."""
    relevant = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features", "isa")
    lines = [platform.machine()]
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if not line.strip():
                break
            if line.split(":")[0].strip() in relevant:
                lines.append(line.strip())
    return "\n".join(lines)


def load_library(path: Path) -> ctypes.CDLL | None:
    """The library in a cache file; None when the file is absent, cut short or damaged.

    A file is the linker's output followed by its SHA-256: loading a truncated ELF file can kill the process with SIGBUS, so it
    is checked first. Trailing bytes do not disturb the loader.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        return None
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def store_library(linked: Path, path: Path) -> None:
    """Put the linker's output into the cache in one step: others see all of it or nothing."""
    body = linked.read_bytes()
    write_whole(path, body + hashlib.sha256(body).digest())


@contextlib.contextmanager
def exclusive(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Let one process at a time build `path`; calls `waiting` once when another one is at it. The kernel frees a dead holder's
    lock."""
    lock = path.with_suffix(".lock")
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
