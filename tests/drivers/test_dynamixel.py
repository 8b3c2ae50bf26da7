"""Dynamixel servos over a pseudo-terminal: units, faults of the line, hold, stop, and a controller or a driver that dies."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import EStop, Observation
from mpc_controller.drivers.dynamixel import plant_of
from mpc_controller.drivers.dynamixel_units import ServoUnits, hardware_fault
from mpc_controller.drivers.error import DriverError, UnsuitableRobotError
from mpc_controller.node.plant import Plant
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.toml_table import TomlError
from robots import load_robot
from tests.drivers.controllers import outlive
from tests.drivers.processes import PATIENCE_S, driving, wait_for
from tests.drivers.robots import driver_table, joints, with_defaults
from tests.drivers.ticks import clock_of, spin, spin_until
from tests.launch.command import run

pytest.importorskip("dynamixel_sdk", reason="the extra 'dynamixel' is not installed")

from tests.drivers.dynamixel_emulator import (
    BULK_READ,
    CURRENT_UNIT,
    SYNC_READ,
    SYNC_WRITE,
    TORQUE_PER_AMPERE,
    DynamixelEmulator,
    crc16,
)

IDS = [1, 2, 7]
TURN = math.tau


_PLANTS: list[Plant] = []


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamixelEmulator]:
    # Twice so many milliseconds have answers to what is not read from all at once, such as pings.
    monkeypatch.setattr("dynamixel_sdk.port_handler.LATENCY_TIMER", 150)
    with DynamixelEmulator(IDS) as emulator:
        yield emulator
        while _PLANTS:
            _PLANTS.pop().close()


# The emulator shares this process and a busy machine: it may be late. In a hurry is only what is tested.
PATIENT = {"timeout_ms": 100, "watchdog_ms": 2000, "lost_after_s": 60}


def keys(line: DynamixelEmulator, mode: str = "current", more: str = "") -> str:
    more = with_defaults(more, PATIENT)
    torque = f"torque_per_ampere = [{', '.join(['1.78'] * len(line.servos))}]\n" if mode == "current" else ""
    return f'kind = "dynamixel"\nport = "{line.port}"\nmode = "{mode}"\nids = {list(line.servos)}\n{torque}{more}\n'


def opened(folder: Path, line: DynamixelEmulator, mode: str = "current", more: str = "") -> Plant:
    robot = joints(len(line.servos), "N m" if mode == "current" else "rad")
    _PLANTS.append(plant_of(driver_table(folder, keys(line, mode, more)), robot)())
    return _PLANTS[-1]


def sound(plant: Plant) -> np.ndarray:
    """The first reading in which all servos answered in time."""
    end_s = time.monotonic() + PATIENCE_S
    while not np.isfinite(reading := plant.read()[0]).all():
        assert time.monotonic() < end_s, plant.failure
    return reading


def test_the_emulators_checksum_is_that_of_the_manual() -> None:
    # e-Manual, protocol 2.0: ping of ID 1 is FF FF FD 00 01 03 00 01 19 4E.
    assert crc16(bytes.fromhex("FFFFFD0001030001")) == 0x4E19


def test_units_are_those_of_the_manual() -> None:
    units = ServoUnits(np.array([1.0, -1.0]), np.array([0.0, 0.5]), np.array([2.0, 4.0]), 2.69e-3)
    np.testing.assert_allclose(units.angles(np.array([2048 + 1024, 2048 + 1024])), [TURN / 4, 0.5 - TURN / 4])
    np.testing.assert_allclose(units.rates(np.array([100.0, 100.0])), [22.9 * TURN / 60, -22.9 * TURN / 60])
    np.testing.assert_allclose(units.torques(np.array([1000.0, 1000.0])), [5.38, -10.76])
    assert units.current_counts(np.array([5.38, -10.76])) == [1000, 1000]
    assert units.position_ticks(units.angles(np.array([0.0, 4095.0]))) == [0, 4095]
    assert hardware_fault(0b100100) == "overheating and overload"


def test_what_it_reads_is_where_the_joints_are(tmp_path: Path, line: DynamixelEmulator) -> None:
    for servo, angle in zip(line.servos.values(), (0.3, -1.2, 2.0), strict=True):
        servo.angle = angle
        servo.refresh(0.0)
    plant = opened(tmp_path, line, more="signs = [1, -1, 1]\nzeros_rad = [0, 0, 0.25]")
    assert plant.read()[1] is None
    reading = sound(plant)
    np.testing.assert_allclose(reading, [0.3, 1.2, 2.25, 0, 0, 0], atol=TURN / 4096)
    assert plant.health()["servo_7_temperature_celsius"] == 31
    assert plant.health()["servo_7_voltage_v"] == 12.0
    assert {i for _, i, _ in line.instructions if i in (SYNC_READ, SYNC_WRITE)} == {SYNC_READ, SYNC_WRITE}
    plant.close()


def test_a_torque_accelerates_the_joint_as_newton_says(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant, count = opened(tmp_path, line), CURRENT_UNIT * TORQUE_PER_AMPERE
    counts = [round(torque / count) for torque in (0.2, -0.1, 0.0)]

    def command() -> None:
        plant.apply(np.array([0.2, -0.1, 0.0]))

    def motion() -> tuple[float, np.ndarray]:
        with line.lock:
            return line.time_s, np.array([servo.rate for servo in line.servos.values()])

    spin_until(plant, lambda: [line.now(k).get(102, 2) for k in IDS] == counts and line.now(7).is_on, command)
    began_s, before = motion()
    spin(plant, line, 0.3, command)
    ended_s, rates = motion()
    # J ω̇ = τ − b ω, with τ to a count of current.
    decay = math.exp(-0.1 * (ended_s - began_s) / 0.05)
    np.testing.assert_allclose(rates, before * decay + np.array(counts) * count / 0.1 * (1 - decay), rtol=0.01, atol=1e-9)
    assert line.bad_packets == 0
    plant.close()
    assert not any(line.now(k).is_on for k in IDS)


def test_positions_are_followed(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line, "position", "signs = [1, -1, 1]")
    spin(plant, line, 0.7, lambda: plant.apply(np.array([0.5, 0.5, -0.5])))
    np.testing.assert_allclose(sound(plant)[:3], [0.5, 0.5, -0.5], atol=2e-3)
    assert line.now(2).angle == pytest.approx(-0.5, abs=2e-3)
    plant.close()


def test_a_packet_with_header_bytes_inside_survives(tmp_path: Path, line: DynamixelEmulator) -> None:
    # After very many turns the bytes of the position are FF FF FD 00, as those at the start of a packet.
    plant = opened(tmp_path, line, "position")
    line.servos[1].angle = (0x00FDFFFF - 2048) * TURN / 4096
    line.servos[1].refresh(0.0)
    reading = sound(plant)
    assert reading[0] == pytest.approx(line.servos[1].angle, rel=1e-12)
    plant.close()


@pytest.mark.parametrize("fault", ["drop", "corrupt", "truncate"])
def test_a_bad_answer_is_nan_for_one_tick_and_one_joint_at_least(tmp_path: Path, line: DynamixelEmulator, fault: str) -> None:
    plant = opened(tmp_path, line)
    sound(plant)
    waits = []
    for _ in range(3):
        setattr(line.servos[2], fault, 1)
        began_s = time.monotonic()
        reading, _ = plant.read()
        waits.append(time.monotonic() - began_s)
        assert np.isfinite(reading[0])
        assert np.isnan(reading[[1, 4]]).all()
        if fault != "truncate":  # where the rest of a packet is missing, the next one's first bytes are taken for it
            assert np.isfinite(reading[2])
        assert np.isfinite(plant.read()[0]).all()
    assert min(waits) < 2 * 0.1  # one timeout, not one for each servo
    assert plant.failure == ""
    plant.close()


def test_noise_on_the_line_raises_nothing_and_makes_up_no_numbers(tmp_path: Path, line: DynamixelEmulator) -> None:
    robot = joints(3, "N m")
    plant = plant_of(driver_table(tmp_path, keys(line, more="timeout_ms = 5")), robot)()
    random = np.random.default_rng(3)
    for k in range(60):
        start_of_packet = b"\xff\xff\xfd\x00" if k % 2 else b""
        line.servos[1].noise = start_of_packet + random.bytes(int(random.integers(1, 40)))
        reading, _ = plant.read()
        plant.apply(np.zeros(3))
        assert (np.isnan(reading) | (reading == 0.0)).all()
    line.servos[1].noise = b""
    sound(plant)
    assert plant.failure == ""
    plant.close()


def test_a_servo_that_stays_silent_is_a_failure(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line, more="lost_after_s = 1")
    line.servos[7].drop = 10**6
    spin_until(plant, lambda: plant.failure != "", lambda: plant.apply(np.zeros(3)))
    assert plant.failure == f"{line.port}: no answer from servo 7 for 1 s"
    plant.close()


def test_a_pulled_cable_is_a_failure_and_raises_nothing(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line)
    plant.read()
    plant.apply(np.zeros(3))
    line.unplug()
    for _ in range(3):
        assert np.isnan(plant.read()[0]).all()
        plant.apply(np.zeros(3))
        plant.hold()
        plant.stop()
        plant.health()
    assert "the serial port is gone" in plant.failure
    plant.close()
    plant.close()


def test_hold_keeps_the_place_in_the_servos_own_mode_and_commands_come_back(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line)
    spin(plant, line, 0.3, lambda: plant.apply(np.array([0.3, 0.3, 0.3])))
    assert line.now(1).table[11] == 0
    where = sound(plant)[:3]
    assert plant.hold()
    spin(plant, line, 0.6, plant.hold)
    assert line.now(1).table[11] == 3
    np.testing.assert_allclose([line.now(k).angle for k in IDS], where, atol=3e-3)
    forward = np.array([0.1, 0.0, 0.0])
    spin_until(plant, lambda: line.now(1).table[11] == 0 and line.now(1).rate > 0.01, lambda: plant.apply(forward))
    # Whenever the torque came on, what it was for stood there already: no torque of before, no place of before.
    current, place, later = line.now(1).taken_up
    count = CURRENT_UNIT * TORQUE_PER_AMPERE
    assert (current, later) == ((0, round(0.3 / count)), (0, round(0.1 / count)))
    assert place == (3, pytest.approx(2048 + where[0] * 4096 / TURN, abs=1))
    plant.close()


def test_hold_by_the_robots_law_is_left_to_the_node(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line, more='hold = "law"')
    plant.read()
    assert not plant.hold()
    plant.close()


def test_stop_switches_the_torque_off_and_nothing_is_on_before_the_first_command(
    tmp_path: Path, line: DynamixelEmulator
) -> None:
    plant = opened(tmp_path, line)
    plant.read()
    assert not any(line.now(k).is_on for k in IDS)
    plant.apply(np.zeros(3))
    wait_for(lambda: all(line.now(k).is_on for k in IDS))
    assert plant.stop()
    wait_for(lambda: not any(line.now(k).is_on for k in IDS))
    plant.close()


def test_the_servos_stop_by_themselves_when_nothing_comes_and_go_on_afterwards(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line, more="watchdog_ms = 400")
    spin(plant, line, 0.2, lambda: plant.apply(np.array([0.3, 0.0, 0.0])))
    wait_for(lambda: line.now(1).table[98] == 255)
    assert line.now(1).get(102, 2) == 0

    def look_and_command() -> None:
        plant.health()  # sees it
        plant.apply(np.array([0.3, 0.0, 0.0]))

    spin_until(plant, lambda: line.now(1).table[98] == 20, look_and_command)
    assert line.now(1).get(102, 2) == round(0.3 / TORQUE_PER_AMPERE / CURRENT_UNIT)
    assert plant.failure == ""
    plant.close()


@pytest.mark.parametrize("mode", ["current", "position"])
def test_joints_that_were_moved_by_hand_during_a_stop_are_held_where_they_are_now(
    tmp_path: Path, line: DynamixelEmulator, mode: str
) -> None:
    plant = opened(tmp_path, line, mode)
    spin(plant, line, 0.1, plant.hold)
    plant.stop()
    wait_for(lambda: not any(line.now(k).is_on for k in IDS))
    by_hand = (1.5, -0.7, 0.4)
    line.put_joints(by_hand)
    spin(plant, line, 0.05, plant.stop)
    furthest = 0.0
    for _ in range(20):
        spin(plant, line, 0.02, plant.hold)
        furthest = max(furthest, *(abs(line.now(k).angle - angle) for k, angle in zip(IDS, by_hand, strict=True)))
    assert all(line.now(k).is_on and line.now(k).table[11] == 3 for k in IDS)
    assert furthest < 2e-3
    plant.close()


def test_joints_that_were_moved_while_their_watchdog_had_tripped_are_held_where_they_are_now(
    tmp_path: Path, line: DynamixelEmulator
) -> None:
    plant = opened(tmp_path, line, more="watchdog_ms = 400")
    spin(plant, line, 0.1, plant.hold)
    wait_for(lambda: line.now(1).table[98] == 255)
    line.put_joints((1.5, -0.7, 0.4))

    def look_and_hold() -> None:
        plant.health()  # sees the watchdog
        plant.hold()

    spin_until(plant, lambda: line.now(1).table[98] == 20, look_and_hold)
    spin(plant, line, 0.4, look_and_hold)
    np.testing.assert_allclose([line.now(k).angle for k in IDS], (1.5, -0.7, 0.4), atol=2e-3)
    plant.close()


def test_after_a_stop_nothing_is_held_before_all_servos_have_said_where_they_are(
    tmp_path: Path, line: DynamixelEmulator
) -> None:
    plant = opened(tmp_path, line)
    spin(plant, line, 0.1, plant.hold)
    plant.stop()
    wait_for(lambda: not any(line.now(k).is_on for k in IDS))
    line.put_joints((1.5, -0.7, 0.4))
    line.servos[2].drop = 10**6
    for _ in range(3):
        plant.read()
        assert plant.hold()
    assert not any(line.now(k).is_on for k in IDS)
    line.servos[2].drop = 0
    spin_until(plant, lambda: all(line.now(k).is_on for k in IDS), plant.hold)
    spin(plant, line, 0.3, plant.hold)
    assert all(line.now(k).is_on for k in IDS)
    np.testing.assert_allclose([line.now(k).angle for k in IDS], (1.5, -0.7, 0.4), atol=2e-3)
    plant.close()


def test_a_servo_that_has_shut_down_is_a_failure(tmp_path: Path, line: DynamixelEmulator) -> None:
    plant = opened(tmp_path, line)
    spin(plant, line, 0.05, lambda: plant.apply(np.zeros(3)))
    line.servos[2].table[70] = 0b100000
    line.servos[2].table[64] = 0
    spin_until(plant, lambda: plant.failure != "", plant.health)
    assert plant.failure == "servo 2 reports overload"
    plant.close()


def test_the_emulator_reads_in_bulk_as_the_sdk_does(line: DynamixelEmulator) -> None:
    import dynamixel_sdk as sdk

    port, packets = sdk.PortHandler(line.port), sdk.PacketHandler(2.0)
    port.openPort()
    group = sdk.GroupBulkRead(port, packets)
    group.addParam(1, 146, 1)
    group.addParam(7, 144, 2)
    assert group.txRxPacket() == 0
    assert (group.getData(1, 146, 1), group.getData(7, 144, 2)) == (31, 120)
    assert packets.write1ByteTxRx(port, 2, 65, 1) == (0, 0)
    assert packets.read1ByteTxRx(port, 2, 65) == (1, 0, 0)
    assert line.instructions[0][1] == BULK_READ
    port.closePort()


def test_with_nobody_in_control_the_node_holds_and_an_operator_stops_it(tmp_path: Path, line: DynamixelEmulator) -> None:
    robot, bus = joints(3, "N m"), FakeBus()
    plant = plant_of(driver_table(tmp_path, keys(line)), robot)()
    operator = bus.peer_link(newest_only=())
    end_s, seen = time.monotonic() + PATIENCE_S, []

    def stopped() -> bool:
        if line.now(1).is_on and not seen:
            seen.append((True, line.now(1).table[11]))
            operator.send(EStop(1))
        return (bool(seen) and not line.now(1).is_on) or time.monotonic() > end_s

    with bus.plant_link() as link:
        summary = run_plant(plant, robot, link, clock_of(line, robot), PlantOptions(), stopped)
    assert seen == [(True, 3)]
    assert [c["to"] for c in summary.mode_changes] == ["E_STOP"]
    assert not line.now(1).is_on
    assert any(isinstance(m, Observation) and np.isfinite(m.measured).all() for m in operator.receive(0))


@pytest.mark.parametrize("mode", ["current", "position"])
def test_when_the_controller_dies_the_servos_hold_where_they_are(tmp_path: Path, line: DynamixelEmulator, mode: str) -> None:
    robot = joints(3, "N m" if mode == "current" else "rad")
    plant = plant_of(driver_table(tmp_path, keys(line, mode)), robot)()
    seen: list[list[float]] = []
    close = plant.close

    def look_and_close() -> None:
        seen.append([*(line.now(k).rate for k in IDS), *(line.now(k).table[11] for k in IDS)])
        close()

    plant.close = look_and_close  # type: ignore[method-assign]
    summary = outlive(plant, robot, np.array([0.2, 0.1, -0.2]), line, life_s=0.4, after_s=0.8)
    assert [c["to"] for c in summary.mode_changes if c["to"] != "STALE_PLAN"][-1] == "HOLD"
    assert max(abs(line.now(k).angle) for k in IDS) > 0.02  # it did move
    np.testing.assert_allclose(seen[0], [0, 0, 0, 3, 3, 3], atol=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mode = "velocity"\n', "'driver.mode' is 'velocity'; it must be one of current, position"),
        ('mode = "position"\nids = [1, 1]\n', "'driver.ids' is \\[1, 1\\]; it must be the IDs of the servos"),
        ('mode = "position"\nids = [1, 2]\nsigns = [1, 0.5]\n', "must be a list of 1 and -1"),
        ('mode = "position"\nids = [1, 2]\nport = "x"\nzeros_rad = [1]\n', "must be a list of 2 numbers in"),
        ('mode = "current"\nids = [1, 2]\n', "no 'driver.torque_per_ampere'"),
        ('mode = "position"\nids = [1, 2]\nwatchdog_ms = 50\n', "must be a multiple of 20"),
        ('mode = "position"\nids = [1, 2]\n', "no 'driver.port'"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        plant_of(driver_table(tmp_path, text), joints(2, "rad"))


def test_a_robot_that_is_not_driven_by_torques_is_refused(tmp_path: Path, line: DynamixelEmulator) -> None:
    with pytest.raises(UnsuitableRobotError, match="'joints' has 3 controls in rad; this driver, as configured, takes"):
        plant_of(driver_table(tmp_path, keys(line)), joints(3, "rad"))
    with pytest.raises(UnsuitableRobotError, match="'quadrotor' measures 0 angles, 3 rates and 10 others; 3 joints give"):
        plant_of(driver_table(tmp_path, keys(line)), load_robot("quadrotor"))


def test_a_servo_that_is_not_there_and_a_port_that_is_not_are_named(tmp_path: Path, line: DynamixelEmulator) -> None:
    table = driver_table(tmp_path, keys(line).replace("[1, 2, 7]", "[1, 2, 8]"))
    with pytest.raises(DriverError, match="no servo with ID 8 answers at 1000000 baud"):
        plant_of(table, joints(3, "N m"))()
    table = driver_table(tmp_path, keys(line).replace(line.port, "/dev/absent"))
    with pytest.raises(DriverError, match="/dev/absent: cannot be opened"):
        plant_of(table, joints(3, "N m"))()


def test_mpc_drive_runs_it_as_a_process_and_leaves_the_torque_off(tmp_path: Path) -> None:
    with DynamixelEmulator(list(range(1, 8))) as line:
        with driving("arm", tmp_path, keys(line), "--rate", "50", "--control-rate", "25") as process:
            wait_for(lambda: line.now(1).is_on and line.now(1).table[11] == 3)
            process.terminate()
            assert (process.wait(PATIENCE_S), process.stderr.read() if process.stderr else "") == (0, "")
        assert not line.now(1).is_on


def test_the_servos_stop_when_the_driver_is_killed(tmp_path: Path) -> None:
    with DynamixelEmulator(list(range(1, 8))) as line:
        with driving("arm", tmp_path, keys(line, more="watchdog_ms = 400"), "--rate", "50", "--control-rate", "25") as process:
            wait_for(lambda: line.now(1).is_on and line.now(1).table[98] == 20)
            process.kill()
        wait_for(lambda: line.now(1).table[98] == 255)
        assert abs(line.now(1).rate) < 1e-3


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "dynamixel_sdk.py").write_text("raise ImportError\n")
    text = (
        'kind = "dynamixel"\nport = "/dev/null"\nmode = "current"\nids = [1,2,3,4,5,6,7]\ntorque_per_ampere = [1,1,1,1,1,1,1]\n'
    )
    (tmp_path / "servos.toml").write_text(f"[driver]\n{text}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.launch.command.ROOT", f"{tmp_path}:{Path(__file__).parents[2]}")
        result = run("drive", "arm", "servos.toml", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path)
    assert result.returncode == 3
    expected = "this driver needs the extra 'dynamixel'; install it with: pip install 'mpc_controller[dynamixel]'"
    assert result.stderr == f"error: {expected}\n"
