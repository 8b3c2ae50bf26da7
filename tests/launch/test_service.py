"""Plant and controller as services: what their manager hears, and the unit files that make them services."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from launch.errors import CommandError
from launch.scheduling import check_core, take_place
from tests.launch.command import ROOT, environment

UNITS = ROOT / "launch" / "systemd"


class Service:
    """`mpc ARGUMENTS` as a manager starts it that bears 0.4 s of silence."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        path = str(folder / f"{arguments[0]}.notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._words: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()  # the system keeps ten words, and loses more
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "launch.cli", *arguments, "--endpoint", f"ipc://{folder}/bus"],
            stdout=subprocess.DEVNULL,
            env=environment() | {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"},
        )

    def heard(self, seconds: float) -> list[str]:
        """All that is said within a time from now on."""
        while not self._words.empty():
            self._words.get()
        said, end_s = [], time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            with suppress(queue.Empty):
                said.append(self._words.get(timeout=left_s))
        return said

    def wait_for(self, start: str) -> str:
        """The next word that begins so."""
        while not (said := self._words.get(timeout=120.0)).startswith(start):
            pass
        return said

    def _listen(self) -> None:
        while said := self._socket.recv(4096).decode():
            self._words.put(said)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """A plant and its controller."""
    folder = tmp_path_factory.mktemp("services")
    with ExitStack() as stack:
        plant = stack.enter_context(Service(folder, "sim", "cartpole"))
        controller = stack.enter_context(Service(folder, "control", "cartpole", "--wait", "120"))
        assert "STATUS=simulating cartpole" in plant.wait_for("READY=1")
        assert "STATUS=waiting for the plant of cartpole" in controller.wait_for("READY=1")
        assert plant.wait_for("STATUS=HOLD -> NOMINAL")
        yield plant, controller


@pytest.mark.parametrize("which", [0, 1], ids=["plant", "controller"])
def test_the_watchdog_hears_a_loop_that_turns_and_none_that_is_paused(services: tuple[Service, Service], which: int) -> None:
    service = services[which]
    assert service.heard(0.6).count("WATCHDOG=1") >= 3
    service.process.send_signal(signal.SIGSTOP)
    service.heard(0.1)  # what was under way
    assert service.heard(0.6) == []
    service.process.send_signal(signal.SIGCONT)
    service.wait_for("WATCHDOG=1")


@pytest.mark.parametrize("which", [1, 0], ids=["controller", "plant"])
def test_a_service_that_is_told_to_stop_says_so_and_ends_well(services: tuple[Service, Service], which: int) -> None:
    service = services[which]
    service.process.terminate()
    service.wait_for("STOPPING=1")
    assert service.process.wait(60.0) == 0


def test_a_core_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(CommandError, match=r"--cpu 4096: this process may not run there; valid are \d+"):
        check_core(4096)
    check_core(None)


def test_a_process_stays_on_its_core_with_its_later_threads_and_says_what_is_not_permitted() -> None:
    core = max(os.sched_getaffinity(0))
    code = f"""
import os, threading
from launch.scheduling import take_place
said = take_place(40, {core})
cores = []
thread = threading.Thread(target=lambda: cores.append(os.sched_getaffinity(0)))
thread.start(); thread.join()
assert cores == [{{{core}}}], cores
print(said)
"""
    result = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert result.stdout == f"{_not_permitted()}\n"


def _not_permitted() -> str:
    """What this machine should refuse, asked in another way."""
    fifo = "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))"
    may = subprocess.run([sys.executable, "-c", f"import os; {fifo}"], capture_output=True).returncode == 0
    limits = Path("/proc/self/limits").read_text().splitlines()
    limit = next(line.split()[3] for line in limits if line.startswith("Max locked memory"))
    capabilities = next(ln for ln in Path("/proc/self/status").read_text().splitlines() if ln.startswith("CapEff"))
    may_lock = limit == "unlimited" or int(capabilities.split()[1], 16) >> 14 & 1
    memory = "" if may_lock else f"locked memory (the limit is {int(limit) / 2**20:.0f} MiB)"
    missing = [what for what in ("" if may else "SCHED_FIFO", memory) if what]
    return f"not permitted: {', '.join(missing)}; `mpc doctor` tells more" if missing else ""


def test_a_loop_without_a_priority_asks_for_nothing() -> None:
    assert take_place(0, None) == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("name", ["mpc-plant@.service", "mpc-controller@.service"])
def test_systemd_finds_nothing_wrong_with_a_unit_file(name: str) -> None:
    unit = str(UNITS / name.replace("@", "@quadrotor"))
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
