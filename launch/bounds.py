"""What a launch file and the command line both allow: wide enough for any robot, narrow enough to catch a slip."""

from __future__ import annotations

from typing import Final

RATE_HZ: Final = (0.1, 10_000.0)
DURATION_S: Final = (0.1, 86_400.0)
SEED: Final = (0, 2**32 - 1)
# SCHED_FIFO of a loop; the thread that moves its messages gets one more, and 99 stays the kernel's own.
PRIORITY: Final = (0, 97)
DEFAULT_PRIORITY: Final = 40
ARMING: Final = ("automatic", "operator")
