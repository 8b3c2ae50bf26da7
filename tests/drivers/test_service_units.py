"""The unit files do what the pages say of them: as they are written, a plant waits for an operator, and is left to people."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drivers.processes import PATIENCE_S, wait_for
from tests.drivers.ur_emulator import PLAYING, STOPPED, UrEmulator
from tests.launch.command import ROOT, environment

UNITS = sorted((ROOT / "launch" / "systemd").glob("*.service"))
PLANT = ROOT / "launch" / "systemd" / "mpc-plant@.service"


def value(unit: Path, key: str) -> str:
    (found,) = re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_pages_that_a_unit_file_names_are_there(unit: Path) -> None:
    named = re.findall(r"\b(docs/\S+?\.md)", unit.read_text(encoding="utf-8"))
    assert named
    assert [page for page in named if not (ROOT / page).is_file()] == []


def test_a_plant_as_a_service_waits_for_an_operator_and_is_not_restarted_after_a_stop_at_the_pendant(tmp_path: Path) -> None:
    with UrEmulator() as arm:
        ports = f"port = {arm.port}\nscript_port = {arm.script_port}"
        text = (
            f'kind = "ur"\nhost = "127.0.0.1"\nmode = "speedj"\nstale_after_s = 10\nwatchdog_hz = 1\nlost_after_s = 30\n{ports}'
        )
        (tmp_path / "six.toml").write_text(f"[driver]\n{text}\n")
        line = value(PLANT, "ExecStart").replace("/etc/mpc", str(tmp_path)).replace("%i", "six")
        start, end = "/usr/bin/env mpc ", " $PLANT_OPTIONS"
        assert line.startswith(start)
        assert line.endswith(end)
        arguments = shlex.split(line[len(start) : -len(end)])
        command = [
            sys.executable,
            "-m",
            "tests.drivers.six",
            *arguments,
            "--endpoint",
            f"ipc://{tmp_path}/bus",
            "--priority",
            "0",
        ]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as drive:
            try:
                assert drive.stdout is not None
                assert drive.stderr is not None
                assert drive.stdout.readline().endswith("; it waits for `mpc arm joints`\n")
                wait_for(lambda: arm.runtime_state == PLAYING)
                with arm.lock:
                    arm.runtime_state = STOPPED  # as a person does at the pendant
                code = drive.wait(PATIENCE_S)
                assert "someone stopped it at the pendant" in drive.stderr.read()
            finally:
                drive.kill()
    assert str(code) in value(PLANT, "RestartPreventExitStatus").split()
