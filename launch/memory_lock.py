"""Keeps a process in memory, so that no page of it must come back from the disk while its loop runs."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

# mlockall(2). On fault: all that was ever touched stays. Without it every library would be read in full, which takes 0.4 s and
# 230 MB a process; with it, 3 ms.
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK = 14  # capabilities(7)


def may_lock_memory() -> bool:
    """Whether the system permits it without a limit: below one, memory that is asked for later would be refused."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return limit == resource.RLIM_INFINITY or bool(_effective_capabilities() >> _CAP_IPC_LOCK & 1)


def lock_memory() -> str:
    """Lock what is and what will be in memory, where permitted; '' or why not, in a few words."""
    if not may_lock_memory():
        limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        return f"locked memory (the limit is {limit / 2**20:.0f} MiB)"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        return f"locked memory ({os.strerror(ctypes.get_errno())})"
    return ""


def _effective_capabilities() -> int:
    """A bit mask; 0 where the kernel does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
