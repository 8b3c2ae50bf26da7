"""A robot with means of its own: it holds, stops and reports instead of being told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import EStop, Event, Mode, Observation
from tests.control.machines import plan, sled
from tests.node.loop import DirectLink, SledPlant, run


class OwnMeans(SledPlant):
    """Holds and stops by itself, and says which it was asked to do at each tick."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def read(self):  # type: ignore[no-untyped-def]
        self.asked.append("")
        return super().read()

    def hold(self) -> bool:
        self.asked[-1] += "hold"
        return True

    def stop(self) -> bool:
        self.asked[-1] += "stop"
        return True

    def health(self) -> Mapping[str, float]:
        return {"motor_temperature_celsius": 41.5}


def flown(plant: SledPlant) -> DirectLink:
    """Nothing, then plans, then nothing, then a stop."""
    link = DirectLink()

    def before(observation: Observation) -> None:
        k = observation.sequence
        if 50 <= k < 100:
            now_ns = observation.time_ns
            times = {"times": np.array([now_ns, now_ns + 10**9]), "start_ns": now_ns, "valid_until_ns": now_ns + 10**9}
            flat = {"states": np.zeros((2, 2)), "controls": np.zeros((1, 1)), "gains": np.zeros((1, 1, 2))}
            link.waiting.append(plan(sled(), answers_sequence=k, sequence=k, **times, **flat))
        if k == 200:
            link.waiting.append(EStop(1))

    link.before = before
    run(plant, link, 2.2)
    return link


def test_hold_and_stop_are_the_robots_own_where_it_has_them():
    plant = OwnMeans()
    link = flown(plant)
    modes = [m.mode for m in link.of(Observation)]  # type: ignore[attr-defined]
    # An observation tells the mode before its own tick.
    for asked, mode in zip(plant.asked, modes[1:], strict=False):
        assert asked == {Mode.HOLD: "hold", Mode.E_STOP: "stop"}.get(mode, ""), mode
    assert len(plant.commands) == sum(mode.follows_plans for mode in modes)
    assert {Mode.HOLD, Mode.NOMINAL, Mode.E_STOP} <= set(modes)


def test_what_the_robot_reports_is_told_once_a_second():
    told = [m for m in flown(OwnMeans()).of(Event) if m.text == "health of the robot"]  # type: ignore[attr-defined]
    assert [m.details for m in told] == [{"motor_temperature_celsius": "41.5"}] * 3  # type: ignore[attr-defined]


def test_a_robot_without_means_of_its_own_gets_a_command_at_every_tick():
    plant = SledPlant()
    link = flown(plant)
    assert len(plant.commands) == len(link.of(Observation))
    assert not [m for m in link.of(Event) if m.text == "health of the robot"]  # type: ignore[attr-defined]


class Moved(OwnMeans):
    """Commanded by positions; stopped by itself, it is moved by hand from 0 to 1.5 m."""

    def read(self):  # type: ignore[no-untyped-def]
        self.asked.append("")
        k = len(self.asked)
        return np.array([np.clip((k - 60) * 0.05, 0.0, 1.5)]), None

    def apply(self, u: Array) -> None:
        self.commands.append(u.copy())


def test_one_that_was_moved_while_it_stood_still_by_itself_is_led_on_from_where_it_is():
    robot = sled(hold=lambda x, planned: planned[:1], control_slew=np.array([2.0]))
    plant, link = Moved(), DirectLink()

    def before(observation: Observation) -> None:
        k, now_ns = observation.sequence, observation.time_ns
        if k in (20, 60, 120):
            link.waiting.append(EStop(k, clear=k == 120))
        if k >= 150:
            times = {"times": np.array([now_ns, now_ns + 10**9]), "start_ns": now_ns, "valid_until_ns": now_ns + 10**9}
            there = {"states": np.zeros((2, 2)), "controls": np.full((1, 1), 1.6), "gains": np.zeros((1, 1, 2))}
            link.waiting.append(plan(robot, answers_sequence=k, sequence=k, epoch=9, **times, **there))

    link.before = before
    run(plant, link, 0.4, robot)
    assert plant.commands
    assert plant.commands[0][0] == pytest.approx(1.5 + 2.0 * 0.002)
    told = [m.control[0] for m in link.of(Observation)]  # type: ignore[attr-defined]
    assert told[120:150] == pytest.approx([1.5] * 30)
