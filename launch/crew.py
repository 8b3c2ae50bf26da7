"""The processes of one run: started together, started again after a failure where the policy says so, stopped together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, final

from launch.child import Child, describe_exit, wait_ready
from launch.errors import ExitCode
from launch.heartbeat import Heartbeat
from launch.live_line import Terminal
from launch.restarts import Restarts
from launch.run_log import RunLog
from launch.supervision_section import SupervisionSection

_LOOK_S = 0.1  # between looks at the children, who need the processor more
# As after a whole run: the plant first, with its last words; that the controller leaves is no part of the run.
_STOP_ORDER = ("sim", "record", "adapt", "control", "view")
_OPTIONAL = "view"  # may end whenever it likes
_LOOPS = ("sim", "control")  # these tell when their loops turn
# What a process that ends at its start says about the cause is passed on; later it is a failed run.
_START_CODES = (ExitCode.BAD_INPUT, ExitCode.ENVIRONMENT)

Arguments: TypeAlias = Callable[[int], Sequence[str]]  # of `mpc`, after so many restarts


@final
class Crew:
    """Leaving the context stops all. folder: for sockets of the crew's own.

    failure, code: the first thing that went wrong and was not mended by a restart; None, OK.
    """

    def __init__(
        self, terminal: Terminal, stopped: Callable[[], bool], supervision: SupervisionSection, log: RunLog, folder: Path
    ) -> None:
        self._terminal, self._stopped, self._supervision = terminal, stopped, supervision
        self._log, self._folder = log, folder
        self._members: dict[str, _Member] = {}
        self.failure: str | None = None
        self.code = ExitCode.OK

    @property
    def size(self) -> int:
        """How many processes there are."""
        return len(self._members)

    @property
    def is_sound(self) -> bool:
        """Whether the run may go on: nobody stopped it and nothing failed."""
        return self.failure is None and not self._stopped()

    @property
    def restarts(self) -> dict[str, int]:
        """How often each process that died was started again."""
        return {name: member.restarts.count for name, member in self._members.items() if member.restarts.count}

    def start(self, name: str, arguments: Arguments) -> None:
        """Start `mpc ARGUMENTS`."""
        heartbeat = None
        if self._supervision.hung_s is not None and name in _LOOPS:
            heartbeat = Heartbeat(self._folder / f"{name}.notify", self._supervision.hung_s)
        restarts = Restarts(self._supervision.policy(name))
        self._members[name] = _Member(name, arguments, restarts, heartbeat, self._terminal, self._log)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until all say that they are ready; one that does not is a failure, without another start."""
        child = wait_ready([member.child for member in self._members.values()], timeout_s, self._stopped)
        for member in self._members.values():
            member.log_ready()
        if child is None:
            return
        code = child.wait(0.0)
        if code is None:
            self._fail(child.name, f"{child.name} was not ready within {timeout_s:g} s", ExitCode.RUN_FAILED)
        else:
            reason = ExitCode(code) if code in _START_CODES else ExitCode.RUN_FAILED
            self._fail(child.name, f"{child.name} ended at its start ({describe_exit(code)})", reason)

    def has_finished(self, name: str) -> bool:
        """Whether this child has ended well, after waiting a moment; looks after all others meanwhile."""
        member = self._members[name]
        if member.is_down:
            time.sleep(_LOOK_S)
        elif member.child.wait(_LOOK_S) == ExitCode.OK:
            return True
        for member in self._members.values():
            self._look_after(member)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for member in sorted(self._members.values(), key=lambda m: _STOP_ORDER.index(m.name)):
            failure = member.stop()
            if failure and member.name != _OPTIONAL:
                self._fail(member.name, failure, ExitCode.RUN_FAILED)

    def _look_after(self, member: _Member) -> None:
        now_s = time.monotonic()
        if member.is_down:
            member.start_again_if_due(now_s)
            return
        code = member.child.exit_code()
        if code is None:
            member.log_ready()
            member.kill_if_hung(now_s)
        elif member.name != _OPTIONAL and not member.shall_start_again(code, now_s):
            after = f", having been started again {member.restarts.recent}×" if member.restarts.recent else ""
            self._fail(member.name, f"{member.name} ended during the run ({describe_exit(code)}){after}", ExitCode.RUN_FAILED)

    def _fail(self, name: str, failure: str, code: ExitCode) -> None:
        """The first failure is the cause; those after it are its consequences."""
        if self.failure is None and not self._stopped():
            self.failure, self.code = failure, code
            self._log.write(name, "error", failure, exit_code=int(code))


@final
class _Member:
    """One process and those that took its place."""

    def __init__(
        self,
        name: str,
        arguments: Arguments,
        restarts: Restarts,
        heartbeat: Heartbeat | None,
        terminal: Terminal,
        log: RunLog,
    ) -> None:
        self.name, self.restarts = name, restarts
        self._arguments, self._heartbeat, self._terminal, self._log = arguments, heartbeat, terminal, log
        self._again_s: float | None = None
        self._is_ready = False
        self._started_s = 0.0
        self.child: Child
        self._start()

    @property
    def is_down(self) -> bool:
        """Whether it died and will be started again."""
        return self._again_s is not None

    def shall_start_again(self, code: int, now_s: float) -> bool:
        """After it died: whether the policy gives it another start, which is then due after a while."""
        how = describe_exit(code)
        delay_s = self.restarts.delay_s(code, now_s)
        if delay_s is None:
            return False
        self._again_s = now_s + delay_s
        policy = self.restarts.policy
        count = f"restart {self.restarts.recent} of at most {policy.most} in {policy.within_s:g} s"
        self._terminal.complain(f"{self.name} died ({how}); {count}, in {delay_s:g} s")
        self._log.write(self.name, "error", "died", exit_code=code, how=how, restarts=self.restarts.count, delay_s=delay_s)
        return True

    def start_again_if_due(self, now_s: float) -> None:
        if self._again_s is not None and now_s >= self._again_s:
            self._again_s = None
            if self._heartbeat is not None:
                self._heartbeat.forget()
            self._start()

    def kill_if_hung(self, now_s: float) -> None:
        """What happens next is the policy's."""
        if self._heartbeat is not None and self._heartbeat.is_silent(now_s):
            self._terminal.complain(f"{self.name} hangs: its loop does not turn; killed")
            self._log.write(self.name, "error", "hangs: its loop does not turn; killed")
            self._heartbeat.forget()
            self.child.kill()

    def log_ready(self) -> None:
        """Once for each process."""
        if self.child.ready.is_set() and not self._is_ready:
            self._is_ready = True
            self._log.write(self.name, "info", "ready", pid=self.child.pid, took_s=round(time.monotonic() - self._started_s, 3))

    def stop(self) -> str:
        """End it; '' or what is wrong with how it ended now."""
        had_ended = self.child.exit_code() is not None
        self.child.stop()
        code = self.child.exit_code() or 0
        if self._heartbeat is not None:
            self._heartbeat.close()
        if not had_ended:
            self._log.write(self.name, "info" if code == 0 else "error", "stopped", exit_code=code)
        return f"{self.name} did not stop cleanly ({describe_exit(code)})" if not had_ended and code else ""

    def _start(self) -> None:
        arguments = self._arguments(self.restarts.count)
        self._started_s, self._is_ready = time.monotonic(), False
        environment = None if self._heartbeat is None else self._heartbeat.environment
        self.child = Child(self.name, arguments, self._say, self._complain, environment)
        self._log.write(self.name, "info", "started", pid=self.child.pid, arguments=list(arguments))

    def _say(self, line: str) -> None:
        self._log.write(self.name, "info", line.removeprefix(f"{self.name}: "))
        self._terminal.say(line)

    def _complain(self, line: str) -> None:
        self._log.write(self.name, "error", line.removeprefix(f"{self.name}: "))
        self._terminal.complain(line)
