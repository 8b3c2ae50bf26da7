"""A simulated plant and its controllers as real processes, and everything that the plant says, by its own clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, final

from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.keys import PeerKey
from mpc_controller.bus.messages import EStop, Event, Message, Mode, Observation, Plan, Truth
from mpc_controller.bus.zmq_link import PeerLink

_PATIENCE_S = 120.0  # of the wall clock; a machine that is busy with other things may build a solver in it
_ENDING_S = 10.0
_ROOT = Path(__file__).parents[2]


class FlightError(RuntimeError):
    """Processes that did not do what the rest of the fault needs; says which and what they said."""


@final
class Flight:
    """`mpc sim ROBOT`, and a link that keeps all that is said. Leaving the context stops every process.

    address: of the bus, in a folder of its own when None. options: of `mpc sim`. key: with which the link listens, where the
    plant asks for one. environment: of all processes, beside this one's. plant: the module that is run as one, with the options
    of `mpc sim`.
    """

    def __init__(
        self,
        robot: str,
        task: str,
        address: str | None = None,
        *options: str,
        key: PeerKey | None = None,
        environment: Mapping[str, str] | None = None,
        plant: str = "",
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mpc-chaos-")
        self.address = address or f"ipc://{self._folder.name}/bus"
        self._who = (robot, "--task", task)
        self._processes: list[subprocess.Popen[str]] = []
        self._environment = os.environ | {"PYTHONPATH": str(_ROOT)} | dict(environment or {})
        self._link = PeerLink(Endpoints.of(self.address, key), newest_only=())
        self.observations: list[Observation] = []
        self.events: list[Event] = []
        self.plans: list[Plan] = []
        self.truths: list[Truth] = []
        self.stops: list[tuple[int, EStop]] = []  # each with the sequence of the observation before it
        arguments = (*self._who, "--endpoint", self.address, *options)
        self.plant = self.start_module(plant, *arguments) if plant else self.start("sim", *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`mpc ARGUMENTS`; it is stopped with the rest."""
        return self.start_module("launch.cli", "--parent", str(os.getpid()), *arguments)  # which end with this process

    def start_module(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """`python -m MODULE ARGUMENTS`; it is stopped with the rest."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )
        self._processes.append(process)
        return process

    def start_controller(self, address: str | None = None, *options: str) -> subprocess.Popen[str]:
        """`mpc control ROBOT`, at another address where one is given; it may still be loading."""
        return self.start("control", *self._who, "--endpoint", address or self.address, "--wait", str(_PATIENCE_S), *options)

    def send(self, message: Message) -> None:
        """Say it to the plant, as any peer may."""
        self._link.send(message)

    def listen(self, seconds: float) -> None:
        """For so long, by the wall clock."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._hear()

    def listen_until(self, count: int, wanted: Callable[[Observation], bool]) -> None:
        """Until so many of the observations from now on were as wanted. Raises FlightError when they do not come."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while count > 0:
            ended = [p.communicate()[0] for p in self._processes if p.poll() not in (None, 0, -signal.SIGKILL)]
            if ended:
                raise FlightError(f"a process ended: {ended}")
            if time.monotonic() > deadline_s:
                raise FlightError(f"{count} observations are missing; the modes were {', '.join(self.modes()) or 'none'}")
            count -= sum(map(wanted, self._hear()))

    def fly(self, count: int) -> None:
        """Until so many observations from now on were NOMINAL."""
        self.listen_until(count, lambda observation: observation.mode is Mode.NOMINAL)

    def await_end(self, process: subprocess.Popen[str]) -> str:
        """Listen until a process has ended, as it should here; what it said. Raises FlightError when it goes on."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while process.poll() is None:
            if time.monotonic() > deadline_s:
                raise FlightError(f"a process that should end does not: {process.args!r}")
            self._hear()
        self._processes.remove(process)
        return process.communicate()[0]

    def ticks_until_stopped(self, stop: EStop) -> int:
        """Ticks from the one in which the plant took a stop in, and repeated it, to the first one in E_STOP."""
        before = next(sequence for sequence, message in self.stops if message == stop)
        return next(o.sequence for o in self.observations if o.mode is Mode.E_STOP and o.sequence > before) - before

    @property
    def folder(self) -> str:
        """Of its own, gone afterwards."""
        return self._folder.name

    def forget(self) -> None:
        """All that was said but the last observation."""
        del self.observations[:-1]
        for words in (self.events, self.plans, self.truths, self.stops):
            words.clear()

    def stop_plant(self) -> None:
        """In good order; its last words are heard. Raises FlightError when it does not end well."""
        self.plant.terminate()
        said = self.plant.communicate(timeout=_PATIENCE_S)[0]
        self._hear()
        if self.plant.returncode != 0:
            raise FlightError(f"the plant ended with {self.plant.returncode}: {said}")

    def modes(self) -> list[str]:
        """The modes one after the other."""
        names = [o.mode.name for o in self.observations]
        return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]

    def _hear(self) -> list[Observation]:
        messages = self._link.receive(0.05)
        heard = [m for m in messages if isinstance(m, Observation)]
        self.observations += heard
        self.events += [m for m in messages if isinstance(m, Event)]
        self.plans += [m for m in messages if isinstance(m, Plan)]
        self.truths += [m for m in messages if isinstance(m, Truth)]
        sequence = self.observations[-1 - len(heard)].sequence if len(self.observations) > len(heard) else 0
        for message in messages:
            sequence = message.sequence if isinstance(message, Observation) else sequence
            self.stops += [(sequence, message)] if isinstance(message, EStop) else []
        return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._link.close()
        running = [process for process in self._processes if process.poll() is None]
        for process in running:  # in good order: one that is building something puts that away
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_S)
            process.kill()
        for process in self._processes:
            process.communicate()
        self._folder.cleanup()
