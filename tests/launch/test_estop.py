"""`mpc estop` against a plant of a few lines: it stops whoever is there, and releases only whom it names."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from launch.commands.estop import emergency_stop
from launch.errors import CommandError, ExitCode
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import EStop, Mode
from mpc_controller.bus.zmq_link import PlantLink
from tests.launch.command import environment
from tests.launch.test_live_line import OBSERVATION


class _Plant:
    """A cart-pole that only observes, and stops and goes on as it is told."""

    def __init__(self, address: str) -> None:
        self.address, self.mode = address, Mode.NOMINAL
        self.told: list[bool] = []
        self._end = threading.Event()
        self._link = PlantLink(Endpoints.of(address))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with self._link as link:
            sequence = 0
            while not self._end.is_set():
                for message in link.receive(0.005):
                    if isinstance(message, EStop):
                        self.told.append(message.clear)
                        self.mode = Mode.HOLD if message.clear else Mode.E_STOP
                sequence += 1
                link.send(replace(OBSERVATION, sequence=sequence, mode=self.mode))


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Plant]:
    monkeypatch.setattr("launch.heard_plant.TIMEOUT_S", 60.0)
    plant = _Plant(f"ipc://{tmp_path}/bus")
    yield plant
    plant.close()


def test_a_robot_is_stopped_and_released(plant: _Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert emergency_stop("cartpole", plant.address, clear=False) is ExitCode.OK
    assert capsys.readouterr().out == "cartpole is stopped: mode E_STOP\n"
    assert plant.mode is Mode.E_STOP
    assert emergency_stop("cartpole", plant.address, clear=True) is ExitCode.OK
    assert capsys.readouterr().out == "cartpole is released: mode HOLD; a controller that is running takes over at once\n"
    assert plant.mode is Mode.HOLD


def test_another_robot_than_the_named_one_is_stopped_and_named(plant: _Plant, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="is cartpole, not quadrotor, which was not reached") as caught:
        emergency_stop("quadrotor", plant.address, clear=False)
    assert caught.value.code is ExitCode.ENVIRONMENT
    assert capsys.readouterr().out == "cartpole is stopped: mode E_STOP\n"
    assert plant.mode is Mode.E_STOP


def test_another_robot_than_the_named_one_is_not_released(plant: _Plant) -> None:
    plant.mode = Mode.E_STOP
    with pytest.raises(CommandError, match="is cartpole, not quadrotor; it is not released") as caught:
        emergency_stop("quadrotor", plant.address, clear=True)
    assert caught.value.code is ExitCode.ENVIRONMENT
    assert (plant.mode, plant.told) == (Mode.E_STOP, [])


def test_a_robot_that_is_not_stopped_needs_no_release(plant: _Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert emergency_stop("cartpole", plant.address, clear=True) is ExitCode.OK
    assert capsys.readouterr().out == "cartpole is not stopped: mode NOMINAL\n"
    assert plant.told == []


def test_without_a_plant_it_says_where_none_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.heard_plant.TIMEOUT_S", 0.2)
    with pytest.raises(CommandError, match="no plant of 'cartpole' answers at"):
        emergency_stop("cartpole", f"ipc://{tmp_path}/bus", clear=False)


def test_nothing_that_is_slow_to_import_keeps_a_stop_waiting() -> None:
    code = "import sys, launch.cli, launch.commands.estop; print({'casadi', 'scipy', 'mujoco'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    assert (done.stdout, done.stderr) == ("set()\n", "")
