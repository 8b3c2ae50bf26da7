"""Options that several sub-commands share, and the types of their values."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import click

from launch.bounds import ARMING, DEFAULT_PRIORITY, DURATION_S, PRIORITY, RATE_HZ


@final
class Number(click.ParamType[float]):
    """A number in [lower, upper]."""

    name = "number"

    def __init__(self, bounds: tuple[float, float]) -> None:
        self._lower, self._upper = bounds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self._lower <= number <= self._upper:
            self.fail(f"'{value}' is not a number in [{self._lower:g}, {self._upper:g}]", param, ctx)
        return number


@final
class GreedyCommand(click.Command):
    """A command whose options named in `greedy` take all that follows them up to the next option: --validate A B C."""

    def __init__(self, *args: Any, greedy: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._greedy = greedy

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        current: str | None = None
        for k, argument in enumerate(args):
            if argument.startswith("-") and argument != "-":
                current = argument if argument in self._greedy else None
                is_last = k + 1 == len(args) or args[k + 1].startswith("-")
                spread += [argument] if current is None or is_last else []  # without a value click complains
            else:
                spread += [current, argument] if current else [argument]
        return super().parse_args(ctx, spread)


# As in mpc_controller.solvers, which is slow to import.
SOLVER_NAMES = ("multiple-shooting", "collocation", "ilqr", "ddp", "single-shooting", "lqr")
HOW_TO_PLAN = f"How to plan: {', '.join(SOLVER_NAMES)}."
ESTIMATOR_NAMES = ("ekf", "ekf-without-disturbance", "passthrough")  # as in mpc_controller.control.estimators, likewise

RATE = Number(RATE_HZ)
DURATION = Number(DURATION_S)
SHARE = Number((0.0, 0.9))
MARGIN = Number((0.0, 60.0))
FILE = click.Path(path_type=Path)
INPUT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

_address_option = click.option(
    "--endpoint", metavar="ADDRESS", help="Where the robot's bus is: ipc:///absolute/path or tcp://127.0.0.1:PORT (PORT+1 too)."
)
KEYS_VARIABLE = "MPC_KEYS"  # the processes that a command starts have it, too


def _remember_keys(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value:
        os.environ[KEYS_VARIABLE] = value


_keys_option = click.option(
    "--keys",
    metavar="PATH",
    envvar=KEYS_VARIABLE,
    expose_value=False,
    is_eager=True,
    callback=_remember_keys,
    help="Keys of `mpc keys`, for tcp:// beyond this machine: the plant's folder, or a peer's own file. [default: $MPC_KEYS]",
)


def endpoint_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the bus is, and the keys to it."""
    return _address_option(_keys_option(command))


json_option = click.option("--json", metavar="FILE", help="Write a summary as JSON; - writes it to stdout.")
task_option = click.option("--task", metavar="NAME", help="What to do; `mpc robots` lists tasks. [default: the robot's own]")
solver_option = click.option("--solver", metavar="NAME", help=f"{HOW_TO_PLAN} [default: the task's own]")
duration_option = click.option("--duration", type=DURATION, metavar="S", help="End after so many seconds. [default: at Ctrl-C]")
excitation_option = click.option(
    "--excitation", type=INPUT_FILE, metavar="FILE", help="Move for identification, as a file of `mpc excite` says."
)
priority_option = click.option(
    "--priority",
    type=click.IntRange(*PRIORITY),
    metavar="N",
    default=DEFAULT_PRIORITY,
    show_default=True,
    help="SCHED_FIFO priority of the loop, with memory locked, where the system permits it; 0: neither.",
)


def arming_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Who lets a controller lead; becomes the argument `operator_arms`."""
    return click.option(
        "--arming",
        "operator_arms",
        type=click.Choice(ARMING),
        default=default,
        show_default=True,
        callback=lambda ctx, param, value: value == ARMING[1],
        help="Who lets a controller lead: itself, once it is ready, or an operator by `mpc arm`, again after each hold.",
    )


cpu_option = click.option(
    "--cpu", type=click.IntRange(min=0), metavar="N", help="Keep the process on this core. [default: on any]"
)
