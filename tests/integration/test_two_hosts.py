"""Robot and controller on two hosts: network namespaces with a wire between them, and keys for everything on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpc_controller.bus.keys import KeyFolder, Role

pytestmark = pytest.mark.alone

ROBOT_HOST, DESK_HOST = "10.77.0.1", "10.77.0.2"
ADDRESS = f"tcp://{ROBOT_HOST}:5600"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Names of two namespaces that see each other and nothing else."""
    if shutil.which("ip") is None or os.getuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    robot, desk = f"mpc-robot-{os.getpid()}", f"mpc-desk-{os.getpid()}"
    try:
        _ip("netns", "add", robot)
        _ip("netns", "add", desk)
        _ip("link", "add", "wire", "netns", robot, "type", "veth", "peer", "name", "wire", "netns", desk)
    except subprocess.CalledProcessError as error:
        _remove(robot, desk)
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.decode().strip()}")
    for name, address in ((robot, ROBOT_HOST), (desk, DESK_HOST)):
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "wire")
        for device in ("lo", "wire"):
            _ip("-n", name, "link", "set", device, "up")
    yield robot, desk
    _remove(robot, desk)


def _remove(*names: str) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def start(host: str, *arguments: str) -> subprocess.Popen[str]:
    command = ["ip", "netns", "exec", host, sys.executable, "-P", "-m", "launch.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    text, _ = process.communicate(timeout=120)
    return process.returncode, text


def test_a_robot_is_flown_from_another_host_by_those_who_have_keys(hosts: tuple[str, str], tmp_path: Path):
    robot, desk = hosts
    keys = KeyFolder.create(tmp_path / "keys")
    files = {}
    for role in Role:
        key = keys.add(role.value, role)
        assert key is not None
        files[role] = str(tmp_path / f"{role}.key")
        key.save(Path(files[role]))
    who = ("cartpole", "--endpoint", ADDRESS, "--keys")
    plant = start(robot, "sim", "cartpole", "--task", "balance", "--endpoint", ADDRESS, "--keys", str(keys.folder))
    summary = tmp_path / "control.json"
    try:
        told = ("--task", "balance", "--wait", "100", "--duration", "4", "--json", str(summary))
        code, text = outcome(start(desk, "control", *who, files[Role.CONTROLLER], *told))
        assert code == 0, text
        flown = json.loads(summary.read_text())
        assert flown["plans"] > 100
        assert flown["tracking_max"]["angle_rad"] < 0.2

        code, text = outcome(start(desk, "estop", *who, files[Role.OBSERVER]))
        assert (code, "this needs the role controller or operator" in text) == (2, True), text
        code, text = outcome(start(desk, "estop", *who, files[Role.OPERATOR]))
        assert (code, "cartpole is stopped" in text) == (0, True), text
        code, text = outcome(start(desk, "estop", *who, files[Role.CONTROLLER], "--clear"))
        assert (code, "this needs the role operator" in text) == (2, True), text
        code, text = outcome(start(desk, "estop", "cartpole", "--endpoint", ADDRESS))
        assert (code, "allowed without keys" in text) == (2, True), text
    finally:
        plant.terminate()
        code, text = outcome(plant)
    assert code == 0, text
