"""When a process that died during a run is started again, and when that is enough."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, final

from launch.errors import ExitCode

_LONGEST_BACKOFF_S: Final = 10.0


@final
@dataclass(frozen=True)
class RestartPolicy:
    """on_failure: start it again after an exit code that is not 0, or a signal; never when False. most: restarts within any
    `within_s` seconds. backoff_s: before the first of them; twice as long before each further one, 10 s at most.

    An exit of its own accord (0) and bad input (2), which stays bad, are never followed by another start.
    """

    on_failure: bool = False
    most: int = 5
    within_s: float = 60.0
    backoff_s: float = 0.1


@final
class Restarts:
    """Of one process."""

    def __init__(self, policy: RestartPolicy) -> None:
        self.policy = policy
        self.count = 0
        self._recent_s: deque[float] = deque()

    @property
    def recent(self) -> int:
        """How many there were within the policy's time, when asked last."""
        return len(self._recent_s)

    def delay_s(self, exit_code: int, now_s: float) -> float | None:
        """How long to wait before the next start, which is counted; None when there shall be none."""
        policy = self.policy
        while self._recent_s and now_s - self._recent_s[0] >= policy.within_s:
            self._recent_s.popleft()
        if not policy.on_failure or exit_code in (ExitCode.OK, ExitCode.BAD_INPUT) or len(self._recent_s) >= policy.most:
            return None
        delay_s = float(min(policy.backoff_s * 2 ** len(self._recent_s), _LONGEST_BACKOFF_S))
        self._recent_s.append(now_s)
        self.count += 1
        return delay_s
