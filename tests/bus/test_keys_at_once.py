"""A folder of keys that several change and read at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from mpc_controller.bus.keys import KeyFolder, Role


def test_keys_that_are_added_and_revoked_at_the_same_time_are_all_as_they_were_left(tmp_path: Path):
    """Threads of one process wait for each other as processes do: the lock belongs to each opening of the folder."""
    folder = tmp_path / "keys"
    keys = KeyFolder.create(folder)
    for k in range(8):
        keys.add(f"old{k}", Role.OPERATOR)

    def act(k: int) -> None:
        own = KeyFolder(folder)
        own.add(f"new{k}", Role.OBSERVER)
        own.revoke(f"old{k}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    assert sorted(peer.name for peer in keys.authorized()) == [f"new{k}" for k in range(8)]


def test_threads_that_ask_while_keys_change_see_the_folder_as_it_is_or_was(tmp_path: Path):
    keys = KeyFolder.create(tmp_path / "keys")
    key = keys.add("always", Role.OPERATOR)
    assert key is not None
    public, is_over = key.pair.public, Event()

    def ask() -> int:
        asked = 0
        while not is_over.is_set():
            holder = keys.holder(public)
            assert holder is not None
            assert holder.name == "always"
            asked += 1
        return asked

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        for k in range(50):
            keys.add(f"guest{k % 2}", Role.OBSERVER)
            keys.revoke(f"guest{k % 2}")
        is_over.set()
        assert min(a.result() for a in asking) > 0
