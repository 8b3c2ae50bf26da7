"""`mpc doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, final

import numpy as np

from launch.bounds import DEFAULT_PRIORITY
from launch.errors import ExitCode
from launch.memory_lock import may_lock_memory
from launch.output import check_json_path, speaker, write_json
from mpc_controller.bus.endpoints import BusError, default_address
from mpc_controller.native.build import Source, build_library
from mpc_controller.native.cache import cache_folder
from mpc_controller.native.compiler import CompilerError, find_compiler
from mpc_controller.node.realtime import real_time

_PACKAGES = ("casadi", "mujoco", "pin", "numpy", "pyzmq", "protobuf", "mcap", "matplotlib", "click", "tomlkit")
_SLEEP_NS = 2_000_000  # a tick of the plant node
_SLEEPS = 1000
_LATE_US = 500.0  # a quarter of a tick
_LIMITS = "/etc/security/limits.d/realtime.conf"


@final
@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `advice` is '' where all is well."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""
    values: dict[str, float] = field(default_factory=dict)


def examine(json_path: str | None) -> ExitCode:
    """Make all checks, print and write them; ENVIRONMENT when one fails."""
    check_json_path(json_path)
    say = speaker(json_path)
    checks = []
    for check in _CHECKS:
        checks.append(result := check())
        say(f"[{result.status:^4}] {result.name}: {result.found}")
        if result.advice:
            say(f"       {result.advice}")
    is_ok = all(check.status != "fail" for check in checks)
    say(_verdict(checks))
    write_json(json_path, {"ok": is_ok, "checks": [asdict(check) for check in checks]})
    return ExitCode.OK if is_ok else ExitCode.ENVIRONMENT


def _verdict(checks: Sequence[Check]) -> str:
    """One line for those who read only one."""
    failed, warned = ([check.name for check in checks if check.status == status] for status in ("fail", "warn"))
    if failed:
        return f"not ready: {', '.join(failed)}"
    return "ready" + (f"; could be better: {', '.join(warned)}" if warned else "")


def _compiler() -> Check:
    """Found, and able to build a library that loads."""
    trial = Source("trial.c", "#include <math.h>\ndouble trial(double x) { return sin(x); }\n")
    try:
        compiler = find_compiler()
        build_library("the doctor's trial", "trial", lambda: [trial], lambda line: None)
    except CompilerError as error:
        what, _, details = str(error).partition("\n")
        return Check("compiler", "fail", what, details or "without a compiler no solver can be built")
    return Check("compiler", "ok", f"{' '.join(compiler.command)} ({compiler.version})")


def _python() -> Check:
    cores = len(os.sched_getaffinity(0))
    found = f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {cores} cores"
    if cores < 2:
        return Check("machine", "warn", found, "simulator and controller want a core each; expect late plans")
    return Check("machine", "ok", found)


def _packages() -> Check:
    versions, missing = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", "run `make install`, or `pip install .`")
    return Check("packages", "ok", ", ".join(versions))


def _real_time() -> Check:
    with real_time(DEFAULT_PRIORITY + 1) as problem:  # as the threads that move messages
        pass
    if problem:
        advice = f"for a real robot add `{_user()} - rtprio 98` to {_LIMITS} and log in again"
        return Check("real-time scheduling", "warn", "SCHED_FIFO is not permitted", advice)
    return Check("real-time scheduling", "ok", "SCHED_FIFO is permitted")


def _memory_locking() -> Check:
    if may_lock_memory():
        return Check("memory locking", "ok", "permitted")
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    advice = f"for a real robot add `{_user()} - memlock unlimited` to {_LIMITS} and log in again"
    return Check("memory locking", "warn", f"permitted for {limit / 2**20:.0f} MiB only", advice)


def _timers() -> Check:
    """How late this process wakes from sleeps of one plant tick, scheduled as a loop would be."""
    late_us = np.empty(_SLEEPS)
    with real_time(DEFAULT_PRIORITY) as problem:
        wake_ns = time.monotonic_ns()
        for i in range(_SLEEPS):
            wake_ns += _SLEEP_NS
            time.sleep(max(wake_ns - time.monotonic_ns(), 0) * 1e-9)
            late_us[i] = (time.monotonic_ns() - wake_ns) * 1e-3
            wake_ns = max(wake_ns, time.monotonic_ns() - _SLEEP_NS)
    p50, p99, largest = np.percentile(late_us, [50, 99, 100])
    found = (
        f"{_SLEEP_NS / 1e6:g} ms sleeps end late by {p50:.0f} µs (p50), {p99:.0f} µs (p99), {largest:.0f} µs (max), "
        f"{'without' if problem else 'with'} SCHED_FIFO"
    )
    values = {"p50_us": float(p50), "p99_us": float(p99), "max_us": float(largest)}
    if p99 <= _LATE_US:
        return Check("timers", "ok", found, values=values)
    advice = "the machine is busy or saves power: end other programs, set the CPU governor to performance"
    return Check("timers", "warn", found, advice + (", permit SCHED_FIFO" if problem else ""), values)


def _cache() -> Check:
    folder = cache_folder()
    files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
    size = sum(file.stat().st_size for file in files)
    found = f"{folder}: {len(files)} files, {size / 1e6:.1f} MB"
    values = {"bytes": float(size)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        advice = "solvers would be built at every start; set MPC_CACHE_DIR to a folder that you may write to"
        return Check("compile cache", "warn", f"{folder}: {error.strerror}", advice, values)
    return Check("compile cache", "ok", found, values=values)


def _endpoints() -> Check:
    try:
        address = default_address("ROBOT")
    except BusError as error:
        return Check("endpoints", "fail", str(error), "nothing can talk there")
    return Check("endpoints", "ok", address)


def _package_itself() -> Check:
    try:
        version = importlib.metadata.version("mpc_controller")
    except importlib.metadata.PackageNotFoundError:
        return Check("mpc_controller", "warn", f"not installed; running from {Path(__file__).parents[1]}", "run `make install`")
    return Check("mpc_controller", "ok", f"{version}, with {sys.executable}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "YOU"  # a container may run as a number without a name


_CHECKS: tuple[Callable[[], Check], ...] = (
    _package_itself,
    _python,
    _packages,
    _compiler,
    _cache,
    _real_time,
    _memory_locking,
    _timers,
    _endpoints,
)
