"""Who may say what on a robot's bus beyond its machine: CURVE key pairs, and roles by key.

The plant's folder of keys (`mpc keys init`) holds

    plant.key         the plant's own pair; the folder's owner alone may read it
    authorized.toml   name, role, public key and date of everyone else who may come

and each of those has a file NAME.key of their own: their pair, and the plant's public key, by which they know it.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, final

import zmq

from mpc_controller.bus.frame import Kind
from mpc_controller.toml_table import TomlTable
from mpc_controller.whole_file import write_whole

_PLANT_KEY: Final = "plant.key"
_AUTHORIZED: Final = "authorized.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_Z85 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeysError(ValueError):
    """Keys that are missing, unsafe or not sound; one sentence."""


@final
class Role(StrEnum):
    """What a key is for. A plant's own key has none of these."""

    CONTROLLER = "controller"
    OPERATOR = "operator"
    OBSERVER = "observer"


# What each may send to the plant. A controller repeats what operators said before it started anew, and may stop the robot, but
# not release it (bus/guard.py) nor arm it.
MAY_SAY: Final[Mapping[Role, frozenset[Kind]]] = {
    Role.CONTROLLER: frozenset({Kind.PLAN, Kind.REFERENCE, Kind.PARAMETER_UPDATE, Kind.EVENT, Kind.E_STOP}),
    Role.OPERATOR: frozenset({Kind.REFERENCE, Kind.PARAMETER_UPDATE, Kind.EVENT, Kind.E_STOP, Kind.ARM}),
    Role.OBSERVER: frozenset(),
}


def may_release(role: Role) -> bool:
    """Whether it may release a robot that was stopped."""
    return role is Role.OPERATOR


@final
@dataclass(frozen=True)
class KeyPair:
    """In Z85 text, 40 characters each."""

    public: str
    secret: str

    @staticmethod
    def new() -> KeyPair:
        public, secret = zmq.curve_keypair()
        return KeyPair(public.decode("ascii"), secret.decode("ascii"))


@final
@dataclass(frozen=True)
class PeerKey:
    """What someone else than the plant connects with."""

    name: str
    role: Role
    pair: KeyPair
    plant_public: str

    @staticmethod
    def load(path: Path) -> PeerKey:
        """From NAME.key. Raises KeysError or TomlError."""
        _check_private(path)
        table = TomlTable.read(path)
        name, role = table.required_text("name"), Role(table.required_text("role", tuple(Role)))
        pair = KeyPair(_key_of(table, "public"), _key_of(table, "secret"))
        key = PeerKey(name, role, pair, _key_of(table, "plant_public"))
        table.finish()
        return key

    def save(self, path: Path) -> None:
        """For its owner alone to read. Raises KeysError where a file is."""
        text = f'name = "{self.name}"\nrole = "{self.role}"\npublic = "{self.pair.public}"\nsecret = "{self.pair.secret}"\n'
        _write_new(path, text + f'plant_public = "{self.plant_public}"\n')


@final
@dataclass(frozen=True)
class Authorized:
    """One line of authorized.toml. added: the date, YYYY-MM-DD."""

    name: str
    role: Role
    public: str
    added: str


@final
class KeyFolder:
    """The plant's folder of keys. What changes in authorized.toml counts from the next message on."""

    def __init__(self, folder: Path) -> None:
        """Raises KeysError or TomlError."""
        self.folder = folder
        path = folder / _PLANT_KEY
        if not path.exists():
            raise KeysError(f"{folder} holds no keys of a plant; `mpc keys init --keys {folder}` makes some")
        _check_private(path)
        table = TomlTable.read(path)
        self.pair = KeyPair(_key_of(table, "public"), _key_of(table, "secret"))
        table.finish()
        # What the file was like before it was read, and what was in it: one tuple, as two threads ask for holders, and no lock,
        # for which a tick would wait. Of two that read at a time one may leave what is older; its stamp then differs.
        self._known: tuple[tuple[int, ...], dict[str, Authorized]] = ((), {})
        self.authorized()

    @staticmethod
    def create(folder: Path) -> KeyFolder:
        """A new pair, and nobody authorized. Raises KeysError where there are keys already, OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        pair = KeyPair.new()
        _write_new(folder / _PLANT_KEY, f'public = "{pair.public}"\nsecret = "{pair.secret}"\n')
        write_whole(folder / _AUTHORIZED, "", mode=0o600)
        return KeyFolder(folder)

    def authorized(self) -> tuple[Authorized, ...]:
        """Everyone, in the order of the file. Raises TomlError."""
        top = TomlTable.read(self.folder / _AUTHORIZED)
        peers = []
        for name in top.names():
            table = top.table(name)
            role, public = Role(table.required_text("role", tuple(Role))), _key_of(table, "public")
            peers.append(Authorized(name, role, public, table.required_text("added")))
            table.finish()
        top.finish()
        return tuple(peers)

    def add(self, name: str, role: Role, public: str | None = None) -> PeerKey | None:
        """Authorize a key: `public`, or a new pair, which is given back to be saved. Raises KeysError, TomlError, OSError."""
        if not _NAME.fullmatch(name):
            raise KeysError(f"'{name}' is no name of a key; it may have letters, digits, '_', '-' and '.', 64 at most")
        if public is not None and not _Z85.fullmatch(public):
            raise KeysError(f"'{public}' is no public key; it has 40 characters of Z85, as `mpc keys list` shows them")
        pair = None if public is not None else KeyPair.new()
        known = public or (pair.public if pair else "")
        today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        with self._alone():
            before = self.authorized()
            if any(peer.name == name for peer in before):
                raise KeysError(f"there is a key '{name}' already; revoke it first, or take another name")
            if twin := next((peer.name for peer in before if peer.public == known), None):
                raise KeysError(f"this public key is authorized already, as '{twin}'")
            self._write((*before, Authorized(name, role, known, today)))
        return None if pair is None else PeerKey(name, role, pair, self.pair.public)

    def revoke(self, name: str) -> None:
        """From now on the key's holder is nobody. Raises KeysError when there is none, TomlError, OSError."""
        with self._alone():
            before = self.authorized()
            if all(peer.name != name for peer in before):
                names = ", ".join(peer.name for peer in before) or "nobody"
                raise KeysError(f"there is no key '{name}'; authorized are: {names}")
            self._write(tuple(peer for peer in before if peer.name != name))

    def holder(self, public: str) -> Authorized | None:
        """Who has this public key now; None for nobody. A file that cannot be read authorizes nobody."""
        try:
            status = (self.folder / _AUTHORIZED).stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            known = self._known
            if stamp != known[0]:
                self._known = known = (stamp, {peer.public: peer for peer in self.authorized()})
        except (ValueError, OSError):
            self._known = known = ((), {})
        return known[1].get(public)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process, or thread, at a time changes what the folder holds: else one writes back what another has revoked."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _write(self, peers: tuple[Authorized, ...]) -> None:
        blocks = [f'["{p.name}"]\nrole = "{p.role}"\npublic = "{p.public}"\nadded = "{p.added}"\n' for p in peers]
        write_whole(self.folder / _AUTHORIZED, "\n".join(blocks), mode=0o600)


Credentials = KeyFolder | PeerKey


def load_credentials(path: Path) -> Credentials:
    """A plant's folder, or a peer's file. Raises KeysError or TomlError."""
    return KeyFolder(path) if path.is_dir() else PeerKey.load(path)


def _key_of(table: TomlTable, name: str) -> str:
    value = table.required_text(name)
    if not _Z85.fullmatch(value):
        raise table.error(name, "must be a key of 40 characters of Z85")
    return value


def _check_private(path: Path) -> None:
    """A secret that others may read is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise KeysError(f"{path}: no such file; `mpc keys add` makes one") from None
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise KeysError(f"{path} may be read by others than you; chmod 600 it, or make new keys if others may have seen it")


def _write_new(path: Path, text: str) -> None:
    if path.exists():
        raise KeysError(f"{path} exists; keys are never replaced: remove it, or take another place")
    write_whole(path, text, mode=0o600)
