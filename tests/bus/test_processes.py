"""Plants and peers in processes of their own: starting, dying, and not keeping up."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.bus.endpoints import BusError, Endpoints, default_address
from mpc_controller.bus.frame_link import HIGH_WATER_MARK
from mpc_controller.bus.messages import EStop, Message, Observation
from mpc_controller.bus.zmq_link import PeerLink, PlantLink
from tests.bus.conftest import receive_all, wait_until
from tests.bus.examples import PLAN, assert_same, observation
from tests.bus.processes import running


def test_a_peer_talks_with_a_plant_in_another_process(address: str) -> None:
    with running("plant", address), PeerLink(Endpoints.of(address)) as peer:
        assert isinstance(receive_all(peer, 1)[0], Observation)
        heard: list[Message] = []

        def is_repeated() -> bool:
            peer.send(PLAN)
            heard.extend(m for m in peer.receive(0.02) if not isinstance(m, Observation))
            return bool(heard)

        wait_until(is_repeated)
        assert_same(heard[0], PLAN)


def test_an_endpoint_of_a_live_plant_is_refused_and_left_alone(address: str) -> None:
    endpoints = Endpoints.of(address)
    with running("plant", address):
        with pytest.raises(BusError, match=r"endpoint .* is in use: is another plant running\?"):
            PlantLink(endpoints)
        with PeerLink(endpoints) as peer:
            receive_all(peer, 1)


def test_a_plant_starts_after_one_that_was_killed(address: str) -> None:
    endpoints = Endpoints.of(address)
    with running("plant", address) as process:
        process.kill()
        process.wait()
        assert all(path.is_socket() for path in endpoints.paths)  # what a killed process leaves
        with PlantLink(endpoints), PeerLink(endpoints):
            assert all(path.is_socket() for path in endpoints.paths)
    assert not any(path.exists() for path in endpoints.paths)


def test_nothing_is_left_in_the_folder_and_nobody_else_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "mpc_controller"
    with PlantLink(Endpoints.of(default_address("robot"))):
        assert folder.stat().st_mode & 0o777 == 0o700
        files = sorted(folder.iterdir())
        assert [f.name for f in files] == ["robot.in", "robot.lock", "robot.out"]
        assert all(f.stat().st_mode & 0o077 == 0 for f in files)
    assert list(folder.iterdir()) == []


def test_a_refused_plant_leaves_the_files_of_the_other(tmp_path: Path) -> None:
    endpoints = Endpoints.of(f"ipc://{tmp_path}/robot")
    with PlantLink(endpoints):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(BusError):
            PlantLink(endpoints)
        assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    precious = tmp_path / "robot.out"
    precious.write_text("mine")
    with pytest.raises(BusError, match=r"no socket: .*robot\.out"):
        PlantLink(Endpoints.of(f"ipc://{tmp_path}/robot"))
    assert precious.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [precious]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BusError, match=r"there is no folder .*file"):
        PlantLink(Endpoints.of(f"ipc://{tmp_path}/file/robot"))


def test_a_tcp_port_of_another_program_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BusError, match=f"tcp://127.0.0.1:{port} is in use"):
            PlantLink(Endpoints.of(f"tcp://127.0.0.1:{port}"))


def test_a_paused_peer_loses_messages_and_stops_nobody(address: str) -> None:
    """The plant sends ten times what queues hold while one peer is stopped; another peer hears the last of it."""
    endpoints = Endpoints.of(address)
    sent = 10 * HIGH_WATER_MARK
    with PlantLink(endpoints) as plant, running("listener", address) as paused, PeerLink(endpoints) as awake:
        sequence = 0

        def is_heard() -> bool:
            nonlocal sequence
            sequence += 1
            plant.send(observation(sequence))
            return EStop(1) in plant.receive(0.02) and bool(awake.receive(0.02))

        wait_until(is_heard)
        os.kill(paused.pid, signal.SIGSTOP)
        newest = 0
        for _ in range(sent):
            sequence += 1
            plant.send(observation(sequence))
            newest = max([newest, *(m.sequence for m in awake.receive(0) if isinstance(m, Observation))])
        os.kill(paused.pid, signal.SIGCONT)

        def hears_again() -> bool:
            nonlocal sequence, newest
            sequence += 1
            plant.send(observation(sequence))
            newest = max([newest, *(m.sequence for m in awake.receive(0.02) if isinstance(m, Observation))])
            return newest > sent and EStop(1) in plant.receive(0)

        wait_until(hears_again)


def test_a_peer_that_did_not_read_gets_the_oldest_messages_and_then_new_ones(address: str) -> None:
    endpoints = Endpoints.of(address)
    with PlantLink(endpoints) as plant, PeerLink(endpoints, newest_only=()) as peer:
        wait_until(lambda: plant.send(observation(0)) or bool(peer.receive(0.02)))  # type: ignore[func-returns-value]
        # 130 MB: more than the queues and the kernel's buffers hold together.
        for sequence in range(1, 4 * HIGH_WATER_MARK):
            plant.send(replace(observation(sequence), measured=np.zeros(2000)))
        heard: list[int] = []

        def is_heard_again() -> bool:
            """The stop arrives once the peer has read what was kept for it."""
            plant.send(EStop(1))
            messages = peer.receive(0.02)
            heard.extend(m.sequence for m in messages if isinstance(m, Observation) and m.sequence)
            return EStop(1) in messages

        wait_until(is_heard_again)
        assert heard[0] == 1
        assert heard == sorted(heard)
        assert len(heard) < 4 * HIGH_WATER_MARK - 1
