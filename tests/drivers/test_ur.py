"""An arm of Universal Robots over TCP: RTDE byte by byte, its watchdog, stop and hold, and connections that break."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import EStop
from mpc_controller.drivers.error import DriverError, UnsuitableRobotError
from mpc_controller.drivers.rtde import RtdeConnection
from mpc_controller.drivers.ur import plant_of
from mpc_controller.drivers.ur_options import ur_options
from mpc_controller.drivers.ur_program import main, ur_program
from mpc_controller.node.error import NodeError
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.toml_table import TomlError
from robots import load_robot
from tests.drivers.controllers import outlive
from tests.drivers.processes import PATIENCE_S, wait_for
from tests.drivers.robots import driver_table, joints, with_defaults
from tests.drivers.ticks import clock_of, let_pass, spin, spin_until
from tests.drivers.ur_emulator import PLAYING, PROTECTIVE_STOP, STOPPED, UrEmulator
from tests.launch.command import environment

_PLANTS: list[Plant] = []


@pytest.fixture
def arm() -> Iterator[UrEmulator]:
    with UrEmulator() as emulator:
        yield emulator
        while _PLANTS:
            _PLANTS.pop().close()


# The emulator shares this process and a busy machine: it may be late. In a hurry is only what is tested.
PATIENT = {"stale_after_s": 10, "lost_after_s": 30, "watchdog_hz": 1}


def keys(arm: UrEmulator, mode: str = "speedj", more: str = "") -> str:
    ports = f"port = {arm.port}\nscript_port = {arm.script_port}"
    return f'kind = "ur"\nhost = "127.0.0.1"\nmode = "{mode}"\n{ports}\n{with_defaults(more, PATIENT)}\n'


def opened(folder: Path, arm: UrEmulator, mode: str = "speedj", more: str = "") -> Plant:
    robot = joints(6, "rad/s" if mode == "speedj" else "rad", 125.0)
    _PLANTS.append(plant_of(driver_table(folder, keys(arm, mode, more)), robot)())
    return _PLANTS[-1]


RATES = np.array([0.3, -0.3, 0.2, -0.2, 0.1, 0.0])


def test_what_it_reads_is_where_the_joints_are(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm)
    reading = spin(plant, arm, 0.1, plant.hold)[-1]
    np.testing.assert_allclose(reading, [*np.linspace(-1, 1, 6), *np.zeros(6)], atol=1e-12)
    assert plant.health()["joint_6_temperature_celsius"] == 35.0
    assert plant.health()["robot_mode_number"] == 7


def test_rates_are_followed_and_hold_comes_to_rest(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm)
    began_s = arm.time_s
    reading = spin(plant, arm, 1.0, lambda: plant.apply(RATES))[-1]
    moved = (reading[:6] - np.linspace(-1, 1, 6)) / (arm.time_s - began_s)
    np.testing.assert_allclose(reading[6:], RATES, atol=1e-9)
    np.testing.assert_allclose(moved, RATES, atol=0.1)
    assert plant.hold()
    reading = spin(plant, arm, 0.3, plant.hold)[-1]
    np.testing.assert_allclose(reading[6:], 0.0, atol=1e-9)
    assert arm.runtime_state == PLAYING


def test_angles_are_followed(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm, "servoj")
    goal = np.linspace(-1, 1, 6) + 0.2
    reading = spin(plant, arm, 0.7, lambda: plant.apply(goal))[-1]
    np.testing.assert_allclose(reading[:6], goal, atol=1e-3)


def test_angles_that_wait_for_the_next_order_are_those_where_the_arm_is(tmp_path: Path, arm: UrEmulator) -> None:
    # The program reads order and targets one after the other: what stands there while it rests it may take for a target once.
    plant = opened(tmp_path, arm, "servoj", 'stop = "stopj"')
    goal = np.linspace(-1, 1, 6) + 0.2
    for act in (plant.hold, lambda: plant.apply(goal), plant.hold, lambda: plant.apply(goal), plant.stop, plant.hold):
        spin(plant, arm, 0.3, act)
        spin_until(plant, lambda: np.allclose(arm.input_double[24:30], arm.q, atol=0.02), act)


def test_a_robot_in_a_protective_stop_is_told_no_targets(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm)
    spin_until(plant, lambda: plant.health()["safety_mode_number"] == PROTECTIVE_STOP, plant.stop)
    spin(plant, arm, 0.1, plant.hold)
    plant.apply(RATES)
    assert plant.failure
    plant.apply(RATES)
    let_pass(arm, 0.1)
    assert (arm.input_int[24], list(arm.input_double[24:30])) == (0, [0.0] * 6)


def test_stop_is_a_protective_stop_that_only_the_pendant_releases(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm)
    spin(plant, arm, 0.2, lambda: plant.apply(RATES))
    assert plant.stop()
    spin_until(plant, lambda: plant.health()["safety_mode_number"] == PROTECTIVE_STOP, plant.stop)
    spin_until(plant, lambda: np.abs(arm.qd).max() == 0.0, plant.stop)
    assert plant.failure == ""
    spin(plant, arm, 0.1, plant.hold)
    assert plant.failure == ""
    plant.apply(RATES)
    assert plant.failure == "the robot is in a protective stop; release it at its pendant and start this driver again"


def test_stop_can_be_at_rest_without_a_protective_stop(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm, more='stop = "stopj"')
    spin(plant, arm, 0.2, lambda: plant.apply(RATES))
    spin(plant, arm, 0.3, plant.stop)
    assert np.abs(arm.qd).max() < 1e-9
    spin(plant, arm, 0.2, lambda: plant.apply(RATES))
    np.testing.assert_allclose(arm.qd, RATES, atol=1e-9)
    assert plant.failure == ""


def test_the_robots_watchdog_stops_it_when_no_input_comes(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm, more="watchdog_hz = 2")
    spin(plant, arm, 0.7, lambda: plant.apply(RATES))  # longer than it waits
    assert arm.watchdog_trips == 0
    wait_for(lambda: arm.watchdog_trips == 1)
    assert arm.runtime_state == STOPPED
    wait_for(lambda: np.abs(arm.qd).max() == 0.0)
    spin_until(plant, lambda: plant.failure != "", lambda: plant.apply(RATES))
    assert plant.failure == "the robot's program ended: its watchdog missed inputs, or someone stopped it at the pendant"


def test_silence_is_nan_and_then_a_failure(tmp_path: Path, arm: UrEmulator) -> None:
    plant = opened(tmp_path, arm, more="stale_after_s = 0.3\nlost_after_s = 3")
    arm.is_mute = True
    spin_until(plant, lambda: bool(np.isnan(plant.read()[0]).all()), plant.hold)
    assert plant.failure == ""
    arm.is_mute = False
    spin_until(plant, lambda: bool(np.isfinite(plant.read()[0]).all()), plant.hold)
    arm.is_mute = True
    spin_until(plant, lambda: plant.failure != "", plant.hold)
    assert plant.failure == "127.0.0.1: no data for 3 s"


@pytest.mark.parametrize("fault", ["cut", "garbage"])
def test_a_broken_connection_is_a_failure_and_raises_nothing(tmp_path: Path, arm: UrEmulator, fault: str) -> None:
    plant = opened(tmp_path, arm)
    spin(plant, arm, 0.05, plant.hold)
    if fault == "cut":
        arm.cut()
    else:
        arm.garbage = b"\x00\x01\xff\xff"
    for act in (lambda: plant.apply(RATES), plant.hold, plant.stop, plant.health):
        spin(plant, arm, 0.05, act)
    spin_until(plant, lambda: plant.failure != "", plant.stop)
    expected = "closed its RTDE|RTDE is gone" if fault == "cut" else "a package of 1 bytes; the other side does not speak RTDE"
    assert any(text in plant.failure for text in expected.split("|"))
    plant.close()
    plant.close()


def test_packages_in_pieces_and_unknown_ones_are_read_right(arm: UrEmulator) -> None:
    arm.garbage = struct.pack(">HB", 8, ord("M")) + b"hello"  # a text message
    connection = RtdeConnection("127.0.0.1", arm.port, ("actual_q", "runtime_state"), ("input_int_register_30",), 125)
    ours, theirs = socket.socketpair()
    wait_for(lambda: connection.receive() or len(connection.newest) == 7)
    real, connection._socket = connection._socket, ours
    connection._waiting = b""
    ours.setblocking(False)
    package = struct.pack(">HBB6dI", 56, ord("U"), 1, 1, 2, 3, 4, 5, 6, 7)
    for byte in package:
        connection.receive()
        theirs.send(bytes([byte]))
    connection.receive()
    assert connection.newest == (1, 2, 3, 4, 5, 6, 7)
    assert connection.failure == ""
    theirs.close()
    connection.close()
    real.close()


def test_random_bytes_raise_nothing(arm: UrEmulator) -> None:
    random = np.random.default_rng(5)
    connection = RtdeConnection("127.0.0.1", arm.port, ("actual_q", "runtime_state"), ("input_int_register_30",), 125)
    real, before = connection._socket, connection.newest
    for _ in range(300):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        connection._socket, connection._waiting, connection.failure = ours, b"", ""
        theirs.send(random.bytes(int(random.integers(1, 300))))
        theirs.close()
        connection.receive()
        connection.send([1])
        ours.close()
        assert connection.failure
    assert connection.newest == before
    real.close()


def test_an_input_that_another_client_has_is_named(arm: UrEmulator) -> None:
    first = RtdeConnection("127.0.0.1", arm.port, ("actual_q",), ("input_int_register_24",), 125)
    with pytest.raises(DriverError, match=r"does not give input_int_register_24 \(IN_USE\)"):
        RtdeConnection("127.0.0.1", arm.port, ("actual_q",), ("input_int_register_24",), 125)
    with pytest.raises(DriverError, match=r"does not give actual_p \(NOT_FOUND\)"):
        RtdeConnection("127.0.0.1", arm.port, ("actual_p",), ("input_int_register_25",), 125)
    first.close()


def test_a_robot_that_is_not_there_or_takes_no_program_is_named(
    tmp_path: Path, arm: UrEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpc_controller.drivers.ur._START_S", 0.2)
    arm.takes_programs = False
    with pytest.raises(DriverError, match="the robot's program does not run: is it in remote control"):
        opened(tmp_path, arm)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        table = driver_table(tmp_path, keys(arm).replace(str(arm.port), str(unused.getsockname()[1])))
        with pytest.raises(DriverError, match="no connection to the robot's RTDE"):
            plant_of(table, joints(6, "rad/s", 125.0))()


def test_a_program_that_ends_at_once_is_said_to_have_ended(tmp_path: Path, arm: UrEmulator) -> None:
    arm.ends_programs = True
    with pytest.raises(DriverError, match="does not run: the robot's program ended: its watchdog missed inputs, or someone"):
        opened(tmp_path, arm)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mode = "movej"\nhost = "x"\n', "'driver.mode' is 'movej'; it must be one of speedj, servoj"),
        ('mode = "speedj"\n', "no 'driver.host'"),
        ('mode = "speedj"\nhost = "a..b"\n', "'driver.host' is 'a..b'; it must be the robot's address or name"),
        ('mode = "speedj"\nhost = "ä"\n', "it must be the robot's address or name"),
        ('mode = "speedj"\nhost = "x"\nwatchdog_hz = 100\n', "must be at most half the plant's rate of 125 Hz"),
        ('mode = "servoj"\nhost = "x"\ngain = 50\n', r"must be an integer in \[100, 2000\]"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        ur_options(driver_table(tmp_path, text), 125.0)


def test_robots_of_other_joints_are_refused(tmp_path: Path, arm: UrEmulator) -> None:
    with pytest.raises(UnsuitableRobotError, match="'arm' measures 7 angles, 7 rates and 0 others; 6 joints give 6 angles"):
        plant_of(driver_table(tmp_path, keys(arm)), load_robot("arm"))
    with pytest.raises(UnsuitableRobotError, match="'joints' has 6 controls in rad; this driver, as configured, takes"):
        plant_of(driver_table(tmp_path, keys(arm)), joints(6, "rad", 125.0))


@pytest.mark.parametrize("mode", ["speedj", "servoj"])
def test_the_program_has_the_watchdog_and_closes_every_block(tmp_path: Path, arm: UrEmulator, mode: str) -> None:
    program = ur_program(ur_options(driver_table(tmp_path, keys(arm, mode)), 125.0), 5)
    lines = [line.strip() for line in program.splitlines()]
    assert lines[1] == 'rtde_set_watchdog("input_int_register_24", 1, "stop")'
    assert sum(line.endswith(":") and not line.startswith(("elif", "else")) for line in lines) == lines.count("end")
    depth = 0
    for line in program.splitlines():
        depth -= line.strip().startswith(("end", "elif", "else"))
        assert line == "  " * depth + line.strip()
        depth += line.endswith(":")
    assert depth == 0


def test_the_program_can_be_printed_for_the_pendant(
    tmp_path: Path, arm: UrEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    driver_table(tmp_path, keys(arm))
    main(str(tmp_path / "driver.toml"), "125")
    printed = capsys.readouterr().out
    assert printed.startswith("def mpc_controller():\n")
    arm.takes_programs = False

    def start_by_hand() -> None:
        while not arm.is_written_to():
            time.sleep(0.01)
        arm.play(printed)

    person = threading.Thread(target=start_by_hand, daemon=True)
    person.start()
    plant = opened(tmp_path, arm, more="upload = false")
    person.join()
    spin(plant, arm, 0.2, lambda: plant.apply(RATES))
    np.testing.assert_allclose(arm.qd, RATES, atol=1e-9)


def test_with_nobody_in_control_the_node_holds_and_an_operator_stops_it(tmp_path: Path, arm: UrEmulator) -> None:
    robot, bus = joints(6, "rad/s", 125.0), FakeBus()
    plant = plant_of(driver_table(tmp_path, keys(arm)), robot)()
    operator = bus.peer_link(newest_only=())
    began_s, end_s = arm.time_s, time.monotonic() + PATIENCE_S

    def over() -> bool:
        if arm.time_s - began_s > 0.3:
            operator.send(EStop(1))
        return arm.safety_mode == PROTECTIVE_STOP or time.monotonic() > end_s

    with bus.plant_link() as link:
        summary = run_plant(plant, robot, link, clock_of(arm, robot), PlantOptions(), over)
    assert [c["to"] for c in summary.mode_changes] == ["E_STOP"]
    assert arm.time_s - began_s > 0.3  # it did not stop by itself
    assert arm.safety_mode == PROTECTIVE_STOP


def test_when_the_controller_dies_the_robot_comes_to_rest(tmp_path: Path, arm: UrEmulator) -> None:
    robot = joints(6, "rad/s", 125.0)
    plant = plant_of(driver_table(tmp_path, keys(arm)), robot)()
    summary = outlive(plant, robot, RATES, arm, life_s=0.6, after_s=0.5)
    assert [c["to"] for c in summary.mode_changes if c["to"] != "STALE_PLAN"][-1] == "HOLD"
    assert np.abs(arm.q - np.linspace(-1, 1, 6)).max() > 0.05  # it did move
    assert arm.watchdog_trips == 0
    np.testing.assert_allclose(arm.qd, 0.0, atol=1e-9)


def test_a_connection_that_breaks_ends_the_node_in_one_sentence(tmp_path: Path, arm: UrEmulator) -> None:
    robot, bus = joints(6, "rad/s", 125.0), FakeBus()
    plant = plant_of(driver_table(tmp_path, keys(arm)), robot)()
    began_s, end_s = arm.time_s, time.monotonic() + PATIENCE_S

    def over() -> bool:
        if arm.time_s - began_s > 0.2:
            arm.cut()
        return time.monotonic() > end_s

    with bus.plant_link() as link, pytest.raises(NodeError, match="RTDE"):
        run_plant(plant, robot, link, clock_of(arm, robot), PlantOptions(), over)


def test_the_robot_stops_when_the_driver_is_killed(tmp_path: Path, arm: UrEmulator) -> None:
    (tmp_path / "ur.toml").write_text(f"[driver]\n{keys(arm)}")
    command = [sys.executable, "-m", "tests.drivers.six", "drive", "six", "ur.toml", "--endpoint", f"ipc://{tmp_path}/bus"]
    with subprocess.Popen(
        [*command, "--priority", "0"], cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE
    ) as drive:
        try:
            assert drive.stdout is not None
            assert drive.stdout.readline().startswith("ready: driving joints as in ur.toml at 125 Hz")
            let_pass(arm, 1.2)  # longer than the watchdog waits
            assert (arm.runtime_state, arm.watchdog_trips) == (PLAYING, 0)
        finally:
            drive.kill()
    wait_for(lambda: arm.watchdog_trips == 1)
    assert arm.runtime_state == STOPPED


def test_an_independent_client_reads_the_same_from_the_emulator() -> None:
    pytest.importorskip("rtde_receive", reason="the extra 'ur' is not installed")
    # In a process of its own: it keeps Python's lock while it waits.
    code = (
        "import json, rtde_receive\n"
        "names = ['timestamp', 'actual_q', 'actual_qd', 'runtime_state']\n"
        "client = rtde_receive.RTDEReceiveInterface('127.0.0.77', 125.0, names)\n"
        "print(json.dumps([client.getActualQ(), client.getActualQd(), client.getRuntimeState()]))\n"
    )
    with UrEmulator("127.0.0.77", 30004) as arm:  # the client's port is fixed
        arm.qd[:] = 0.0
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
        q, qd, runtime_state = json.loads(result.stdout.splitlines()[-1])
        np.testing.assert_array_equal(q, arm.q)
        np.testing.assert_array_equal(qd, np.zeros(6))
        assert runtime_state == STOPPED
