"""`mpc chaos`: the table of faults."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from launch.chaos.faults import FAULTS
from launch.chaos.flight import FlightError
from launch.chaos.outcome import Outcome, Requirement, Scale
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from launch.output import TO_STDOUT, check_json_path, write_json
from launch.signals import StopSignals

_LONGEST = "soak"  # an hour: only where it is named


def chaos(names: Sequence[str], json: str | None, *, is_quick: bool) -> ExitCode:
    """Make the named faults, or all, one after the other. RUN_FAILED when something did not hold."""
    check_json_path(json)
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise CommandError(f"no fault '{unknown[0]}'; there are {', '.join(FAULTS)}", ExitCode.BAD_INPUT)
    terminal = Terminal(sys.stderr if json == TO_STDOUT else sys.stdout)
    scale = Scale(is_quick, terminal.show)
    outcomes = []
    with StopSignals(interrupt=True):  # what was started ends with this process
        for name in names or (name for name in FAULTS if name != _LONGEST or is_quick):
            begun_s = time.monotonic()
            try:
                outcome = FAULTS[name](scale)
            except FlightError as error:
                outcome = Outcome(name, 0, (Requirement("the processes run", str(error), holds=False),))
            outcome = replace(outcome, seconds=time.monotonic() - begun_s)
            outcomes.append(outcome)
            terminal.end_live()
            terminal.say(format_outcome(outcome))
    terminal.say(verdict(outcomes))
    write_json(json, [asdict(outcome) | {"holds": outcome.holds} for outcome in outcomes])
    return ExitCode.OK if all(outcome.holds for outcome in outcomes) else ExitCode.RUN_FAILED


def format_outcome(outcome: Outcome) -> str:
    """The fault, and what must hold with what was measured."""
    lines = [f"{outcome.fault}, {outcome.times} times ({outcome.seconds:.0f} s)"]
    width = max(len(requirement.text) for requirement in outcome.requirements)
    for requirement in outcome.requirements:
        mark = "holds " if requirement.holds else "BROKEN"
        lines.append(f"  {mark}  {requirement.text:<{width}}  {requirement.measured}")
    return "\n".join(lines)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """In one line."""
    broken = [outcome.fault for outcome in outcomes if not outcome.holds]
    total = sum(len(outcome.requirements) for outcome in outcomes)
    return f"\n{total} requirements of {len(outcomes)} faults: " + (
        f"not all hold; broken: {'; '.join(broken)}" if broken else "all hold"
    )
