"""`mpc view`: a window on a running simulation."""

from __future__ import annotations

from launch.bus_address import bus_of
from launch.child import READY
from launch.errors import CommandError, ExitCode
from launch.signals import StopSignals
from mpc_controller.bus.messages import Truth
from mpc_controller.bus.zmq_link import PeerLink
from robots import load_robot
from sim.viewer import has_display, view


def view_robot(name: str, endpoint: str | None) -> ExitCode:
    """Show the robot until the window is closed. Raises CommandError where no window can be opened."""
    robot = load_robot(name)
    address, endpoints = bus_of(robot.name, endpoint)
    if not has_display():
        raise CommandError(
            "no display, so no window: neither DISPLAY nor WAYLAND_DISPLAY is set; view from a desktop, or with `ssh -X`",
            ExitCode.ENVIRONMENT,
        )
    with StopSignals() as stop, PeerLink(endpoints, kinds=(Truth,)) as link:
        print(f"{READY}: showing {robot.name} on {address}", flush=True)
        try:
            view(robot, link, stop.requested)
        except RuntimeError as error:
            raise CommandError(f"no viewer: {error}", ExitCode.ENVIRONMENT) from None
    return ExitCode.OK
