"""`mpc` as a real process, and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.cli import main

ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """This process's environment, with the package importable from anywhere."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def start(*arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """`mpc ARGUMENTS`, running."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "launch.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(),
    )


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`mpc ARGUMENTS` to its end."""
    process = start(*arguments, cwd=cwd)
    stdout, stderr = process.communicate(timeout=280)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def run_here(*arguments: str, cwd: Path, capsys: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """`mpc ARGUMENTS` in this process, to its exit: the same words and code without two seconds of imports."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["mpc", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    said = capsys.readouterr()
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err)
