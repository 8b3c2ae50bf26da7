"""A window on a running simulation: a peer on the bus, in its own process, so that it can't slow the loop."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from mpc_controller.arrays import Array
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Truth
from mpc_controller.robot import Robot
from sim.mjcf import MjcfState, load_mjcf

_FRAME_S = 1 / 60


def has_display() -> bool:
    """Whether a window can open here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def view(robot: Robot, link: Link, stop: Callable[[], bool]) -> None:
    """Show the newest true state until the window is closed or `stop()`. RuntimeError without a display."""
    if not has_display():
        raise RuntimeError("no display: DISPLAY and WAYLAND_DISPLAY are not set; run without the viewer (--headless)")
    import mujoco.viewer  # opens OpenGL libraries, which a machine without a display may not have

    model = load_mjcf(robot)
    data = mujoco.MjData(model)
    state = MjcfState(robot, model, data)
    with mujoco.viewer.launch_passive(model, data, show_left_ui=False, show_right_ui=False) as window:
        while window.is_running() and not stop():
            began_s = time.monotonic()
            newest = newest_truth(link)
            if newest is not None:
                with window.lock():
                    state.write(newest)
                    mujoco.mj_forward(model, data)
                window.sync()
            time.sleep(max(0.0, _FRAME_S - (time.monotonic() - began_s)))


def newest_truth(link: Link) -> Array | None:
    """The last true state (nx,) that has come since the last call, if any."""
    states = [m.state for m in link.receive(0.0) if isinstance(m, Truth)]
    return states[-1] if states else None
