"""The table `[learn]` of a launch file: what is flown to learn a residual, and where it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from launch.bounds import SEED
from mpc_controller.learning.options import Family
from mpc_controller.robot import Robot
from mpc_controller.toml_table import TomlTable


@final
@dataclass(frozen=True)
class LearnSection:
    """runs: tasks that give data, beside the excitation. beyond: tasks outside of what these cover, to judge by. family,
    epochs, seed: of the training."""

    runs: tuple[str, ...]
    beyond: tuple[str, ...]
    family: str
    epochs: int
    seed: int


def learn_section_of(table: TomlTable, robot: Robot) -> LearnSection:
    """Reads the table. Raises TomlError."""
    section = LearnSection(
        runs=_tasks(table, "runs", robot),
        beyond=_tasks(table, "beyond", robot),
        family=table.text("family", Family.GP, tuple(Family)) or Family.GP,
        epochs=table.integer("epochs", 20, 1, 10_000),
        seed=table.integer("seed", 0, *SEED),
    )
    table.finish()
    return section


def _tasks(table: TomlTable, key: str, robot: Robot) -> tuple[str, ...]:
    names = table.texts(key, ())
    unknown = [name for name in names if name not in robot.tasks]
    if unknown:
        raise table.error(key, f"must be a list of tasks of '{robot.name}', which has {', '.join(robot.tasks)}")
    return names
