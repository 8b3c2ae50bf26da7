"""`mpc robots`: what there is to control, and to identify."""

from __future__ import annotations

from typing import Any

from launch.errors import ExitCode
from launch.output import check_json_path, speaker, write_json
from mpc_controller.robot import Robot
from robots import MACHINES, ROBOTS, load_robot, load_structure, machine_parts


def list_robots(json_path: str | None) -> ExitCode:
    """A table of all robots with their tasks, and of machines that are only identified."""
    check_json_path(json_path)
    robots = [_described(load_robot(name)) for name in ROBOTS]
    say = speaker(json_path)
    for robot in robots:
        say(f"{robot['name']}: {robot['description']}")
        rates = f"{robot['plant_rate_hz']:g} Hz on board, plans at {robot['control_rate_hz']:g} Hz"
        say(f"  {robot['nx']} states, {robot['nu']} controls; {rates}")
        width = max(len(task["name"]) for task in robot["tasks"])
        for task in robot["tasks"]:
            mark = "*" if task["name"] == robot["default_task"] else " "
            say(f"  {mark} {task['name']:<{width}}  {task['description']} ({task['duration_s']:g} s, {task['solver']})")
    say("* is the default task")
    machines = [_machine(name) for name in MACHINES]
    say("\nonly identified, from recordings (`mpc identify`):")
    for machine in machines:
        parts = f", {len(machine['parts'])} parts" if machine["parts"] else ""
        say(f"  {machine['name']}: {machine['description']} ({machine['estimated']} parameters{parts})")
    write_json(json_path, {"robots": robots, "machines": machines})
    return ExitCode.OK


def _machine(name: str) -> dict[str, Any]:
    parts = machine_parts(name)
    structure = load_structure(name, parts[0] if parts else "")
    return {
        "name": name,
        "description": structure.description,
        "parts": list(parts),
        "estimated": len(structure.estimated),
        "measured": list(structure.measured),
    }


def _described(robot: Robot) -> dict[str, Any]:
    tasks = [make() for make in robot.tasks.values()]
    return {
        "name": robot.name,
        "description": robot.description,
        "nx": robot.dynamics.nx,
        "nu": robot.dynamics.nu,
        "plant_rate_hz": robot.plant_rate_hz,
        "control_rate_hz": robot.control_rate_hz,
        "default_task": robot.default_task,
        "tasks": [
            {"name": t.name, "description": t.description, "duration_s": t.duration_s, "solver": t.solver} for t in tasks
        ],
    }
