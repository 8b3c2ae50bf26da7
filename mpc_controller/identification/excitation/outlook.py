"""What an experiment and the robot's default task will tell, side by side: numbers, lines for the terminal, a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.identification.excitation.experiment import Experiment, excitation_of, excitation_task, informative_s
from mpc_controller.identification.excitation.flight import Flight, ModelFlight
from mpc_controller.identification.excitation.information import Expected, PredictedInformation
from mpc_controller.identification.excitation.limits import limit_use
from mpc_controller.identification.fit import Standing
from mpc_controller.robot import Robot

_NAME, _NUMBER = 26, 16


@final
@dataclass(frozen=True)
class Outlook:
    """expected: of every parameter and the delay of the commands; default: the same, from the default task. use: shares of the
    robot's limits, while the signals run. flight: on the model. notes: what will not be seen, in words."""

    experiment: Experiment
    expected: tuple[Expected, ...]
    default: tuple[Expected, ...]
    use: dict[str, float]
    flight: Flight
    notes: tuple[str, ...]


def outlook_of(experiment: Experiment, robot: Robot, report: Callable[[str], None] = lambda line: None) -> Outlook:
    """Fly the experiment and the default task on the model. Compiles what is not in the cache."""
    excitation, predicted = excitation_of(robot), PredictedInformation(robot, report)
    task, usual = excitation_task(experiment, robot), robot.tasks[robot.default_task]()
    flight = ModelFlight(robot, task, report).fly(task, task.duration_s)
    expected, _, notes = predicted.expected(predicted.of(flight.since(informative_s(excitation))))
    other = ModelFlight(robot, usual, report).fly(usual, usual.duration_s)
    default, _, _ = predicted.expected(predicted.of(other.since(usual.settle_s if excitation.usable else 0.0)))
    signal = flight.since(excitation.lead_s)
    use = limit_use(excitation, signal.states, signal.controls)
    return Outlook(experiment, expected, default, use, flight, tuple(notes))


def format_outlook(outlook: Outlook, robot: Robot) -> str:
    """Parameters with the 95 % half-widths to expect, the limits, and what is not seen."""
    lines = [_row("parameter", "nominal", "95 % within ±", "seen", f"{robot.default_task} ±", "seen")]
    lines += [_expected_row(mine, other) for mine, other in zip(outlook.expected, outlook.default, strict=True)]
    lines += [f"  {note}" for note in outlook.notes]
    lines += ["", _row("limit", "from", "to", "unit", "used")]
    for limit in excitation_of(robot).limits:
        used = f"{100 * outlook.use[limit.name]:.0f} %"
        lines.append(_row(limit.name, *(_bound(v) for v in (limit.lower, limit.upper)), limit.unit, used))
    return "\n".join(lines)


def _expected_row(mine: Expected, other: Expected) -> str:
    nominal = f"{mine.nominal:.4g} {mine.unit}".rstrip()
    return _row(mine.name, nominal, _half_width(mine), mine.standing.value, _half_width(other), other.standing.value)


def _half_width(expected: Expected) -> str:
    """Relative to the nominal value; in the unit where that is 0."""
    if expected.nominal:
        return f"{100 * expected.half_width / abs(expected.nominal):.2g} %"
    return f"{expected.half_width:.2g} {expected.unit}".rstrip()


def _bound(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"


def _row(name: str, *columns: str) -> str:
    return (f"  {name:<{_NAME}}" + "".join(f"{column:>{_NUMBER}}" for column in columns)).rstrip()


def summary_of(outlook: Outlook) -> dict[str, object]:
    """For JSON."""

    def rows(some: Sequence[Expected]) -> list[dict[str, object]]:
        return [
            {
                "name": e.name,
                "unit": e.unit,
                "nominal": e.nominal,
                "half_width": e.half_width,
                "seen": e.standing is Standing.IDENTIFIED,
            }
            for e in some
        ]

    return {
        "expected": rows(outlook.expected),
        "default_task": rows(outlook.default),
        "limits_used": outlook.use,
        "notes": list(outlook.notes),
    }
