"""What stands behind a plant node: a simulator, or a real robot's driver. One class, three methods and what it may add."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

from mpc_controller.arrays import Array


class Plant(abc.ABC):
    """Everything else is the plant node's: the bus, plans, the ladder of modes, the safety gate, statistics.

    All methods are called by one thread, once a tick: read, then hold, stop or apply. They return within a small part of the
    robot's period and never raise. What goes wrong is a value: `failure` says in one line why the robot cannot go on ('' while
    it is sound), which ends the node; what may pass is a measurement with entries that are not numbers, after 100 ms of which
    the node stops the robot. What was opened is closed by `close`, which leaves the robot safe.

    `noisy` names, of Robot.measured, the states whose sensors never give exactly the same number twice in a row for long; one
    that does so for 50 ms counts as frozen, which is a measurement that is not sound. An encoder of a robot at rest is none.
    """

    failure: str = ""
    noisy: Sequence[str] = ()

    @abc.abstractmethod
    def read(self) -> tuple[Array, Array | None]:
        """The measured states, in the order and units of Robot.measured, and a simulator's true state (nx,), else None."""

    @abc.abstractmethod
    def apply(self, u: Array) -> None:
        """Hold the command u (nu,), in the units of the robot's controls, from now on; a simulator advances by one period."""

    def hold(self) -> bool:
        """Keep the robot still by its own means, such as a firmware's position mode, instead of a command.

        Asked in every tick of HOLD. False where it has none: then `apply` gets what Robot.hold makes.
        """
        return False

    def stop(self) -> bool:
        """Stop at once and stay stopped, by the robot's own means, such as a brake or a protective stop.

        Asked in every tick of E_STOP. False where it has none: then `apply` gets zeros, or what is nearest within the limits.
        """
        return False

    def health(self) -> Mapping[str, float]:
        """What else the robot reports, by name with its unit at the end, such as motor_1_temperature_celsius.

        Asked once a second.
        """
        return {}

    @abc.abstractmethod
    def close(self) -> None:
        """Leave the robot safe and free what was opened. May be called twice."""
