"""`mpc drive`: the plant node with a real robot behind it."""

from __future__ import annotations

from pathlib import Path

from launch.errors import ExitCode
from launch.plant_process import Body, PlantRequest, run_plant_process
from mpc_controller.drivers import load_driver
from mpc_controller.node.clock import SteadyClock


def drive(request: PlantRequest, file: Path) -> ExitCode:
    """Drive what the file describes."""
    robot = request.checked_robot()
    body = Body(f"driving {robot.name} as in {file}", load_driver(file, robot), SteadyClock)
    return run_plant_process(request, robot, body)
