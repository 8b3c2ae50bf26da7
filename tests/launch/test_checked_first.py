"""What can be known before a command begins is told before it, in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from launch.commands.learn import check_training
from launch.commands.status import format_status
from launch.errors import CommandError, ExitCode
from mpc_controller.bus.messages import Mode
from mpc_controller.node.bus_status import BusListener, BusStatus, PlantStatus
from mpc_controller.node.statistics import Percentiles
from tests.launch.command import environment, run_here


def test_a_recording_into_a_file_that_exists_is_refused_before_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.mcap").write_text("mine")
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for output, reason in (
        ("run.mcap", "run.mcap exists; give another name"),
        ("folder", "folder is a folder; give the name of a file"),
        ("file/run.mcap", f"file/run.mcap cannot be written: {tmp_path}/file is no folder"),
    ):
        done = run_here(
            "record", "cartpole", "--endpoint", f"ipc://{tmp_path}/bus", "--output", output, cwd=tmp_path, capsys=capsys
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {reason}")
        assert done.stderr.count("\n") == 1
    assert (tmp_path / "run.mcap").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a window needs no variable")
def test_a_view_without_a_display_says_so_before_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    done = run_here("view", "quadrotor", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path, capsys=capsys)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: no display, so no window")
    assert "--headless" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "rate", "message"),
    [
        ('[driver]\nkind = "ur"\nhost = "10.0.0.2"\n', "125", "mode"),
        ('[driver]\nkind = "ur"\nhost = "10.0.0.2"\nmode = "speedj"\n', "nan", "'nan' is no rate in Hz"),
        ('[driver]\nkind = "ur"\nhost = "10.0.0.2"\nmode = "speedj"\n', None, "usage: "),
    ],
)
def test_a_robots_program_is_not_printed_from_a_wrong_file(tmp_path: Path, text: str, rate: str | None, message: str) -> None:
    (tmp_path / "ur.toml").write_text(text)
    command = [sys.executable, "-m", "mpc_controller.drivers.ur_program", "ur.toml", *([rate] if rate else [])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_packages_of_training_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(CommandError, match=r"learning needs jax .*mpc_controller\[learn\].*`make install-learn`") as caught:
        check_training()
    assert caught.value.code == ExitCode.ENVIRONMENT


def test_silence_on_a_bus_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard = BusListener().status(0, 500.0)
    lines = format_status(heard, None, "cartpole", "ipc:///run/bus", 2.0).splitlines()
    assert lines[2] == "nobody speaks at ipc:///run/bus within 2 s"


@pytest.mark.parametrize(("endpoint", "at"), [(None, ""), ("ipc:///run/bus", " --endpoint ipc:///run/bus")])
def test_hints_are_commands_for_this_robot_at_this_address(endpoint: str | None, at: str) -> None:
    none = Percentiles(0.0, 0.0, 0.0)
    for mode, hint in (
        (Mode.HOLD, f"`mpc arm quadrotor{at}`"),
        (Mode.E_STOP, f"`mpc estop quadrotor{at} --clear`"),
    ):
        plant = PlantStatus("quadrotor", mode, 500.0, 500.0, 0, 0.0, False, none, awaits_operator=True)
        heard = BusStatus(plant, (), {})
        assert hint in format_status(heard, None, "quadrotor", "ipc:///run/bus", 2.0, endpoint)
