"""Where a plant's socket files may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpc_controller.bus.endpoints import BusError, Endpoints, default_address
from mpc_controller.bus.socket_files import SocketFiles


def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(BusError, match=f"there is no folder {tmp_path}/none; create it"):
        SocketFiles(Endpoints.of(f"ipc://{tmp_path}/none/bus"))
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_address(tmp_path: Path) -> None:
    (tmp_path / "bus").mkdir()
    with pytest.raises(BusError, match=f"ipc://{tmp_path}/bus is a folder; give a file's name within it"):
        SocketFiles(Endpoints.of(f"ipc://{tmp_path}/bus"))
    assert [path.name for path in tmp_path.iterdir()] == ["bus"]


def test_the_folder_of_default_addresses_is_made_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    files = SocketFiles(Endpoints.of(default_address("sled")))
    assert (tmp_path / "mpc_controller").stat().st_mode & 0o777 == 0o700
    files.remove()
    assert not list((tmp_path / "mpc_controller").iterdir())
