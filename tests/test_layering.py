"""Imports point one way: launch -> sim -> robots -> mpc_controller, and only the offline parts know heavy extras."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Every package may import itself and those after it.
LAYERS = ("launch", "sim", "robots", "mpc_controller")
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
# Where a package of ours has a counterpart on the simulator's or the compiler's side, one folder alone may know it.
ONLY_IN = {
    "mujoco": ("sim/", "launch/bench/peers/"),
    "click": (
        "launch/cli.py",
        "launch/running_cli.py",
        "launch/recording_cli.py",
        "launch/identification_cli.py",
        "launch/learning_cli.py",
        "launch/bench_cli.py",
        "launch/chaos_cli.py",
        "launch/keys_cli.py",
        "launch/options.py",
    ),
    "ctypes": (
        "mpc_controller/native/",
        "mpc_controller/solvers/",
        "mpc_controller/identification/fit_library.py",
        "launch/child.py",
        "launch/memory_lock.py",
    ),
}


def _imported(path: Path) -> Iterator[str]:
    """Names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_the_layers(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    above = LAYERS[: LAYERS.index(layer)]
    upward = [name for name in _imported(path) if name.partition(".")[0] in above]
    assert not upward, f"{layer} must not import {upward}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_some_packages_are_known_in_one_place(package: str) -> None:
    users = {str(p.relative_to(ROOT)) for p in MODULES if package in {name.partition(".")[0] for name in _imported(p)}}
    strangers = {user for user in users if not user.startswith(ONLY_IN[package])}
    assert not strangers


def test_no_robot_imports_another() -> None:
    for path in MODULES:
        parts = path.relative_to(ROOT).parts
        if parts[0] == "robots" and len(parts) == 3:
            others = [n for n in _imported(path) if n.startswith("robots.") and n.split(".")[1] not in (parts[1], *_shared())]
            assert not others, f"{path} imports {others}"


def _shared() -> list[str]:
    """Modules directly in robots/: for all robots."""
    return [path.stem for path in (ROOT / "robots").glob("*.py")]


def test_what_is_imported_is_declared() -> None:
    """Distributions by the name under which they are imported; a package's other dependencies are not ours to use."""
    declared = {
        "casadi",
        "numpy",
        "scipy",
        "mujoco",
        "pinocchio",
        "zmq",
        "google",
        "mcap",
        "mcap_protobuf",
        "matplotlib",
        "click",
        "tomlkit",
        "crocoddyl",
        "ray",
        "equinox",
        "jax",
        "onnx",
        "optax",
    }
    imported = {name.partition(".")[0] for path in MODULES for name in _imported(path)}
    assert imported - set(sys.stdlib_module_names) - set(LAYERS) - {"__future__"} <= declared
