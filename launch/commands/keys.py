"""`mpc keys`: makes, lists and revokes keys."""

from __future__ import annotations

import os
from pathlib import Path

from launch.errors import ExitCode
from mpc_controller.bus.keys import KeyFolder, KeysError, Role
from mpc_controller.whole_file import objection


def default_folder() -> Path:
    """Of the user's configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mpc_controller" / "keys"


def init(folder: Path | None) -> ExitCode:
    """Raises KeysError, OSError."""
    made = KeyFolder.create(folder or default_folder())
    print(f"keys of the plant: {made.folder}")
    print(f"its public key is  {made.pair.public}")
    print(f"now authorize others: mpc keys add NAME --role controller{_told(folder)}")
    return ExitCode.OK


def add(folder: Path | None, name: str, role: str, public: str | None, output: Path | None) -> ExitCode:
    """The file is there, or nobody is authorized. Raises KeysError, TomlError, OSError."""
    keys = KeyFolder(folder or default_folder())
    path = output or Path(f"{name}.key")
    if public is None and (reason := objection(path, force=False)):
        raise KeysError(reason.removesuffix(", or --force to replace it"))
    key = keys.add(name, Role(role), public)
    if key is not None:
        try:
            key.save(path)
        except BaseException:
            keys.revoke(name)
            raise
        print(f"{name} is authorized as {role}; its secret is in {path}: carry it there over a safe way, and keep no copy")
    else:
        print(f"{name} is authorized as {role}; it needs the plant's public key: {keys.pair.public}")
    return ExitCode.OK


def list_keys(folder: Path | None) -> ExitCode:
    """Raises KeysError, TomlError."""
    keys = KeyFolder(folder or default_folder())
    print(f"plant       {'':20} {keys.pair.public}")
    for peer in keys.authorized():
        print(f"{peer.role:<11} {peer.name:20} {peer.public}  since {peer.added}")
    return ExitCode.OK


def revoke(folder: Path | None, name: str) -> ExitCode:
    """Raises KeysError, TomlError, OSError."""
    keys = KeyFolder(folder or default_folder())
    keys.revoke(name)
    print(f"{name} is authorized no more")
    return ExitCode.OK


def _told(folder: Path | None) -> str:
    return "" if folder is None else f" --keys {folder}"
