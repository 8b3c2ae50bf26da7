"""A plant whose sensors freeze or whose clock goes back."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.bus.messages import Event, EventKind, Mode, Observation
from mpc_controller.node.clock import Clock, RisingTime, SimulationClock
from mpc_controller.node.controller import Controller
from mpc_controller.node.plant_node import PlantOptions, run_plant
from tests.control.machines import MS, sled
from tests.node.loop import TICK_NS, DirectLink, SledPlant, job, run


def test_a_frozen_sensor_is_told_within_100_ms_and_stops_the_robot():
    plant, link = SledPlant(), DirectLink(Controller(job(), epoch=1))
    plant.noisy = ("q",)
    plant.readings = {k: np.array([0.1]) for k in range(250, 400)}  # from 0.5 s on
    run(plant, link, 1.0)
    told = next(e for e in link.of(Event) if "frozen: q" in e.text)
    assert (told.kind, told.time_ns) == (EventKind.REJECTED, 550 * MS)
    stopped = next(o for o in link.of(Observation) if o.mode is Mode.E_STOP)
    assert stopped.time_ns == 650 * MS  # the last sound reading was at 548 ms, a mode shows a tick later
    steps = np.abs(np.diff([o.control[0] for o in link.of(Observation)]))
    assert steps.max() <= sled().control_slew[0] * 0.002 + 1e-12


class JumpingClock(Clock):
    """Goes back by `by_ns` at a tick."""

    def __init__(self, at_tick: int, by_ns: int) -> None:
        self._clock, self._at, self._by_ns, self._ticks = SimulationClock(TICK_NS, real_time=False), at_tick, by_ns, 0

    def tick(self) -> int:
        self._ticks += 1
        return self._clock.tick() - (self._by_ns if self._ticks > self._at else 0)


@pytest.mark.parametrize("back_ns", [TICK_NS, 10 * MS, 3_600_000 * MS])
def test_a_clock_that_goes_back_is_told_and_changes_neither_times_nor_modes_nor_commands(back_ns: int):
    flights = []
    for by_ns in (0, back_ns):
        plant, link = SledPlant(), DirectLink(Controller(job(), epoch=1))
        link.before = lambda o, link=link: setattr(link, "controller", None if o.sequence > 300 else link.controller)
        run_plant(plant, sled(), link, JumpingClock(200, by_ns), PlantOptions(duration_s=1.0), lambda: False)
        flights.append((link, plant.commands))
    (steady, commands), (jumped, others) = flights
    for one, other in zip(steady.of(Observation), jumped.of(Observation), strict=True):
        assert (one.time_ns, one.mode, one.plan_sequence) == (other.time_ns, other.mode, other.plan_sequence)
    np.testing.assert_array_equal(commands, others)
    assert [e.time_ns for e in jumped.of(Event) if "the clock went back" in e.text] == [200 * TICK_NS]
    assert jumped.of(Observation)[-1].mode is Mode.HOLD  # with the controller gone plans grow old all the same


def test_time_rises_by_a_tick_where_its_clock_does_not():
    time = RisingTime(2)
    assert [time.of(clock)[0] for clock in (10, 12, 12, 14, 3, 5, 20)] == [10, 12, 14, 16, 18, 20, 35]
