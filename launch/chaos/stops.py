"""Emergency stops, with the controller alive and dead: latched, in time, released by the operator alone and with a new plan."""

from __future__ import annotations

import time

from launch.chaos.checks import largest_step, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Scale, all_of, at_most
from mpc_controller.bus.messages import EStop, Mode
from robots import load_robot

_FLOWN = (("cartpole", "balance"), ("arm", "reach"), ("car", "lane-keep"), ("quadrotor", "hover"))
_LATCHED = 250  # observations that it must stay


def stopped(scale: Scale) -> Outcome:
    """Every robot stopped in motion, once with a live controller and once with a dead one."""
    robots = _FLOWN[: scale.times(len(_FLOWN), 2)]
    ticks: list[int] = []
    steps: list[float] = []
    latched = released = stops = alive = new_epochs = 0
    for name, task in robots:
        for is_alive in (True, False):
            scale.report(f"{name} stopped, its controller {'alive' if is_alive else 'dead'}")
            with Flight(name, task) as flight:
                controller = flight.start_controller()
                flight.fly(250)
                if not is_alive:
                    controller.kill()
                stops += 1
                sequence = time.time_ns()
                flight.send(EStop(sequence))
                flight.listen_until(1, lambda o: o.mode is Mode.E_STOP)
                ticks.append(flight.ticks_until_stopped(EStop(sequence)))
                start = len(flight.observations)
                flight.listen_until(_LATCHED, lambda o: True)
                latched += all(o.mode is Mode.E_STOP for o in flight.observations[start:])
                flight.send(EStop(sequence, clear=True))  # not newer than the stop: an old word does not release
                flight.listen_until(20, lambda o: True)
                latched -= flight.observations[-1].mode is not Mode.E_STOP
                flight.send(EStop(time.time_ns(), clear=True))
                flight.listen_until(1, lambda o: o.mode is not Mode.E_STOP)
                if is_alive:
                    epoch = flight.observations[start].plan_epoch
                    flight.fly(1)
                    alive += 1
                    new_epochs += flight.observations[-1].plan_epoch > epoch
                released += 1
                steps.append(largest_step(flight.observations, load_robot(name)))
    return Outcome(
        "emergency stop, the controller alive and dead",
        stops,
        (
            at_most("honoured within one tick of being taken in", max(ticks), 1, "ticks"),
            all_of("latched until a newer word releases it", latched, stops),
            all_of("released by the operator", released, stops),
            all_of("flown again by a new epoch alone", new_epochs, alive),
            within_slew(steps),
        ),
    )
