"""Two controllers at once: the plant follows one of them, until an operator or its end decides otherwise."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from typing import final

from launch.chaos.checks import largest_step, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Scale, all_of, none_of
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import Claim, Mode
from mpc_controller.bus.zmq_link import PeerLink
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_IN_MOTION = 250
_AT_ONCE = 2_000  # ticks
_SAYS_SO = "another controller"
_MARK = "all the same"


def two_controllers(scale: Scale) -> Outcome:
    """Two that start together, one that comes while another leads, one that comes back from a pause in which it was replaced,
    and one that sends its plans whoever leads."""
    ticks = scale.times(100_000, 1_500)
    said: list[str] = []
    with Flight(_ROBOT, _TASK) as flight:
        seen = _Seen(flight)
        scale.report("two controllers that start together")
        pair = [flight.start_controller(), flight.start_controller()]
        leader, ended = _await_winner(flight, pair)
        said.append(ended)
        sent = 0
        for k in range(0, ticks, _AT_ONCE):
            scale.report(f"a controller that sends its plans all the same, {k} of {ticks} ticks")
            seen.judge()
            sent += _stubborn(flight, min(_AT_ONCE, ticks - k))
        scale.report("a controller that comes back after it was replaced")
        other = flight.start_controller()
        leader.send_signal(signal.SIGSTOP)
        epoch = flight.observations[-1].plan_epoch
        flight.listen_until(_IN_MOTION, lambda o: o.mode is Mode.NOMINAL and o.plan_epoch > epoch)
        leader.send_signal(signal.SIGCONT)
        said.append(flight.await_end(leader))
        flight.fly(_IN_MOTION)
        others_go_on = other.poll() is None
        seen.judge()
    return Outcome(
        "two controllers at once",
        seen.ticks,
        (
            none_of("one lease holder at every instant: an epoch that was replaced never leads again", seen.back, seen.ticks),
            none_of("no command between of a controller that does not lead", seen.strange, seen.ticks),
            none_of("none of the plans of one that sends all the same is followed", seen.stubborn, sent),
            all_of("the second one ends, saying so", sum(_SAYS_SO in text for text in said), len(said)),
            all_of("the one that leads goes on", int(others_go_on), 1),
            within_slew(seen.steps),
            none_of("every tick was seen; not", seen.lost, seen.ticks),
        ),
    )


@final
class _Seen:
    """What a flight showed, piece by piece, and forgot then. back: ticks in which an epoch led that had been replaced; strange:
    commands by plans that the leading controller did not send; stubborn: ticks led by the one that sends all the same."""

    def __init__(self, flight: Flight) -> None:
        self._flight, self._robot = flight, load_robot(_ROBOT)
        self._sent: set[tuple[int, int]] = set()
        self._stubborn: set[int] = set()
        self.ticks = self.back = self.strange = self.stubborn = self.lost = 0
        self.steps: list[float] = []

    def judge(self) -> None:
        """What came since the last time; all is forgotten but the last observation and plan."""
        observations, plans = self._flight.observations, self._flight.plans
        self._sent |= {(plan.epoch, plan.sequence) for plan in plans if plan.task != _MARK}
        self._stubborn |= {plan.epoch for plan in plans if plan.task == _MARK}
        self.ticks += len(observations)
        self.back += sum(b.plan_epoch < a.plan_epoch for a, b in pairwise(observations))
        self.strange += sum((o.plan_epoch, o.plan_sequence) not in self._sent for o in observations if o.plan_sequence)
        self.stubborn += sum(o.plan_epoch in self._stubborn for o in observations)
        self.lost += sum(b.sequence - a.sequence - 1 for a, b in pairwise(observations))
        self.steps.append(largest_step(observations, self._robot))
        kept = [plan for plan in plans if plan.task != _MARK][-1:]
        self._flight.forget()
        self._flight.plans += kept


def _await_winner(flight: Flight, pair: Sequence[subprocess.Popen[str]]) -> tuple[subprocess.Popen[str], str]:
    """The one that leads, and what the other said when it ended."""
    while all(process.poll() is None for process in pair):
        flight.listen(0.05)
    loser, winner = sorted(pair, key=lambda process: process.poll() is None)
    text = flight.await_end(loser)
    flight.fly(_IN_MOTION)
    return winner, text


def _stubborn(flight: Flight, ticks: int) -> int:
    """Plans of a higher epoch in answer to the newest observations; how many."""
    sent, begun = 0, len(flight.observations)
    with PeerLink(Endpoints.of(flight.address), newest_only=(), kinds=()) as link:
        while len(flight.observations) - begun < ticks:
            rightful = next(plan for plan in reversed(flight.plans) if plan.task != _MARK)
            number = flight.observations[-1].sequence
            epoch = rightful.epoch + 1
            link.send(
                dataclasses.replace(
                    rightful, epoch=epoch, sequence=number, answers_sequence=number, task=_MARK, claim=Claim.IF_FREE
                )
            )
            sent += 1
            flight.listen(0.002)
    return sent
