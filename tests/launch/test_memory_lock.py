"""Memory is locked where the system permits it without a limit, and never below one."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from launch import memory_lock
from tests.launch.command import environment


@pytest.mark.parametrize(
    ("limit", "capabilities", "may"),
    [(resource.RLIM_INFINITY, 0, True), (8 * 2**20, 0, False), (2**40, 0, False), (8 * 2**20, 1 << 14, True)],
)
def test_a_limit_forbids_it_unless_the_process_is_privileged(
    monkeypatch: pytest.MonkeyPatch, limit: int, capabilities: int, may: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    monkeypatch.setattr(memory_lock, "_effective_capabilities", lambda: capabilities)
    assert memory_lock.may_lock_memory() is may


def test_a_process_that_locked_its_memory_has_it_locked_where_that_is_permitted() -> None:
    code = (
        "from launch.memory_lock import lock_memory, may_lock_memory; lock_memory()\n"
        "locked = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmLck')][0]\n"
        "assert (int(locked) > 0) == may_lock_memory(), locked"
    )
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0
