"""That a loop's process is ready, and how it goes: to people, to the launcher, and to a service manager."""

from __future__ import annotations

from collections.abc import Callable

from launch.child import READY
from mpc_controller.node.notify import Notifier


def settled(what: str, lacks: str, say: Callable[[str], None], notifier: Notifier) -> None:
    """The set-up is done. `lacks`: what of its place on the machine is not permitted, '' for nothing."""
    say(f"{READY}: {what}")
    if lacks:
        say(lacks)
    notifier.ready(f"{what} ({lacks})" if lacks else what)


def awaiting(robot: str, operator_arms: bool) -> str:
    """What is left to do for an operator, to be said behind what is ready."""
    return f"; it waits for `mpc arm {robot}`" if operator_arms else ""


def telling(say: Callable[[str], None], notifier: Notifier) -> Callable[[str], None]:
    """Says a line, which is the service's status from then on."""

    def tell(line: str) -> None:
        notifier.status(line)
        say(line)

    return tell
