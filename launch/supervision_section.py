"""The table `[supervision]` of a launch file: what happens after a process died, and what is written down about it.

[supervision]
restart = "on-failure"      # or "never": a death ends the run
most = 5                    # restarts of a process within any `within_s` seconds; one more death ends the run
within_s = 60
backoff_s = 0.1             # before a restart; doubled before each further one within `within_s`, 10 s at most
hung_s = 2.0                # simulator and controller: killed when their loop has not turned for so long; default: never
log = "runs/launch.jsonl"   # what happened, a line of JSON each, appended; a relative path starts at the working folder

[supervision.control]       # likewise sim, record, adapt: what is different for it
restart = "never"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from launch.restarts import RestartPolicy
from mpc_controller.toml_table import TomlTable

PROCESSES: Final = ("sim", "control", "record", "adapt")
_ON_FAILURE: Final = "on-failure"
_CHOICES: Final = ("never", _ON_FAILURE)
_MOST: Final = (1, 1000)
_WITHIN_S: Final = (0.1, 86_400.0)
_BACKOFF_S: Final = (0.0, 10.0)
_HUNG_S: Final = (0.5, 3600.0)


@final
@dataclass(frozen=True)
class SupervisionSection:
    """policies: of each process that does not have the default one, a death ends the run. hung_s, log: None for neither."""

    policies: Mapping[str, RestartPolicy] = field(default_factory=dict)
    hung_s: float | None = None
    log: Path | None = None

    def policy(self, name: str) -> RestartPolicy:
        """Of one process."""
        return self.policies.get(name, RestartPolicy())


def supervision_section_of(table: TomlTable) -> SupervisionSection:
    """Reads the table. Raises TomlError."""
    common = _policy(table, RestartPolicy())
    policies = {}
    for name in PROCESSES:
        own = table.table(name)
        policies[name] = _policy(own, common)
        own.finish()
    log = table.text("log", None)
    if log is not None and Path(log).is_dir():
        raise table.error("log", "must be a file, or not exist yet; it is a folder")
    section = SupervisionSection(policies, table.number("hung_s", None, *_HUNG_S), None if log is None else Path(log))
    table.finish()
    return section


def _policy(table: TomlTable, default: RestartPolicy) -> RestartPolicy:
    """What the table says, else the default."""
    restart = table.text("restart", _CHOICES[default.on_failure], _CHOICES)
    within_s = table.number("within_s", default.within_s, *_WITHIN_S)
    backoff_s = table.number("backoff_s", default.backoff_s, *_BACKOFF_S)
    most = table.integer("most", default.most, *_MOST)
    return RestartPolicy(
        restart == _ON_FAILURE, most, within_s or default.within_s, default.backoff_s if backoff_s is None else backoff_s
    )
