"""`mpc` with one more robot: six joints that are commanded by rates, at 125 Hz."""

from __future__ import annotations

import robots
from launch.cli import main
from mpc_controller.robot import Robot
from tests.drivers.robots import joints


def robot() -> Robot:
    return joints(6, "rad/s", 125.0)


if __name__ == "__main__":
    robots.ROBOTS = {"six": "tests.drivers.six"}
    main()
