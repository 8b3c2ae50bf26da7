"""Whole runs whose processes die: started again by policy, they go on, and not for ever."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.command import start
from tests.launch.processes import children_of


class Run:
    """`mpc launch` of a cart and a pole, and what its log says."""

    def __init__(self, folder: Path, supervision: str, *, records: bool = False) -> None:
        (folder / "run.toml").write_text(
            f'robot = "cartpole"\nduration_s = 120\n[record]\nenabled = {str(records).lower()}\n'
            f'[supervision]\nlog = "log.jsonl"\n{supervision}\n'
        )
        self.log_path = folder / "log.jsonl"
        arguments = ("launch", "run.toml", "--headless", "--endpoint", f"ipc://{folder}/bus", "--json", "out.json")
        self.launcher = start(*arguments, cwd=folder)
        self._lines = self._said()

    def _said(self) -> Iterator[str]:
        assert self.launcher.stdout is not None
        yield from self.launcher.stdout

    def wait_for(self, words: str) -> None:
        """Until the launcher says them."""
        for line in self._lines:
            if words in line:
                return
        raise AssertionError(f"'{words}' was not said; {self.launcher.communicate()[1]}")

    def wait_for_plans_after_restart_of(self, process: str) -> None:
        """Until it was started twice, and the plant followed plans after that; on a busy machine it may hold before, too."""
        while True:
            self.wait_for("HOLD -> NOMINAL")
            started_s = [line["after_s"] for line in self.logged(process) if line["text"] == "started"]
            followed_s = [line["after_s"] for line in self.logged("sim") if line["text"].startswith("HOLD -> NOMINAL")]
            if len(started_s) == 2 and max(followed_s) > started_s[1]:
                break
        self.wait_for_restart_of(process)

    def wait_for_restart_of(self, process: str) -> None:
        """Until it was ready twice."""
        while _texts(self.logged(process)).count("ready") < 2:
            time.sleep(0.02)

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(children_of(self.launcher.pid)[name], number)

    def stop(self) -> tuple[int, str]:
        """As Ctrl-C does."""
        self.launcher.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """Exit code and stderr."""
        _, stderr = self.launcher.communicate(timeout=120)
        return self.launcher.returncode, stderr

    def logged(self, process: str) -> list[dict[str, Any]]:
        """Of one process."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return [line for line in lines if line["process"] == process]


def _texts(lines: list[dict[str, Any]]) -> list[str]:
    """The crew's own words."""
    words = ("started", "ready", "died", "stopped", "hangs: its loop does not turn; killed")
    return [line["text"] for line in lines if line["text"] in words]


def _summary(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out.json").read_text()))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working folder; afterwards no socket is left in it."""
    yield tmp_path
    assert not list(tmp_path.glob("bus.*"))


def test_a_controller_and_a_recorder_that_are_killed_are_started_again_and_the_robot_goes_on(folder: Path) -> None:
    run = Run(folder, 'restart = "on-failure"', records=True)
    run.wait_for("HOLD -> NOMINAL")
    run.signal("record", signal.SIGKILL)
    run.signal("control", signal.SIGKILL)
    run.wait_for_plans_after_restart_of("control")
    run.wait_for_restart_of("record")
    code, stderr = run.stop()
    assert code == 0, stderr
    assert "control died (killed by SIGKILL); restart 1 of at most 5 in 60 s, in 0.1 s" in stderr
    assert _texts(run.logged("control")) == ["started", "ready", "died", "started", "ready", "stopped"]
    died = next(line for line in run.logged("control") if line["text"] == "died")
    assert (died["level"], died["details"]["exit_code"], died["details"]["how"]) == ("error", -9, "killed by SIGKILL")
    summary = _summary(folder)
    assert summary["restarts"] == {"control": 1, "record": 1}
    assert len(summary["recordings"]) == 2
    assert summary["recordings"][1].endswith("-2.mcap")
    assert all((folder / name).exists() for name in summary["recordings"])


@pytest.mark.slow
def test_a_controller_that_dies_again_ends_the_run_when_the_policy_has_had_enough(folder: Path) -> None:
    run = Run(folder, 'restart = "never"\n[supervision.control]\nrestart = "on-failure"\nmost = 1\nbackoff_s = 0')
    run.wait_for("HOLD -> NOMINAL")
    run.signal("control", signal.SIGKILL)
    run.wait_for_plans_after_restart_of("control")
    run.signal("control", signal.SIGKILL)
    code, stderr = run.end()
    assert code == 1
    last = "error: control ended during the run (killed by SIGKILL), having been started again 1×"
    assert stderr.splitlines()[-1] == last
    ended = run.logged("launch")[-1]
    assert (ended["text"], ended["details"]["restarts"]) == ("ended", {"control": 1})


def test_a_controller_that_hangs_is_killed_and_started_again(folder: Path) -> None:
    run = Run(folder, 'restart = "on-failure"\nhung_s = 1.5')
    run.wait_for("HOLD -> NOMINAL")
    run.signal("control", signal.SIGSTOP)
    run.wait_for_plans_after_restart_of("control")
    code, stderr = run.stop()
    assert code == 0, stderr
    hang = "hangs: its loop does not turn; killed"
    assert _texts(run.logged("control")) == ["started", "ready", hang, "died", "started", "ready", "stopped"]
    assert _texts(run.logged("sim")) == ["started", "ready", "stopped"]


@pytest.mark.slow
def test_a_plant_that_is_killed_is_started_again_for_the_rest_of_the_time(folder: Path) -> None:
    run = Run(folder, 'restart = "on-failure"')
    run.wait_for("HOLD -> NOMINAL")
    run.signal("sim", signal.SIGKILL)
    run.wait_for_plans_after_restart_of("sim")
    code, stderr = run.stop()
    assert code == 0, stderr
    starts = [line for line in run.logged("sim") if line["text"] == "started"]
    first, second = (line["details"]["arguments"] for line in starts)
    assert float(first[first.index("--duration") + 1]) == 120.0
    rest_s = float(second[second.index("--duration") + 1])
    assert rest_s == pytest.approx(120.0 - (starts[1]["after_s"] - starts[0]["after_s"]), abs=0.2)
    assert _texts(run.logged("control")) == ["started", "ready", "stopped"]
