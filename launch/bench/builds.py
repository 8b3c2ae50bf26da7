"""What the libraries are built with, and where they are kept meanwhile."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from mpc_controller.native.cache import cache_folder

# Instruction sets that a build for many machines may take for granted: AVX2 and FMA (about 2015), SSE 4.2 (about 2009).
_PORTABLE = {"x86_64": ("x86-64-v3", "x86-64-v2")}


@final
@dataclass(frozen=True)
class Toolchain:
    """A compiler's command, as $CC has it, and an architecture, as -march has it."""

    name: str
    command: str
    architecture: str


def toolchains() -> list[Toolchain]:
    """Every compiler of this machine, for this machine and for portable code; gcc for this machine comes first."""
    compilers = {name: name for name in ("gcc", "clang") if shutil.which(name)}
    if importlib.util.find_spec("ziglang") is not None:
        compilers["zig"] = f"{sys.executable} -m ziglang cc"
    architectures = ("native", *_PORTABLE.get(platform.machine(), ()))
    return [Toolchain(name, command, target) for target in architectures for name, command in compilers.items()]


@contextlib.contextmanager
def building_with(toolchain: Toolchain) -> Iterator[None]:
    """Solvers made in here are compiled that way."""
    with _environment(CC=toolchain.command, MPC_MARCH=toolchain.architecture):
        yield


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """Builds start from nothing in here, but for the support library that zig makes once a machine."""
    zig = os.environ.get("ZIG_GLOBAL_CACHE_DIR", str(cache_folder() / "zig"))
    with (
        tempfile.TemporaryDirectory(prefix="mpc-bench-") as folder,
        _environment(MPC_CACHE_DIR=folder, ZIG_GLOBAL_CACHE_DIR=zig),
    ):
        yield


@contextlib.contextmanager
def _environment(**changes: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
