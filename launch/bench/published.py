"""Recorded times of solvers: of some that cannot be measured here, and of some that can, to scale by."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

from launch.bench.row import Mode

_FILE = Path(__file__).with_name("published.toml")


@final
@dataclass(frozen=True)
class Published:
    """A recorded time [µs]; p99 is None where only the median was recorded."""

    median_us: float
    p99_us: float | None


def published(solver: str, problem: str, mode: Mode) -> Published | None:
    """What was recorded; None for nothing."""
    times = _table(solver, problem).get(mode.value)
    return None if times is None else Published(times[0] * 1e3, times[1] * 1e3 if len(times) > 1 else None)


def published_build_s(solver: str, problem: str) -> float | None:
    """Of code generation and compilation."""
    return _table(solver, problem).get("build_s")


def published_costs(solver: str, problem: str) -> list[float]:
    """Path cost of each episode of the closed loop with real-time iterations; none where they were not recorded."""
    costs: list[float] = _table(solver, problem).get("costs", [])
    return costs


def _table(solver: str, problem: str) -> dict[str, Any]:
    table: dict[str, Any] = _content().get(solver, {}).get(problem, {})
    return table


@cache
def _content() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
