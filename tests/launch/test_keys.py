from __future__ import annotations

from pathlib import Path

import pytest

from mpc_controller.bus.keys import KeyFolder, PeerKey, Role
from tests.launch.command import run_here


@pytest.fixture(autouse=True)
def no_keys_of_mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPC_KEYS", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_keys_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def mpc(*words: str) -> tuple[int, str, str]:
        done = run_here("keys", *words, cwd=tmp_path, capsys=capsys)
        return done.returncode, done.stdout, done.stderr

    code, said, _ = mpc("init")
    folder = tmp_path / "config" / "mpc_controller" / "keys"
    assert (code, KeyFolder(folder).pair.public in said) == (0, True)
    code, said, _ = mpc("add", "laptop", "--role", "controller")
    assert (code, "its secret is in laptop.key" in said) == (0, True)
    key = PeerKey.load(tmp_path / "laptop.key")
    assert (key.role, key.plant_public) == (Role.CONTROLLER, KeyFolder(folder).pair.public)
    code, said, _ = mpc("list")
    assert [line.split()[:2] for line in said.splitlines()][1] == ["controller", "laptop"]
    assert key.pair.public in said
    assert key.pair.secret not in said
    assert mpc("revoke", "laptop")[0] == 0
    assert KeyFolder(folder).authorized() == ()


def test_a_key_whose_file_cannot_be_written_is_not_authorized(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    KeyFolder.create(tmp_path / "keys")
    (tmp_path / "laptop.key").write_text("precious")
    done = run_here("keys", "add", "laptop", "--role", "observer", "--keys", "keys", cwd=tmp_path, capsys=capsys)
    assert (done.returncode, done.stderr) == (2, "error: laptop.key exists; give another name\n")
    assert KeyFolder(tmp_path / "keys").authorized() == ()
    assert (tmp_path / "laptop.key").read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("estop", "cartpole", "--endpoint", "tcp://10.0.0.1:5555"), "are allowed without keys; `mpc keys init` makes some"),
        (("estop", "cartpole", "--keys", "none.key"), "none.key: no such file; `mpc keys add` makes one"),
        (("estop", "cartpole", "--keys", "keys"), "all others need a file of their own, which `mpc keys add` makes"),
        (("keys", "list", "--keys", "empty"), "empty holds no keys of a plant; `mpc keys init --keys empty` makes some"),
    ],
)
def test_keys_that_do_not_fit_are_told_in_a_sentence(
    words: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    KeyFolder.create(tmp_path / "keys")
    (tmp_path / "empty").mkdir()
    done = run_here(*words, cwd=tmp_path, capsys=capsys)
    assert done.returncode in (2, 3)
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr


@pytest.mark.parametrize(
    ("words", "role", "needed"),
    [
        (("estop", "cartpole"), Role.OBSERVER, "controller or operator"),
        (("estop", "cartpole", "--clear"), Role.CONTROLLER, "operator"),
        (("arm", "cartpole"), Role.CONTROLLER, "operator"),
        (("control", "cartpole"), Role.OPERATOR, "controller"),
        (("adapt", "cartpole"), Role.OBSERVER, "controller or operator"),
    ],
)
def test_what_the_role_of_a_key_may_not_say_is_not_tried(
    words: tuple[str, ...], role: Role, needed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    key = KeyFolder.create(tmp_path / "keys").add("mine", role)
    assert key is not None
    key.save(tmp_path / "mine.key")
    done = run_here(*words, "--keys", "mine.key", "--endpoint", "tcp://192.0.2.1:5555", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 2
    assert done.stderr == f"error: the key 'mine' has the role {role}; this needs the role {needed}\n"
