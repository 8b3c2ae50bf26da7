"""Real processes for tests: `python -m tests.bus.processes ROLE ...` prints one line when it is ready."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import EStop
from mpc_controller.bus.recording import RecordingError
from mpc_controller.bus.zmq_link import PeerLink, PlantLink
from mpc_controller.node.recorder import record
from tests.bus.examples import observation


@contextmanager
def running(role: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process in a role that has said that it is ready; killed at the end."""
    command = [sys.executable, "-m", "tests.bus.processes", role, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line == "ready\n", process.stderr.read() if process.stderr else line
            yield process
        finally:
            process.kill()


def plant(address: str) -> None:
    """Binds and does what a plant does, until killed."""
    with PlantLink(Endpoints.of(address)) as link:
        _ready()
        sequence = 0
        while True:
            sequence += 1
            link.send(observation(sequence))
            link.receive(0.002)


def listener(address: str) -> None:
    """Says so with an EStop when it hears the plant, then reads all it gets, until killed."""
    with PeerLink(Endpoints.of(address), newest_only=()) as link:
        _ready()
        while True:
            if link.receive(0.05):
                link.send(EStop(1))


def recorder(address: str, path: str) -> None:
    """Records until killed."""
    with PeerLink(Endpoints.of(address), newest_only=()) as link:
        _ready()
        record(link, Path(path), {"robot": "cartpole"}, lambda: False)


def recorder_with_little_room(address: str, path: str, size: str) -> None:
    """Records where files may not grow beyond a size, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    with PeerLink(Endpoints.of(address), newest_only=()) as link:
        _ready()
        try:
            record(link, Path(path), {"robot": "cartpole"}, lambda: False)
        except RecordingError as error:
            sys.exit(str(error))


def _ready() -> None:
    print("ready", flush=True)


if __name__ == "__main__":
    roles = {f.__name__: f for f in (plant, listener, recorder, recorder_with_little_room)}
    roles[sys.argv[1]](*sys.argv[2:])
