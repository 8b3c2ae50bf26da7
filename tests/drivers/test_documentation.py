"""The files in docs/drivers.md, and those at the top of each driver's options, are files that the drivers take."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from mpc_controller.drivers import DRIVERS, load_driver
from mpc_controller.toml_table import TomlError
from robots import load_robot
from tests.drivers.robots import joints
from tests.launch.command import ROOT, run_here

ROBOTS = {
    "dynamixel": lambda: load_robot("arm"),
    "mavlink": lambda: load_robot("quadrotor"),
    "ur": lambda: joints(6, "rad/s", 125.0),
}
PAGE = (ROOT / "docs" / "drivers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", DRIVERS)
def test_the_files_on_the_page_are_sound(tmp_path: Path, kind: str) -> None:
    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if f'kind = "{kind}"' in block)
    (tmp_path / "driver.toml").write_text(text)
    assert callable(load_driver(tmp_path / "driver.toml", ROBOTS[kind]()))


@pytest.mark.parametrize("kind", DRIVERS)
def test_the_keys_on_the_page_are_those_at_the_top_of_the_file(kind: str) -> None:
    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if f'kind = "{kind}"' in block)
    top = importlib.import_module(f"mpc_controller.drivers.{kind}_options").__doc__ or ""
    named = [re.findall(r"^(\w+) = ", part, re.MULTILINE) for part in (text, top)]
    assert named[0] == named[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no 'driver'; it must be a table with kind = one of dynamixel, mavlink, ur"),
        ("[driver]\n", "no 'driver.kind'; it must be one of dynamixel, mavlink, ur"),
        ('[driver]\nkind = "dynamixl"\n', r"'driver.kind' is 'dynamixl'; it must be one of .* \(did you mean 'dynamixel'\?\)"),
        (
            '[driver]\nkind = "ur"\nhost = "x"\nmode = "speedj"\nwatchdog = 5\n',
            "unknown key 'driver.watchdog' .*did you mean 'watchdog_hz'",
        ),
        ('[driver]\nkind = "ur"\nhost = "x"\nmode = "speedj"\n[drive]\n', "unknown key 'drive'"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "driver.toml").write_text(text)
    with pytest.raises(TomlError, match=message):
        load_driver(tmp_path / "driver.toml", ROBOTS["ur"]())


def test_mpc_drive_says_what_is_wrong_and_opens_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ur.toml").write_text('[driver]\nkind = "ur"\nhost = "127.0.0.1"\nmode = "speedj"\n')
    result = run_here("drive", "arm", "ur.toml", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path, capsys=capsys)
    assert result.returncode == 2
    assert result.stderr == (
        "error: 'arm' measures 7 angles, 7 rates and 0 others; "
        "6 joints give 6 angles [rad], and as many rates [rad/s] or none\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["ur.toml"]
