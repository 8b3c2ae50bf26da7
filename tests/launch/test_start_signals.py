"""A signal at any moment of a command's start: one line, exit code 0, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.signals import StopSignals
from launch.start_signals import has_come, interruptible, note
from tests.launch.command import ROOT, environment, start

# As `python -m launch.cli` would be, with a signal to itself in the middle of an import, raised there as something else.
_BROKEN_IMPORT = """
import os, runpy, signal, sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "launch.commands.robots":
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("initialization failed") from None
sys.meta_path.insert(0, Broken())
sys.argv = ["mpc", "robots"]
runpy.run_module("launch.cli", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay_s", [0.05, 0.3, 1.1])
def test_a_signal_while_a_launch_starts_is_one_line_and_no_failure(
    tmp_path: Path, number: signal.Signals, delay_s: float
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    (tmp_path / "run.toml").write_text('robot = "cartpole"\n')
    environment_of_it = environment() | {"TMPDIR": str(folder)}
    command = [sys.executable, "-P", "-m", "launch.cli", "launch", "run.toml", "--headless"]
    command += ["--endpoint", f"ipc://{tmp_path}/bus"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path, env=environment_of_it) as launcher:
        _wait_until_it_listens(launcher)
        time.sleep(delay_s)
        launcher.send_signal(number)
        stdout, stderr = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, (stdout, stderr)
    if stderr:
        assert (stdout, stderr) == ("", "interrupted\n")
    else:
        assert stdout.endswith("stopped before the first plan\n")
    assert not list(folder.iterdir())
    assert {path.name for path in tmp_path.iterdir()} <= {"temporary", "run.toml", "runs"}
    assert not list(tmp_path.rglob("*.mcap"))
    assert not _processes_that_name(str(tmp_path))


@pytest.mark.parametrize("command", ["control", "sim", "record", "status", "identify"])
def test_a_signal_among_the_imports_of_a_command_is_not_told_as_a_mistake(tmp_path: Path, command: str) -> None:
    process = start(command, "cartpole", *(["nothing.mcap"] if command == "identify" else []), cwd=tmp_path)
    _wait_until_it_listens(process)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (0, "", "interrupted\n")
    assert not list(tmp_path.iterdir())


def test_an_import_that_a_signal_breaks_is_an_interruption_and_no_mistake() -> None:
    done = subprocess.run([sys.executable, "-c", _BROKEN_IMPORT], capture_output=True, text=True, env=environment(), cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "interrupted\n")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGINT)
            assert not has_come()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_an_import_swallowed_stops_the_loop_that_asks_later() -> None:
    with interruptible():
        note()
        with StopSignals() as stop:
            assert stop.requested()
    with StopSignals() as stop:
        assert not stop.requested()


def _wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Until it catches SIGTERM, which Python by itself does not. Source: proc(5), SigCgt."""
    bit = 1 << (signal.SIGTERM - 1)
    while True:
        assert process.poll() is None
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if int(next(line for line in lines if line.startswith("SigCgt")).split()[1], 16) & bit:
            return
        time.sleep(0.002)


def _processes_that_name(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in (words := path.read_bytes().decode()):
                found.append(words)
        except OSError:
            continue  # it has just ended
    return found
