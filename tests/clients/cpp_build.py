"""Builds clients/cpp with CMake, once for all runs: the build folder is kept, and CMake builds what changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "clients" / "cpp"
_COMPILERS = ("c++", "g++", "clang++")


def missing() -> str:
    """What the build needs and this machine has not; '' when it has all."""
    for tool in ("cmake", "protoc"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    if not (os.environ.get("CXX") or any(map(shutil.which, _COMPILERS))):
        return "there is no C++ compiler"
    for header, package in (("zmq.h", "libzmq3-dev"), ("google/protobuf/message.h", "libprotobuf-dev")):
        if not any((folder / header).exists() for folder in _include_folders()):
            return f"there is no {header} (package {package})"
    return ""


def built() -> Path:
    """The build folder. Skips the test where the build can't be, fails it where the build fails."""
    lacking = missing()
    if lacking:
        pytest.skip(f"the C++ client needs cmake, protoc, libzmq and protobuf: {lacking}")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:  # another run of the tests may be at it
        fcntl.flock(lock, fcntl.LOCK_EX)
        generator = ("-G", "Ninja") if shutil.which("ninja") else ()
        _run("cmake", "-S", str(SOURCE), "-B", str(folder / "build"), *generator)
        _run("cmake", "--build", str(folder / "build"), "--parallel", "2")
    return folder / "build"


def _folder() -> Path:
    """One for each place of the sources: CMake refuses a build folder of others."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mpc_controller"
    return cache / f"cpp-client-{hashlib.sha256(os.fsencode(SOURCE)).hexdigest()[:12]}"


def _include_folders() -> list[Path]:
    given = [Path(p) for p in os.environ.get("CPLUS_INCLUDE_PATH", "").split(":") if p]
    prefixes = [Path(p) / "include" for p in os.environ.get("CMAKE_PREFIX_PATH", "").split(":") if p]
    return [*given, *prefixes, Path("/usr/include"), Path("/usr/local/include"), Path("/opt/homebrew/include")]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
