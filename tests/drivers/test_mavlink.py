"""A PX4 autopilot over UDP: frames, set-points, proof of life, modes, lost and garbled datagrams, and who is in charge."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mpc_controller.drivers.error import DriverError, UnsuitableRobotError
from mpc_controller.drivers.mavlink import plant_of
from mpc_controller.drivers.mavlink_frames import rotate, swap_attitude, swap_body, swap_world, turned_by
from mpc_controller.drivers.mavlink_options import mavlink_options
from mpc_controller.drivers.mavlink_set_point import STATES, SetPoints
from mpc_controller.node.plant import Plant
from mpc_controller.toml_table import TomlError
from robots import load_robot
from tests.drivers.processes import driving, wait_for
from tests.drivers.robots import driver_table, joints, with_defaults
from tests.drivers.ticks import let_pass, spin, spin_until
from tests.launch.command import run, start

common = pytest.importorskip("pymavlink.dialects.v20.common", reason="the extra 'mavlink' is not installed")

from tests.drivers.px4_emulator import (  # noqa: E402
    AUTO_HOLD,
    AUTO_LAND,
    FLU_TO_FRD,
    NED_TO_ENU,
    OFFBOARD,
    POSCTL,
    Px4Emulator,
    offboard_thrusts,
    telemetry,
)

HOVER = np.full(4, 0.027 * 9.81 / 4)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The emulator shares this process and a busy machine: it may be late. In a hurry is only what is tested.
PATIENT = {"stale_after_s": 10, "lost_after_s": 30, "mode_timeout_s": 30}


def keys(port: int, more: str = "") -> str:
    return f'kind = "mavlink"\nlisten = "127.0.0.1:{port}"\nrate_gain = [20, 20, 10]\n{with_defaults(more, PATIENT)}\n'


_PLANTS: list[Plant] = []


def opened(folder: Path, port: int, more: str = "") -> Plant:
    _PLANTS.append(plant_of(driver_table(folder, keys(port, more)), load_robot("quadrotor"))())
    return _PLANTS[-1]


@pytest.fixture(autouse=True)
def _closed_afterwards() -> Iterator[None]:
    yield
    while _PLANTS:
        _PLANTS.pop().close()


def hover(plant: Plant) -> Callable[[], None]:
    """What a tick does in flight."""
    return lambda: plant.apply(HOVER)


def go_offboard(plant: Plant, px4: Px4Emulator) -> None:
    """Until the driver knows of it, too: by heartbeats from after its request was answered."""
    spin_until(plant, lambda: px4.mode == OFFBOARD, hover(plant))
    told = px4.heartbeats
    spin_until(plant, lambda: px4.heartbeats > told + 2, hover(plant))
    spin(plant, px4, 0.05, hover(plant))


def test_frames_in_closed_form() -> None:
    np.testing.assert_array_equal(swap_world(np.array([1.0, 2.0, -3.0])), [2.0, 1.0, 3.0])  # north, east, 3 m up
    np.testing.assert_array_equal(swap_body(np.array([1.0, 2.0, 3.0])), [1.0, -2.0, -3.0])
    # Level and nose to the north: in our frames turned by 90° to the left, from east.
    np.testing.assert_allclose(swap_attitude(np.array([1.0, 0, 0, 0])), [math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
    # Level and nose to the east: none.
    np.testing.assert_allclose(swap_attitude(np.array([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])), [1, 0, 0, 0], atol=1e-15)
    # Nose to the north and 30° up is a positive pitch in both autopilots' and... ours is about the left axis, so negative.
    pitched = swap_attitude(np.array([math.cos(math.radians(15)), 0, math.sin(math.radians(15)), 0]))
    np.testing.assert_allclose(rotate(pitched, np.array([1.0, 0, 0])), [0, math.cos(math.pi / 6), 0.5], atol=1e-15)


def test_frames_are_those_of_matrices_and_their_own_inverses() -> None:
    random = np.random.default_rng(0)
    for q in Rotation.random(50, random).as_quat():
        ned = np.roll(q, 1)
        matrix = NED_TO_ENU @ Rotation.from_quat(q).as_matrix() @ FLU_TO_FRD
        enu = swap_attitude(ned)
        np.testing.assert_allclose(Rotation.from_quat(np.roll(enu, -1)).as_matrix(), matrix, atol=1e-14)
        np.testing.assert_allclose(np.abs(swap_attitude(enu) @ ned), 1.0)
        vector = random.standard_normal(3)
        np.testing.assert_allclose(rotate(enu, vector), matrix @ vector, atol=1e-14)
        turned = Rotation.from_quat(np.roll(enu, -1)) * Rotation.from_rotvec(vector)
        half = math.sin(np.linalg.norm(vector) / 2) * vector / np.linalg.norm(vector)
        if np.linalg.norm(vector) < math.pi:
            np.testing.assert_allclose(np.abs(turned_by(enu, half) @ np.roll(turned.as_quat(), 1)), 1.0)


def test_an_attitude_is_never_half_a_turn_away(tmp_path: Path) -> None:
    set_points = SetPoints(load_robot("quadrotor"), mavlink_options(driver_table(tmp_path, keys(1, 'set_point = "attitude"'))))
    level = np.array([1.0, 0.0, 0.0, 0.0])
    point = set_points.of(np.array([0.0, 0.0, 0.15, 0.15]), level, np.zeros(3))
    assert 2 * math.acos(point.attitude @ level) == pytest.approx(math.radians(88.85), abs=1e-3)
    assert point.attitude[1] > 0  # rolled to the right
    np.testing.assert_allclose(point.attitude[2:], 0.0, atol=1e-12)


@pytest.mark.parametrize("kind", ["rates", "attitude"])
def test_the_autopilots_loops_make_of_the_set_point_the_thrusts_that_were_commanded(tmp_path: Path, kind: str) -> None:
    options = mavlink_options(driver_table(tmp_path, keys(1, f'set_point = "{kind}"')))
    set_points = SetPoints(load_robot("quadrotor"), options)
    random = np.random.default_rng(1)
    for q in Rotation.random(20, random).as_quat():
        attitude, rates = np.roll(q, 1), random.uniform(-1, 1, 3)
        u = HOVER + random.uniform(-0.004, 0.004, 4)
        point = set_points.of(u, attitude, rates)
        mask = 7 if kind == "attitude" else 128
        q_ned = [float(n) for n in swap_attitude(point.attitude)]
        message = common.MAVLink_set_attitude_target_message(0, 1, 1, mask, q_ned, *swap_body(point.rates), point.throttle)
        np.testing.assert_allclose(offboard_thrusts(message, attitude, rates), u, atol=1e-9)


def test_a_robot_that_does_not_fly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableRobotError, match="'arm' does not measure what an autopilot tells"):
        plant_of(driver_table(tmp_path, keys(1)), load_robot("arm"))
    with pytest.raises(UnsuitableRobotError, match="'joints' does not measure"):
        plant_of(driver_table(tmp_path, keys(1)), joints(4, "N m"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('listen = "here"\n', "'driver.listen' is 'here'; it must be an address of this machine and a port"),
        ('listen = "127.0.0.1:²"\n', "'driver.listen' is '127.0.0.1:²'; it must be an address of this machine and a port"),
        (f'listen = "127.0.0.1:{"1" * 5000}"\n', "it must be an address of this machine and a port"),
        ('listen = "127.0.0.1:65536"\n', "it must be an address of this machine and a port"),
        ('listen = "a\\u0000b:14540"\n', "it must be an address of this machine and a port"),
        ("", "no 'driver.rate_gain'; it must be a list of 3 numbers"),
        ("rate_gain = [1, 2]\n", "must be a list of 3 numbers in"),
        ('rate_gain = [1, 2, 3]\nstop = "fall"\n', "must be one of land, disarm"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        mavlink_options(driver_table(tmp_path, text))


@pytest.mark.parametrize("uses_odometry", [True, False])
def test_what_it_reads_is_where_the_robot_is(tmp_path: Path, uses_odometry: bool) -> None:
    port = free_port()
    with Px4Emulator(port, uses_odometry=uses_odometry) as px4:
        state = np.concatenate([[1, -2, 3], Rotation.from_rotvec([0.1, 0.2, 2.0]).as_quat()[[3, 0, 1, 2]], np.arange(1, 11)])
        px4._tell = lambda now_s: [px4._send(m) for m in (heartbeat(), *telemetry(state, uses_odometry))]  # type: ignore
        plant = opened(tmp_path, port)
        spin_until(plant, lambda: bool(np.isfinite(plant.read()[0]).all()), lambda: None)
        reading = plant.read()[0]
        expected = dict(zip(load_robot("quadrotor").dynamics.state_names, state, strict=True))
        np.testing.assert_allclose(reading, [expected[name] for name in STATES], atol=1e-6)
        plant.close()


def heartbeat() -> object:
    return common.MAVLink_heartbeat_message(2, 12, 1, POSCTL, 4, 3)


def test_before_the_first_command_it_changes_nothing_but_proves_that_it_lives(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port) as px4:
        plant = opened(tmp_path, port)
        spin(plant, px4, 0.8, plant.hold)
        assert px4.modes == [POSCTL]
        assert not px4.armed
        gaps = np.diff([time_s for time_s, _ in px4.set_points])
        assert gaps.max() < 0.5  # more than 2 Hz
        assert {m.thrust for _, m in px4.set_points} == {0.0}
        assert "HEARTBEAT" in px4.heard
        plant.close()
        let_pass(px4, 0.05)
        assert px4.modes == [POSCTL]


def test_commands_go_offboard_hold_is_the_autopilots_own_and_stop_lands(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port, height=0.5) as px4:
        plant = opened(tmp_path, port)
        spin(plant, px4, 0.3, plant.hold)
        spin_until(plant, lambda: px4.mode == OFFBOARD, hover(plant))
        spin(plant, px4, 0.3, hover(plant))
        assert abs(px4.truth[2] - 0.5) < 0.1
        spin_until(plant, lambda: px4.mode == AUTO_HOLD, plant.hold)
        spin(plant, px4, 0.3, plant.hold)
        assert px4.modes == [POSCTL, OFFBOARD, AUTO_HOLD]
        spin_until(plant, lambda: px4.mode == OFFBOARD, hover(plant))
        spin_until(plant, lambda: px4.mode == AUTO_LAND, plant.stop)
        spin_until(plant, lambda: not px4.armed, plant.stop)
        assert plant.failure == ""
        assert px4.truth[2] < 0.05
        plant.close()


def test_a_short_hold_does_not_look_as_if_a_pilot_took_over(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port, height=0.5, heartbeat_s=0.4) as px4:
        plant = opened(tmp_path, port)
        spin(plant, px4, 0.3, plant.hold)
        spin_until(plant, lambda: px4.mode == OFFBOARD, hover(plant))
        spin(plant, px4, 0.9, hover(plant))
        for _ in range(3):
            spin(plant, px4, 0.03, plant.hold)
            spin(plant, px4, 0.03, hover(plant))
        spin(plant, px4, 0.9, hover(plant))
        assert plant.failure == ""
        assert px4.mode == OFFBOARD
        assert AUTO_HOLD in px4.modes


def test_it_arms_where_it_is_told_to_and_stop_can_be_motors_off(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port) as px4:
        plant = opened(tmp_path, port, 'arm = true\nstop = "disarm"')
        spin(plant, px4, 0.3, plant.hold)
        spin_until(plant, lambda: px4.armed, lambda: plant.apply(np.zeros(4)))
        spin(plant, px4, 0.3, lambda: plant.apply(np.zeros(4)))
        spin_until(plant, lambda: not px4.armed, plant.stop)
        spin(plant, px4, 0.3, plant.stop)
        assert plant.failure == ""
        plant.close()


@pytest.mark.parametrize("mode", [POSCTL, AUTO_LAND])
def test_whoever_takes_over_keeps_the_robot(tmp_path: Path, mode: int) -> None:
    port = free_port()
    with Px4Emulator(port, height=0.5) as px4:
        plant = opened(tmp_path, port)
        spin(plant, px4, 0.3, plant.hold)
        go_offboard(plant, px4)
        px4.pilot(mode)
        spin_until(plant, lambda: plant.failure != "", hover(plant))
        assert plant.failure.startswith("the autopilot left OFFBOARD for mode ")
        plant.hold()
        plant.stop()
        plant.close()
        let_pass(px4, 0.05)
        assert px4.mode == mode


@pytest.mark.parametrize("stop", ["land", "disarm"])
def test_a_stop_leaves_the_robot_to_a_pilot_whom_nothing_was_ever_taken_from(tmp_path: Path, stop: str) -> None:
    port = free_port()
    with Px4Emulator(port, height=0.5) as px4:
        plant = opened(tmp_path, port, f'arm = true\nstop = "{stop}"')
        spin(plant, px4, 0.1, plant.hold)
        first = len(px4.set_points)
        spin(plant, px4, 0.5, plant.stop)
        assert len(px4.set_points) > first + 3  # it lives
        plant.close()
        let_pass(px4, 0.05)
        assert (px4.modes, px4.armed) == ([POSCTL], True)


@pytest.mark.parametrize("stop", ["land", "disarm"])
def test_a_stop_in_the_tick_that_tells_of_a_pilot_leaves_the_robot_to_the_pilot(tmp_path: Path, stop: str) -> None:
    port = free_port()
    with Px4Emulator(port, height=0.5) as px4:
        plant = opened(tmp_path, port, f'stop = "{stop}"')
        spin(plant, px4, 0.3, plant.hold)
        go_offboard(plant, px4)
        px4.pilot(POSCTL)
        told = px4.heartbeats
        wait_for(lambda: px4.heartbeats > told + 1)
        plant.read()
        for _ in range(5):
            plant.stop()
            let_pass(px4, 0.02)
            plant.read()
        assert plant.failure.startswith("the autopilot left OFFBOARD for mode 3.0")
        plant.close()
        let_pass(px4, 0.05)
        assert (px4.mode, px4.armed) == (POSCTL, True)


def test_no_robot_is_taken_from_a_pilot_before_there_is_a_set_point_for_it(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port, height=0.5) as px4:
        plant = opened(tmp_path, port, "stale_after_s = 0.2")
        spin(plant, px4, 0.3, plant.hold)
        px4.garble = 10**6
        spin_until(plant, lambda: bool(np.isnan(plant.read()[0]).all()), plant.hold)
        spin(plant, px4, 0.4, hover(plant))
        spin(plant, px4, 0.1, plant.stop)
        assert px4.modes == [POSCTL]
        px4.garble = 0
        spin_until(plant, lambda: px4.mode == OFFBOARD, hover(plant))
        assert px4.set_points[-1][1].thrust == pytest.approx(0.5, abs=0.05)


def test_a_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port) as px4:
        px4.refuses = True
        plant = opened(tmp_path, port, "mode_timeout_s = 2")
        spin_until(plant, lambda: plant.failure != "", hover(plant))
        assert plant.failure == "the autopilot did not enter OFFBOARD within 2 s: temporarily rejected"
        plant.close()


def test_silence_and_garbled_telemetry_are_nan_and_then_a_failure(tmp_path: Path) -> None:
    port = free_port()
    with Px4Emulator(port) as px4:
        plant = opened(tmp_path, port, "stale_after_s = 0.2\nlost_after_s = 3")

        def is_told() -> bool:
            return bool(np.isfinite(plant.read()[0]).all())

        spin_until(plant, is_told, lambda: None)
        px4.garble = 10**6
        spin_until(plant, lambda: bool(np.isnan(plant.read()[0]).all()), lambda: None)
        assert plant.failure == ""
        px4.garble = 0
        spin_until(plant, is_told, lambda: None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (
                b"",
                b"\xfd\xff",
                bytes(range(256)) * 4,
                heartbeat().pack(common.MAVLink(None, srcSystem=1, srcComponent=1)),
            ):  # type: ignore[attr-defined]
                stranger.sendto(data, ("127.0.0.1", port))
        spin(plant, px4, 0.3, lambda: None)  # longer than what was told before counts
        spin_until(plant, is_told, lambda: None)
        px4.is_mute = True
        spin_until(plant, lambda: plant.failure != "", plant.stop)
        assert plant.failure == "no heartbeat of the autopilot for 3 s"
        plant.close()
        plant.close()


def test_no_autopilot_and_a_port_in_use_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpc_controller.drivers.mavlink._FIRST_HEARTBEAT_S", 0.1)
    port = free_port()
    with pytest.raises(DriverError, match=r"no heartbeat of an autopilot with system ID 1 within 0\.1 s"):
        opened(tmp_path, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        with pytest.raises(DriverError, match=f"127.0.0.1:{port}: cannot be listened to"):
            opened(tmp_path, port)


@pytest.mark.alone
def test_the_autopilot_holds_when_the_driver_is_killed(tmp_path: Path) -> None:
    """And flies by the controller's plans before, in three processes."""
    port = free_port()
    # On a busy machine all of them may be late: first come the loops, where that is permitted.
    options = ("--rate", "125", "--control-rate", "50", "--priority", "40", "--arming", "automatic")
    text = keys(port, "arm = true\ntelemetry_rate_hz = 250\nstale_after_s = 1.0")
    with (
        Px4Emulator(port, heartbeat_s=1.0, stream_s=1.0) as px4,
        driving("quadrotor", tmp_path, text, *options) as plant,
    ):
        command = ("control", "quadrotor", "--task", "hover", "--endpoint", f"ipc://{tmp_path}/bus")
        with start(*command, "--plant-rate", "125", "--rate", "50") as controller:

            def is_flown() -> bool:
                return abs(px4.truth[2] - 1.0) < 0.3 and abs(px4.truth[9]) < 0.2 and px4.mode == OFFBOARD

            wait_for(lambda: is_flown() or plant.poll() is not None or controller.poll() is not None)
            ended = [p.communicate(timeout=5)[1] for p in (plant, controller) if p.poll() is not None]
            assert (px4.armed, ended) == (True, [])
            height = px4.truth[2]
            controller.kill()
        wait_for(lambda: px4.mode == AUTO_HOLD)  # the driver asks for it
        let_pass(px4, 0.5)
        held = px4.truth
        plant.kill()
        let_pass(px4, 0.7)
        after = px4.truth
    assert np.linalg.norm(after[:3] - held[:3]) < 0.3
    assert abs(held[2] - height) < 0.3


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pymavlink.py").write_text("raise ImportError\n")
    (tmp_path / "px4.toml").write_text(f"[driver]\n{keys(14540)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.launch.command.ROOT", f"{tmp_path}:{Path(__file__).parents[2]}")
        result = run("drive", "quadrotor", "px4.toml", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path)
    assert result.returncode == 3
    expected = "this driver needs the extra 'mavlink'; install it with: pip install 'mpc_controller[mavlink]'"
    assert result.stderr == f"error: {expected}\n"
