"""What the controller's process is made of: nothing slow, and in its loop neither imports nor the garbage collector."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.launch.command import environment, start

# What takes long to import, and no controller needs.
SLOW = ("matplotlib", "jax", "onnx", "mujoco", "scipy.optimize", "optax", "equinox", "torch", "pandas", "pinocchio")
# `mpc control` itself, and a thread that looks at the collector; imports while that is off are imports in the loop.
WATCHED = """
import gc, json, sys, threading, time

in_loop, seen, over = [], set(), threading.Event()
sys.addaudithook(lambda event, arguments: in_loop.append(arguments[0]) if event == "import" and not gc.isenabled() else None)

def look():
    while not over.wait(0.02):
        seen.add((gc.isenabled(), gc.get_freeze_count() > 0))

threading.Thread(target=look).start()
report = open(sys.argv[1], "w")
sys.argv = ["mpc", *sys.argv[2:]]
from launch.cli import main
try:
    main()
finally:
    over.set()
    json.dump({"modules": sorted(sys.modules), "in_loop": in_loop, "seen": sorted(seen)}, report)
    report.close()
"""


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Its modules, imports in the loop and the states of its collector, after some plans for a cart and a pole."""
    folder = tmp_path_factory.mktemp("control")
    address, report, summary = f"ipc://{folder}/bus", folder / "report.json", folder / "control.json"
    plant = start("sim", "cartpole", "--endpoint", address)
    try:
        assert plant.stdout is not None
        assert plant.stdout.readline().startswith("ready")
        options = ("--endpoint", address, "--duration", "6", "--wait", "100", "--json", str(summary))
        subprocess.run(
            [sys.executable, "-P", "-c", WATCHED, str(report), "control", "cartpole", *options],
            env=environment(),
            stdout=subprocess.DEVNULL,
            timeout=240,
        )
    finally:
        plant.terminate()
        plant.communicate(timeout=30)
    assert json.loads(summary.read_text())["plans"] > 100
    return dict(json.loads(report.read_text()))


def test_the_controllers_process_imports_nothing_slow(control: dict[str, Any]) -> None:
    slow = [name for name in control["modules"] if any(f"{name}.".startswith(f"{prefix}.") for prefix in SLOW)]
    assert slow == []


def test_nothing_is_imported_in_the_loop(control: dict[str, Any]) -> None:
    assert control["in_loop"] == []


def test_the_collector_is_off_in_the_loop_and_what_was_there_before_is_frozen(control: dict[str, Any]) -> None:
    assert [False, True] in control["seen"]
    assert [False, False] not in control["seen"]
