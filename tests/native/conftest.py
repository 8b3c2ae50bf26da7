"""Every test of the native folder builds into a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, used by this test and the processes that it starts."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MPC_CACHE_DIR", str(folder))
    return folder
