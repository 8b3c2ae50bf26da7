"""What a service manager hears, through a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpc_controller.node.notify import Notifier

Heard = Callable[[], list[str]]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, Heard]]:
    """Its address, and what came since one asked last."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        yield str(tmp_path / "notify"), _reader(bound)


def _reader(bound: socket.socket) -> Heard:
    bound.setblocking(False)

    def heard() -> list[str]:
        said = []
        while True:
            try:
                said.append(bound.recv(4096).decode())
            except BlockingIOError:
                return said

    return heard


def test_the_manager_hears_ready_status_and_stopping(manager: tuple[str, Heard]) -> None:
    address, heard = manager
    with Notifier.of({"NOTIFY_SOCKET": address}) as notifier:
        notifier.ready("simulating\nREADY=0")
        notifier.status("HOLD")
        notifier.turned()  # nobody asked for a watchdog
    assert heard() == ["READY=1\nSTATUS=simulating READY=0", "STATUS=HOLD", "STOPPING=1"]


def test_an_abstract_address_is_found() -> None:
    name = f"mpc-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(f"\0{name}")
        with Notifier(f"@{name}") as notifier:
            notifier.status("here")
        assert bound.recv(100) == b"STATUS=here"


def test_a_turning_loop_is_told_four_times_in_the_managers_patience(manager: tuple[str, Heard]) -> None:
    address, heard = manager
    now = [100.0]
    with Notifier(address, watchdog_s=2.0, clock_s=lambda: now[0]) as notifier:
        for _ in range(1000):  # 2 s of 500 Hz
            notifier.turned()
            now[0] += 0.002
        assert heard() == ["WATCHDOG=1"] * 4


def test_a_loop_that_is_told_to_stop_is_no_sign_of_life(manager: tuple[str, Heard]) -> None:
    address, heard = manager
    answers = iter([False, True])
    with Notifier(address, watchdog_s=2.0) as notifier:
        asked = notifier.watched(lambda: next(answers))
        assert not asked()
        assert heard() == ["WATCHDOG=1"]
        assert asked()
        assert heard() == []


def test_the_watchdog_of_another_process_is_not_ours(manager: tuple[str, Heard]) -> None:
    address, heard = manager
    asked = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    for pid, said in ((os.getppid(), []), (os.getpid(), ["WATCHDOG=1"])):
        with Notifier.of(asked | {"WATCHDOG_PID": str(pid)}) as notifier:
            notifier.turned()
            assert heard() == said
        heard()


@pytest.mark.parametrize("period", ["", "-1", "soon"])
def test_a_period_that_is_none_asks_for_nothing(manager: tuple[str, Heard], period: str) -> None:
    address, heard = manager
    with Notifier.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": period}) as notifier:
        notifier.turned()
        assert heard() == []


def test_a_manager_that_is_gone_or_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with Notifier(path, watchdog_s=1e-9) as notifier:
        notifier.turned()  # nobody is there
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
            bound.bind(path)
            for _ in range(5000):  # more than its queue takes
                notifier.turned()
            assert bound.recv(100) == b"WATCHDOG=1"
