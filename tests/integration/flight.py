"""A simulated plant and its controllers as real processes, and everything that the plant says, by its own clock."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, final

from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import Event, Observation
from mpc_controller.bus.zmq_link import PeerLink
from tests.launch.command import start

_PATIENCE_S = 120.0  # of the wall clock; a machine that is busy with other things may build a solver in it


@final
class Flight:
    """`mpc sim ROBOT`, and a link that keeps all of its observations and events. Leaving the context stops every process."""

    def __init__(self, robot: str, task: str, folder: Path) -> None:
        self._who = (robot, "--task", task, "--endpoint", f"ipc://{folder}/bus")
        self._processes: list[subprocess.Popen[str]] = []
        self._link = PeerLink(Endpoints.of(f"ipc://{folder}/bus"), newest_only=(), kinds=(Observation, Event))
        self.observations: list[Observation] = []
        self.events: list[Event] = []
        self._plant = self._start("sim")

    def start_controller(self) -> subprocess.Popen[str]:
        """`mpc control ROBOT`; it may still be loading."""
        return self._start("control", "--wait", str(_PATIENCE_S))

    def listen_until(self, count: int, wanted: Callable[[Observation], bool]) -> None:
        """Until so many of the observations from now on were as wanted."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while count > 0:
            ended = [p.communicate() for p in self._processes if p.poll() not in (None, -9)]
            assert not ended, f"a process ended: {ended}"
            assert time.monotonic() < deadline_s, f"{count} observations are missing; modes: {self.modes()}"
            count -= sum(map(wanted, self._hear()))

    def stop_plant(self) -> None:
        """In good order; its last words are heard."""
        self._plant.terminate()
        self._plant.communicate(timeout=_PATIENCE_S)
        assert self._plant.returncode == 0
        self._hear()

    def modes(self) -> list[str]:
        """The modes one after the other."""
        names = [o.mode.name for o in self.observations]
        return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]

    def _start(self, command: str, *options: str) -> subprocess.Popen[str]:
        process = start(command, *self._who, *options)
        self._processes.append(process)
        return process

    def _hear(self) -> list[Observation]:
        messages = self._link.receive(0.05)
        heard = [m for m in messages if isinstance(m, Observation)]
        self.observations += heard
        self.events += [m for m in messages if isinstance(m, Event)]
        return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._link.close()
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
