"""The table of what happens after a process died."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.launch_file import load_launch_file
from launch.restarts import RestartPolicy
from launch.supervision_section import SupervisionSection
from mpc_controller.toml_table import TomlError


def _load(folder: Path, text: str) -> SupervisionSection:
    path = folder / "run.toml"
    path.write_text(f'robot = "cartpole"\n{text}\n')
    return load_launch_file(path).supervision


def test_without_the_table_a_death_ends_the_run(tmp_path: Path) -> None:
    section = _load(tmp_path, "")
    assert {section.policy(name) for name in ("sim", "control", "record", "adapt", "view")} == {RestartPolicy()}
    assert (section.hung_s, section.log) == (None, None)


def test_a_process_has_what_its_own_table_says_and_else_what_all_have(tmp_path: Path) -> None:
    section = _load(
        tmp_path,
        '[supervision]\nrestart = "on-failure"\nmost = 3\nhung_s = 2\nlog = "runs/log.jsonl"\n'
        '[supervision.sim]\nrestart = "never"\n[supervision.record]\nmost = 9\nwithin_s = 30\nbackoff_s = 0',
    )
    assert section.policy("control") == RestartPolicy(on_failure=True, most=3)
    assert section.policy("sim") == RestartPolicy(on_failure=False, most=3)
    assert section.policy("record") == RestartPolicy(on_failure=True, most=9, within_s=30.0, backoff_s=0.0)
    assert (section.hung_s, section.log) == (2.0, Path("runs/log.jsonl"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[supervision]\nrestart = "always"',
            r"'supervision.restart' is 'always'; it must be one of never, on-failure \(line 3\)",
        ),
        ("[supervision]\nmost = 0", r"'supervision.most' is 0; it must be an integer in \[1, 1000\] \(line 3\)"),
        ("[supervision]\nwithin_s = 0", r"'supervision.within_s' is 0; it must be a number in \[0.1, 86400\]"),
        ("[supervision]\nhung_s = 0.1", r"'supervision.hung_s' is 0.1; it must be a number in \[0.5, 3600\]"),
        ("[supervision]\nrestarts = 3", r"unknown key 'supervision.restarts' \(did you mean 'restart'\?\)"),
        ("[supervision.view]\nmost = 3", r"unknown key 'supervision.view'"),
        (
            "[supervision.sim]\nbackof_s = 3",
            r"unknown key 'supervision.sim.backof_s' \(did you mean 'backoff_s'\?\).*\(line 3\)",
        ),
        ('[supervision]\nlog = "."', r"'supervision.log' is '.'; it must be a file, or not exist yet; it is a folder"),
        ("[control]\ncpu = -1", r"'control.cpu' is -1; it must be an integer in \[0, \d+\] \(line 3\)"),
        ("[sim]\ncpu = 5000", r"'sim.cpu' is 5000; it must be an integer in \[0, \d+\] \(line 3\)"),
    ],
)
def test_a_wrong_table_is_refused_with_the_key_and_what_would_be_valid(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        _load(tmp_path, text)
