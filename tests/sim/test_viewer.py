"""The viewer where no window can open, and what it shows."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import EStop, Truth
from sim.viewer import has_display, newest_truth, view
from tests.sim.sliders import slider


class _Said(Link):
    def __init__(self, *messages):
        self._messages = messages

    def send(self, message):
        raise AssertionError("a viewer only listens")

    def receive(self, timeout_s):
        assert timeout_s == 0.0
        return self._messages

    def close(self):
        pass


def test_without_a_display_it_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not has_display()
    with pytest.raises(RuntimeError, match=r"no display: .* run without the viewer"):
        view(slider(tmp_path), _Said(), lambda: True)


def test_it_shows_the_newest_true_state_only():
    link = _Said(Truth(1, 10, np.array([1.0])), Truth(2, 20, np.array([2.0])), EStop(1))
    np.testing.assert_array_equal(newest_truth(link), [2.0])
    assert newest_truth(_Said(EStop(1))) is None
