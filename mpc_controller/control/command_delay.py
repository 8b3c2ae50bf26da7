"""Commands that act later than they are sent: which one acts when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Observation
from mpc_controller.model.parameters import ParameterError, Parameters

# In the provenance of a parameter file: how much later than they were logged the commands acted where it was identified [s].
PROVENANCE = "control_delay_s"
_LONGEST_S = 1.0

Sent: TypeAlias = tuple[int, Array]  # until when [ns], since the one before, and which command (nu,)


@final
class CommandDelay:
    """What a plant was sent of late, to tell what acts: u_acting(t) = u_sent(t − delay).

    Where the delay ends halfway through a tick, the mean of the two commands stands for them over the tick: the state moves by
    the same to second order. Before the first command that is known the plant is taken to have had that one.
    """

    def __init__(self, delay_s: float) -> None:
        self.delay_ns = round(delay_s * 1e9)
        self._sent: list[Sent] = []

    def reset(self) -> None:
        """Another plant, or one that started again."""
        self._sent.clear()

    def observe(self, observation: Observation) -> Observation:
        """Take in the command that an observation tells; the observation with the command that acted since the one before."""
        if not self.delay_ns:
            return observation
        now_ns = observation.time_ns
        before_ns = self._sent[-1][0] if self._sent else now_ns
        self._sent.append((now_ns, observation.control))
        acting = mean_command(self._sent, before_ns - self.delay_ns, now_ns - self.delay_ns)
        oldest_ns = now_ns - 2 * self.delay_ns
        while self._sent[1:] and self._sent[0][0] < oldest_ns:
            del self._sent[0]
        return replace(observation, control=acting)

    def sent(self) -> list[Sent]:
        """The commands that may act yet, and those just before, in the order of time."""
        return list(self._sent)


def mean_command(sent: Sequence[Sent], start_ns: int, end_ns: int) -> Array:
    """Mean (nu,) of the commands sent over [start_ns, end_ns]; the first and the last are held beyond what is known."""
    end_ns = max(end_ns, start_ns + 1)
    total, now_ns = np.zeros_like(sent[-1][1]), start_ns
    for until_ns, command in sent:
        share_ns = min(until_ns, end_ns) - now_ns
        if share_ns > 0:
            total = total + share_ns * command
            now_ns += share_ns
    return np.asarray((total + (end_ns - now_ns) * sent[-1][1]) / (end_ns - start_ns))


def control_delay_of(parameters: Parameters) -> float:
    """The delay [s] that the provenance of identified parameters tells; 0 where it tells none. Raises ParameterError."""
    given = parameters.provenance.get(PROVENANCE, 0.0)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= _LONGEST_S:
        raise ParameterError(f"provenance: '{PROVENANCE}' is {given!r}; it must be a number in [0, {_LONGEST_S:g}] s")
    return float(given)
