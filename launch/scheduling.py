"""A loop's place on the machine: its core, its memory, its priority, and what of these the system does not permit."""

from __future__ import annotations

import os

from launch.errors import CommandError, ExitCode
from launch.memory_lock import lock_memory
from mpc_controller.node.realtime import real_time


def check_core(cpu: int | None) -> None:
    """Refuse a core that this process may not use. Raises CommandError."""
    valid = os.sched_getaffinity(0)
    if cpu is not None and cpu not in valid:
        listed = ", ".join(map(str, sorted(valid)))
        raise CommandError(f"--cpu {cpu}: this process may not run there; valid are {listed}", ExitCode.BAD_INPUT)


def take_place(priority: int, cpu: int | None) -> str:
    """Go to core `cpu` (None: stay free) and, for a loop with a priority, lock the memory; '' or what is not permitted.

    Threads that start afterwards come along; those of the bus should. SCHED_FIFO itself is set by the loop.
    """
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    if not priority:
        return ""
    with real_time(priority) as problem:
        pass
    missing = [what for what in ("SCHED_FIFO" if problem else "", lock_memory()) if what]
    return f"not permitted: {', '.join(missing)}; `mpc doctor` tells more" if missing else ""
