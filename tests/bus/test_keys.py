"""Keys, and who may say what with them, over real sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from mpc_controller.bus.codec import encode
from mpc_controller.bus.endpoints import BusError, Endpoints
from mpc_controller.bus.keys import KeyFolder, KeyPair, KeysError, PeerKey, Role, load_credentials
from mpc_controller.bus.messages import Arm, EStop, Message, Reference
from mpc_controller.bus.zmq_link import PeerLink, PlantLink
from mpc_controller.toml_table import TomlError
from tests.bus.conftest import free_tcp_address, gather, meet, wait_until
from tests.bus.examples import OBSERVATION, PLAN


class Secured:
    """A plant with keys, and peers that come with theirs."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.folder = KeyFolder.create(folder)
        self.address = free_tcp_address()
        self.plant = self._stack.enter_context(PlantLink(Endpoints.of(self.address, self.folder)))

    def key(self, name: str, role: Role) -> PeerKey:
        key = self.folder.add(name, role)
        assert key is not None
        return key

    def peer(self, key: PeerKey | None) -> PeerLink:
        return self._stack.enter_context(PeerLink(Endpoints.of(self.address, key), newest_only=()))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    bus = Secured(tmp_path / "keys")
    yield bus
    bus.close()


def said(secured: Secured, peer: PeerLink, messages: list[Message]) -> list[Message]:
    """What the plant takes of it, once it has refused or taken all."""
    before = secured.plant.counts.received
    for message in messages:
        peer.send(message)
    taken: list[Message] = []

    def is_over() -> bool:
        taken.extend(secured.plant.receive(0.01))
        return secured.plant.counts.received - before >= len(messages)

    wait_until(is_over)
    return taken


def test_an_operator_and_a_controller_are_heard_and_hear(secured: Secured):
    operator = secured.peer(secured.key("desk", Role.OPERATOR))
    meet(secured.plant, operator)
    controller = secured.peer(secured.key("laptop", Role.CONTROLLER))
    meet(secured.plant, controller)
    secured.plant.send(OBSERVATION)
    for peer in (operator, controller):
        assert gather(peer.receive, lambda so_far: bool(so_far))
    assert len(said(secured, controller, [PLAN])) == 1
    assert len(said(secured, operator, [EStop(1), EStop(2, clear=True)])) == 2


def test_roles_decide_what_is_heard(secured: Secured):
    operator, controller = (secured.peer(secured.key(r.value, r)) for r in (Role.OPERATOR, Role.CONTROLLER))
    for peer in (operator, controller):
        meet(secured.plant, peer)
    assert said(secured, operator, [PLAN]) == []
    assert secured.plant.counts.last_error == "PLAN from 'operator', whose role is operator; it may not say that"
    assert said(secured, controller, [EStop(5)]) == [EStop(5)]
    assert said(secured, controller, [EStop(6, clear=True)]) == []
    assert secured.plant.counts.last_error == "'controller' would release the robot; operators alone may"
    assert secured.plant.counts.reasons["role"] == 2
    assert said(secured, operator, [Arm("cartpole", 1, 0)]) == [Arm("cartpole", 1, 0)]
    assert said(secured, controller, [Arm("cartpole", 1, 0)]) == []
    assert secured.plant.counts.last_error == "ARM from 'controller', whose role is controller; it may not say that"


def test_an_observer_hears_all_and_commands_nothing(secured: Secured):
    observer = secured.peer(secured.key("wall", Role.OBSERVER))
    secured.plant.send(OBSERVATION)

    def is_heard() -> bool:
        secured.plant.receive(0.0)
        secured.plant.send(OBSERVATION)
        return bool(observer.receive(0.01))

    wait_until(is_heard)

    def is_refused() -> bool:
        """What is said before its other socket is connected is lost."""
        observer.send(EStop(1))
        return secured.plant.receive(0.01) == [] and secured.plant.counts.reasons["role"] > 0

    wait_until(is_refused)
    commands: list[Message] = [
        PLAN,
        EStop(1),
        EStop(2, clear=True),
        Reference(1, 0, OBSERVATION.measured),
        Arm("cartpole", 1, 0),
    ]
    assert said(secured, observer, commands * 50) == []
    assert secured.plant.counts.reasons["role"] == secured.plant.counts.received > 250


@pytest.mark.parametrize("stranger", ["no key", "unknown key", "other plant's key"])
def test_strangers_hear_nothing_and_are_not_heard(secured: Secured, stranger: str, tmp_path: Path):
    known = secured.key("laptop", Role.CONTROLLER)
    given = {
        "no key": None,
        "unknown key": replace(known, pair=KeyPair.new()),
        "other plant's key": replace(known, plant_public=KeyPair.new().public),
    }[stranger]
    outsider = secured.peer(given)
    friend = secured.peer(known)
    meet(secured.plant, friend)
    before = secured.plant.counts.received
    for k in range(200):
        outsider.send(EStop(k))
        secured.plant.send(OBSERVATION)
        assert secured.plant.receive(0.002) == []
        assert outsider.receive(0.0) == []
    assert secured.plant.counts.received == before
    assert said(secured, friend, [EStop(1)]) == [EStop(1)]


def test_a_revoked_key_is_not_heard_from_the_next_message_on(secured: Secured):
    operator = secured.peer(secured.key("desk", Role.OPERATOR))
    meet(secured.plant, operator)
    assert said(secured, operator, [EStop(7)]) == [EStop(7)]
    secured.folder.revoke("desk")
    assert said(secured, operator, [EStop(8)]) == []
    assert "not authorized any more" in secured.plant.counts.last_error


def test_frames_of_one_connection_replayed_in_another_are_noise(secured: Secured):
    """CURVE boxes are numbered and belong to their connection's keys: bytes seen on the wire mean nothing to another one."""
    friend = secured.peer(secured.key("laptop", Role.CONTROLLER))
    meet(secured.plant, friend)
    context = zmq.Context()
    try:
        raw = context.socket(zmq.STREAM)
        raw.connect(Endpoints.of(secured.address).inbox)
        identity = raw.recv()
        raw.recv()
        for _ in range(100):
            raw.send(identity, zmq.SNDMORE)
            raw.send(b"\x04\x80\x07MESSAGE" + bytes(8) + encode(PLAN))
        for _ in range(50):
            assert secured.plant.receive(0.002) == []
    finally:
        context.destroy(linger=0)
    assert said(secured, friend, [EStop(1)]) == [EStop(1)]


def test_beyond_this_machine_nothing_is_bound_without_keys(tmp_path: Path):
    keys = KeyFolder.create(tmp_path / "keys")
    for address in ("tcp://0.0.0.0:5555", "tcp://192.168.1.5:5555", "tcp://robot.lan:5555"):
        with pytest.raises(BusError, match=r"only loopback addresses .* are allowed without keys"):
            Endpoints.of(address)
        assert Endpoints.of(address, keys).inbox.endswith(":5556")
    with pytest.raises(BusError, match="no IPv4 address and no name"):
        Endpoints.of("tcp://-x;y:5555", keys)


def test_a_plant_takes_a_folder_and_everyone_else_a_file(tmp_path: Path):
    keys = KeyFolder.create(tmp_path / "keys")
    key, address = keys.add("laptop", Role.CONTROLLER), free_tcp_address()
    with pytest.raises(BusError, match="a plant needs its folder of keys"):
        PlantLink(Endpoints.of(address, key))
    with pytest.raises(BusError, match="all others need a file of their own"):
        PeerLink(Endpoints.of(address, keys))


def test_files_come_back_as_they_were_and_are_for_their_owner_alone(tmp_path: Path):
    keys = KeyFolder.create(tmp_path / "keys")
    key = keys.add("laptop", Role.CONTROLLER)
    assert key is not None
    key.save(tmp_path / "laptop.key")
    assert load_credentials(tmp_path / "laptop.key") == key
    again = load_credentials(tmp_path / "keys")
    assert isinstance(again, KeyFolder)
    assert again.pair == keys.pair
    assert [(p.name, p.role, p.public) for p in again.authorized()] == [("laptop", Role.CONTROLLER, key.pair.public)]
    for path in (tmp_path / "laptop.key", tmp_path / "keys" / "plant.key", tmp_path / "keys" / "authorized.toml"):
        assert path.stat().st_mode & 0o077 == 0
    os.chmod(tmp_path / "laptop.key", 0o644)
    with pytest.raises(KeysError, match=r"laptop.key may be read by others than you; chmod 600"):
        load_credentials(tmp_path / "laptop.key")


def test_what_is_wrong_with_keys_is_said_in_a_sentence(tmp_path: Path):
    with pytest.raises(KeysError, match="holds no keys of a plant; `mpc keys init"):
        KeyFolder(tmp_path)
    keys = KeyFolder.create(tmp_path / "keys")
    keys.add("laptop", Role.CONTROLLER)
    for act, message in (
        (lambda: KeyFolder.create(tmp_path / "keys"), "keys are never replaced"),
        (lambda: keys.add("laptop", Role.OBSERVER), "there is a key 'laptop' already"),
        (lambda: keys.add("a b", Role.OBSERVER), "'a b' is no name of a key"),
        (lambda: keys.add("desk", Role.OBSERVER, "short"), "'short' is no public key"),
        (lambda: keys.add("twin", Role.OBSERVER, keys.authorized()[0].public), "authorized already, as 'laptop'"),
        (lambda: keys.revoke("nobody"), "there is no key 'nobody'; authorized are: laptop"),
    ):
        with pytest.raises(KeysError, match=message):
            act()
    path = tmp_path / "keys" / "authorized.toml"
    sound = path.read_text()
    path.write_text(sound.replace("controller", "root"))
    with pytest.raises(TomlError, match=r"'laptop\.role' is 'root'; it must be one of controller, operator, observer"):
        KeyFolder(tmp_path / "keys")


def test_a_file_that_cannot_be_read_authorizes_nobody(secured: Secured):
    key = secured.key("laptop", Role.CONTROLLER)
    assert secured.folder.holder(key.pair.public) is not None
    (secured.folder.folder / "authorized.toml").write_text("not toml")
    assert secured.folder.holder(key.pair.public) is None
