"""What faults are made with does what it says; the faults themselves are in test_chaos.py."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from launch.chaos.bad_messages import FLOWN, bad_rows, broken_frames, misfit_plans, not_finite_plans, told_plans
from launch.chaos.checks import led_by_one
from launch.chaos.faulty_plant import Failure, FaultyPlant
from launch.chaos.flight import Flight
from launch.chaos.processes import memory_mb, open_files, processor_s
from launch.chaos.strangers import free_ports
from launch.chaos.wall_clock import is_shifted, shim
from launch.chaos.wire_tap import WireTap
from mpc_controller.bus.codec import decode
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.frame import WireError
from mpc_controller.bus.messages import Event, Mode, Observation
from mpc_controller.control.plan_soundness import fault_of
from mpc_controller.control.reject import Reject
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.plant_node import PlantOptions, run_plant
from robots import load_robot
from sim.mujoco_plant import MujocoPlant
from sim.truth import SimTruth
from tests.bus.examples import OBSERVATION, PLAN
from tests.control.machines import plan, sled


def test_bad_plans_are_bad_for_the_one_thing_that_they_are_made_for_and_told_ones_are_sound() -> None:
    robot, sound = sled(), plan(sled())
    assert fault_of(sound, robot) is None
    for field in FLOWN:
        bad = list(not_finite_plans(sound, field, every=True))
        assert {fault_of(p, robot) for p in bad} == {Reject.NON_FINITE}
        assert len(bad) == 3 * getattr(sound, field).size
    assert {fault_of(p, robot) for p in misfit_plans(sound)} == {Reject.WRONG_SIZE}
    told = list(told_plans(replace(sound, tracking={"a": 1.0}, estimate=np.zeros(2), reference=np.zeros(1))))
    assert {fault_of(p, robot) for p in told} == {None}
    assert any(not math.isfinite(p.cost) for p in told)


def test_broken_frames_cannot_be_read() -> None:
    for field, frame in broken_frames(PLAN):
        with pytest.raises(WireError, match=field or "expected|sizes"):
            decode(frame)


def test_bad_rows_are_none_that_a_controller_takes() -> None:
    rows = bad_rows(np.zeros(3), every=True)
    assert Counter(len(row) for row in rows) == {3: 9, 4: 1, 2: 1, 0: 1}
    assert not any(len(row) == 3 and np.isfinite(row).all() for row in rows)


def test_another_leader_and_plans_that_are_not_followed_are_found() -> None:
    led = [replace(OBSERVATION, mode=Mode.NOMINAL, plan_epoch=3)] * 9
    assert all(requirement.holds for requirement in led_by_one([*led, replace(OBSERVATION, mode=Mode.HOLD, plan_epoch=3)]))
    assert [r.holds for r in led_by_one([*led, replace(OBSERVATION, mode=Mode.NOMINAL, plan_epoch=4)])] == [False, True]
    assert [r.holds for r in led_by_one([*led, *[replace(OBSERVATION, plan_epoch=3)] * 2])] == [True, False]


def test_a_faulty_plant_fails_as_ordered_and_says_when(tmp_path: Path) -> None:
    robot, bus, orders = load_robot("cartpole"), FakeBus(), tmp_path / "orders"
    failure = Failure("lost", 5, states=("angle",))
    failure.order(orders)
    ear = bus.peer_link(newest_only=())
    with bus.plant_link() as link:
        inner = MujocoPlant(robot, robot.tasks["balance"]().initial_state, SimTruth(), 0, 1 / robot.plant_rate_hz)
        plant = FaultyPlant(robot, inner, SimulationClock(2_000_000, real_time=False), link, orders)
        run_plant(plant, robot, plant, plant, PlantOptions(duration_s=0.02), lambda: False)
    said = ear.receive(0)
    lost = [bool(np.isnan(m.measured[1])) for m in said if isinstance(m, Observation)]
    assert lost == [True] * 5 + [False] * 5
    assert [m.text for m in said if isinstance(m, Event) and m.source == "faulty plant"] == ["lost"]
    assert not orders.exists()


def test_a_tapped_wire_passes_both_ways_and_keeps_what_was_said() -> None:
    taps = free_ports()
    with socket.create_server(("127.0.0.1", 0)) as plant:
        port = plant.getsockname()[1]
        with WireTap(port - 1, taps) as tap, socket.create_connection(("127.0.0.1", taps + 1), timeout=5) as peer:
            end, _ = plant.accept()
            with end:
                peer.sendall(b"forth")
                assert end.recv(16) == b"forth"
                end.sendall(b"back")
                assert peer.recv(16) == b"back"
            assert tap.recorded() == b"forth"


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux'")
def test_the_wall_clock_of_other_processesis_shifted_and_what_a_process_takes_is_read(tmp_path: Path) -> None:
    shift = tmp_path / "shift"
    environment = {"LD_PRELOAD": str(shim(tmp_path)), "MPC_CHAOS_SHIFT": str(shift)}
    assert is_shifted(environment, 0)
    shift.write_text("-3600")
    assert is_shifted(environment, -3600)
    own = int(Path("/proc/self").resolve().name)
    assert memory_mb(own) > 1
    files = open_files(own)
    with shift.open():
        assert open_files(own) == files + 1
    assert processor_s(own) > 0


def test_a_flight_whose_process_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.chaos.flight._PATIENCE_S", 0.1)
    with Flight("cartpole", "balance") as flight, pytest.raises(RuntimeError, match="a process that should end does not"):
        flight.await_end(flight.plant)


def test_faults_that_are_terminated_leave_neither_processes_nor_folders(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-P", "-m", "launch.cli", "chaos", "wall-clock", "--quick"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as chaos:
        deadline_s = time.monotonic() + 60
        while not list(tmp_path.glob("mpc-chaos-*/bus.in")):  # the plant is there
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        chaos.terminate()
        said, _ = chaos.communicate(timeout=60)
    assert b"interrupted" in said
    assert not list(tmp_path.iterdir())
