"""The C++ quadrotor and controllers in Python as real processes, and everything that is said, by the plant's clock."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, final

from clients.robot_description import description
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import Event, Message, Observation, Plan, Truth
from mpc_controller.bus.zmq_link import PeerLink
from robots import load_robot
from tests.launch.command import start

PATIENCE_S = 120.0  # of the wall clock; a machine that is busy with other things may build a solver in it


@final
class CppFlight:
    """The plant from a build folder, at `folder`/bus unless said otherwise, and a link that keeps all that it hears. The
    robot is 10 % heavier than the model and has drag. Leaving the context stops every process."""

    def __init__(self, build: Path, folder: Path, address: str = "") -> None:
        self.address = address or f"ipc://{folder}/bus"
        robot = folder / "quadrotor.json"
        robot.write_text(json.dumps(description(load_robot("quadrotor"))))
        self.link = PeerLink(Endpoints.of(self.address), newest_only=())
        self.messages: list[Message] = []
        self._controllers: list[subprocess.Popen[str]] = []
        truth = ("--mass-scale", "1.1", "--drag", "0.01")
        command = [str(build / "quadrotor"), str(robot), self.address, *truth]
        self.plant = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def start_controller(self, task: str) -> subprocess.Popen[str]:
        """`mpc control quadrotor`; it may still be loading."""
        process = start("control", "quadrotor", "--task", task, "--endpoint", self.address, "--wait", str(PATIENCE_S))
        self._controllers.append(process)
        return process

    def listen_until(
        self, count: int, wanted: Callable[[Observation], bool], meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Until so many of the observations from now on were as wanted; `meanwhile` is called again and again."""
        deadline_s = time.monotonic() + PATIENCE_S
        while count > 0:
            assert self.plant.poll() is None, f"the plant ended: {self.plant.communicate()}"
            ended = [p.communicate() for p in self._controllers if p.poll() not in (None, -9)]
            assert not ended, f"a controller ended: {ended}"
            assert time.monotonic() < deadline_s, f"{count} observations are missing; {self.events()[-5:]}"
            meanwhile()
            heard = self.link.receive(0.05)
            self.messages += heard
            count -= sum(isinstance(m, Observation) and wanted(m) for m in heard)

    def observations(self) -> list[Observation]:
        return [m for m in self.messages if isinstance(m, Observation)]

    def events(self) -> list[Event]:
        return [m for m in self.messages if isinstance(m, Event)]

    def plans(self) -> list[Plan]:
        return [m for m in self.messages if isinstance(m, Plan)]

    def truth(self) -> dict[int, Truth]:
        """By the plant's time."""
        return {m.time_ns: m for m in self.messages if isinstance(m, Truth)}

    def stop_plant(self) -> str:
        """In good order; what it printed. Its last words are heard."""
        self.plant.terminate()
        said, complaint = self.plant.communicate(timeout=PATIENCE_S)
        assert (self.plant.returncode, complaint) == (0, "")
        self.messages += self.link.receive(0.05)
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.link.close()
        for process in (self.plant, *self._controllers):
            if process.poll() is None:
                process.kill()
            process.communicate()
