"""The C++ plant does what the vectors say, flies with the Python controller, and survives it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from clients.robot_description import description
from launch.chaos.checks import hold_delays_ms, largest_step, longest_hold_ms
from mpc_controller.bus.codec import encode
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import EStop, EventKind, Mode
from mpc_controller.bus.zmq_link import PlantLink
from robots import load_robot
from tests.bus.examples import EXAMPLES
from tests.bus.vectors import FILES, FOLDER
from tests.clients.cpp_build import built
from tests.clients.cpp_flight import CppFlight

PLANT_TICK_NS = 2_000_000


@pytest.fixture(scope="module")
def build() -> Path:
    return built()


@pytest.mark.parametrize("name", sorted(FILES))
def test_it_agrees_with_python_to_1e_12(name: str, build: Path) -> None:
    done = subprocess.run([build / "test_vectors", FOLDER / f"{name}.json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "0 failures" in done.stdout


def test_a_wrong_number_in_a_vector_is_found(build: Path, tmp_path: Path) -> None:
    text = (FOLDER / "gate.json").read_text()
    wrong = tmp_path / "gate.json"
    wrong.write_text(text.replace('"step":[0.2,', '"step":[0.200000000002,'))
    assert wrong.read_text() != text
    done = subprocess.run([build / "test_vectors", wrong], capture_output=True, text=True)
    assert done.returncode == 1
    assert "gate, commands: step[0] is 0.2" in done.stdout


@pytest.mark.alone
def test_it_flies_with_the_python_controller_holds_when_that_is_killed_and_stops_when_told(build: Path, tmp_path: Path) -> None:
    robot = load_robot("quadrotor")
    with CppFlight(build, tmp_path) as flight:
        controller = flight.start_controller("hover")
        flight.listen_until(1750, lambda o: o.mode is Mode.NOMINAL)  # 3.5 s, of which it takes off for 2.5 s
        errors = position_errors(flight)
        controller.kill()
        flight.listen_until(150, lambda o: o.mode is Mode.HOLD)
        flight.listen_until(100, lambda o: o.mode is Mode.E_STOP, lambda: flight.link.send(EStop(1)))
        said = flight.stop_plant()

    sequences = [o.sequence for o in flight.observations()]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert len(errors) > 200
    assert max(errors) < 0.2  # it lifts off with a mass that is 10 % wrong
    assert np.mean(errors[-50:]) < 0.03
    observations = flight.observations()
    delays_ms = hold_delays_ms(observations)
    assert delays_ms
    assert max(delays_ms) <= longest_hold_ms(observations)
    assert largest_step(observations, robot) <= 1 + 1e-9
    changes = [(e.details["to"], e.details["reason"]) for e in flight.events() if e.kind is EventKind.MODE_CHANGE]
    assert changes[-2][0] == "HOLD"
    assert changes[-2][1].startswith("no plan for")
    assert changes[-1] == ("E_STOP", "stopped by an operator")
    np.testing.assert_array_equal(flight.observations()[-1].control, np.zeros(4))
    totals = [e for e in flight.events() if e.source == "plant" and "rejected_plans" in e.details][-1]
    assert totals.text.startswith("totals of the run")
    assert totals.details["safety_interventions"] == totals.details["invalid_measurements"] == "0"
    assert " 0 safety interventions" in said
    assert not list(tmp_path.glob("bus*"))


def position_errors(flight: CppFlight) -> list[float]:
    """Distance [m] of the true position from the wanted one, at the starts of all plans."""
    truth = flight.truth()
    first_ns = min(truth)
    errors = []
    for plan in flight.plans():
        at = truth.get(first_ns + round((plan.start_ns - first_ns) / PLANT_TICK_NS) * PLANT_TICK_NS)
        if at is not None and plan.status < 2:
            errors.append(float(np.linalg.norm(at.state[:3] - plan.reference[:3])))
    return errors


def test_one_plant_at_a_time_has_the_endpoints_and_a_dead_ones_files_are_removed(build: Path, tmp_path: Path) -> None:
    with PlantLink(Endpoints.of(f"ipc://{tmp_path}/bus")), CppFlight(build, tmp_path) as refused:
        assert refused.plant.wait(10) == 1
        assert refused.plant.stderr is not None
        assert "is in use: is another plant running?" in refused.plant.stderr.read()
    with CppFlight(build, tmp_path) as killed:
        killed.listen_until(10, lambda o: o.mode is Mode.HOLD)
        killed.plant.kill()
        killed.plant.wait(10)
        assert sorted(p.name for p in tmp_path.glob("bus*")) == ["bus.in", "bus.lock", "bus.out"]
        assert all(p.stat().st_mode & 0o077 == 0 for p in tmp_path.glob("bus*"))
    with CppFlight(build, tmp_path) as flight:
        flight.listen_until(10, lambda o: o.mode is Mode.HOLD)
        flight.stop_plant()
    assert not list(tmp_path.glob("bus*"))


@pytest.mark.alone
def test_mutated_frames_neither_end_nor_slow_it(build: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    frames = [encode(message) for message in EXAMPLES.values()]
    with CppFlight(build, tmp_path) as flight:
        flight.listen_until(1, lambda o: True)
        before_kb = memory_kb(flight)
        flight.listen_until(500, lambda o: True, lambda: flood(flight, [mutated(random, frames) for _ in range(500)]))
        assert memory_kb(flight) - before_kb < 5000
        flight.stop_plant()
    sequences = [o.sequence for o in flight.observations() if o.robot == "quadrotor"]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


def mutated(random: np.random.Generator, frames: list[bytes]) -> bytes:
    """One of the frames with some bytes of its payload changed."""
    frame = bytearray(frames[random.integers(len(frames))])
    for place in random.integers(12, len(frame), random.integers(1, 5)):
        frame[place] = random.integers(256)
    return bytes(frame)


def flood(flight: CppFlight, frames: list[bytes]) -> None:
    for frame in frames:
        flight.link.put(frame)


def memory_kb(flight: CppFlight) -> int:
    status = Path(f"/proc/{flight.plant.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_it_is_heard_over_tcp(build: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = min(free.getsockname()[1], 65533)
    with CppFlight(build, tmp_path, f"tcp://127.0.0.1:{port}") as flight:
        flight.listen_until(20, lambda o: o.mode is Mode.HOLD)
        flight.stop_plant()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("missing.json", "ipc:///tmp/x"), "'missing.json' can't be read"),
        (("ROBOT", "tcp://192.168.0.1:5555"), "only loopback addresses (127.0.0.1, localhost) are allowed without keys"),
        (("ROBOT", "tcp://127.0.0.1:65535"), "with a port in 1..65534"),
        (("ROBOT", "ipc://relative"), "an ipc path must be absolute"),
        (("ROBOT", "ipc:///tmp/x", "--duration", "soon"), "--duration is 'soon'; it must be a number from 0 on"),
        (("ROBOT", "ipc:///tmp/x", "--speed", "1"), "there is no option --speed; known are"),
    ],
)
def test_what_it_can_not_start_with_is_named(arguments: tuple[str, ...], complaint: str, build: Path, tmp_path: Path) -> None:
    robot = tmp_path / "robot.json"
    robot.write_text(quadrotor_description())
    words = [str(robot) if word == "ROBOT" else word for word in arguments]
    done = subprocess.run([build / "quadrotor", *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"model_hash"', '"model"', "'model_hash' is missing"),
        ('"controls": 4', '"controls": 3', "one finite number for each of the 3 controls"),
        ('"quaternions": [3]', '"quaternions": [15]', "inside the state"),
        ('"measured": [0, 1, 2, 3,', '"measured": [0, 1, 2, 0,', "all four entries of a quaternion, or none"),
        ('"plant_rate_hz": 500.0', '"plant_rate_hz": 0', "'plant_rate_hz' must be a number above 0"),
        ("{", "[", "it is not a JSON object"),
    ],
)
def test_what_is_wrong_in_a_robots_description_is_named(
    old: str, new: str, complaint: str, build: Path, tmp_path: Path
) -> None:
    robot = tmp_path / "robot.json"
    robot.write_text(quadrotor_description().replace(old, new, 1))
    assert robot.read_text() != quadrotor_description()
    done = subprocess.run([build / "quadrotor", robot, f"ipc://{tmp_path}/bus"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert complaint in done.stderr


def quadrotor_description() -> str:
    return json.dumps(description(load_robot("quadrotor")))
