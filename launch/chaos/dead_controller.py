"""kill -9 and SIGSTOP of the controller in motion: the plant holds in time, by its own clock, and the next one is gentle."""

from __future__ import annotations

import signal
import time

from launch.chaos.checks import held_in_time, largest_step, whole, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, all_of, fast_enough, none_of
from mpc_controller.bus.messages import Mode, Observation
from robots import load_robot

_FLOWN = (("quadrotor", "hover"), ("cartpole", "balance"), ("arm", "reach"), ("car", "lane-keep"))
_IN_CHARGE_S = 2.0
_IN_MOTION = 250  # observations before each fault
_PAUSE_S = 5.0


def killed(scale: Scale) -> Outcome:
    """The robots in turn, each killed and led anew again and again."""
    robots = _FLOWN[: scale.times(len(_FLOWN), 2)]
    times = scale.times(200, 4) // len(robots)
    observations: list[Observation] = []
    steps: list[float] = []
    returns_s: list[float] = []
    epochs_rise = holds = 0
    held: list[Requirement] = []
    seen: list[Requirement] = []
    for name, task in robots:
        scale.report(f"kill -9 of {name}'s controller, {times} times")
        with Flight(name, task) as flight:
            controller = flight.start_controller()
            flight.fly(_IN_MOTION)
            for _ in range(times):
                epoch = flight.observations[-1].plan_epoch
                controller.kill()
                flight.listen_until(20, lambda o: o.mode is Mode.HOLD)
                holds += 1
                begun_s = time.monotonic()
                controller = flight.start_controller()
                flight.fly(1)
                returns_s.append(time.monotonic() - begun_s)
                epochs_rise += flight.observations[-1].plan_epoch > epoch
                flight.fly(_IN_MOTION)
            observations = flight.observations
        steps.append(largest_step(observations, load_robot(name)))
        held.append(held_in_time(observations))
        seen.append(whole(observations))
    return Outcome(
        "kill -9 of the controller in motion",
        holds,
        (
            Requirement(held[0].text, "; ".join(r.measured for r in held), all(r.holds for r in held)),
            within_slew(steps),
            fast_enough("a restarted controller in charge within 2 s", max(returns_s), _IN_CHARGE_S, "s"),
            all_of("its epoch is higher", epochs_rise, holds),
            Requirement("every tick was seen", "; ".join(r.measured for r in seen), all(r.holds for r in seen)),
        ),
    )


def paused(scale: Scale) -> Outcome:
    """SIGSTOP for five seconds, then SIGCONT: what was queued or computed before is refused; the next plans are followed."""
    times, pause_s = scale.times(6, 1), _PAUSE_S
    returns_ms: list[float] = []
    stale_followed = 0
    with Flight("quadrotor", "hover") as flight:
        controller = flight.start_controller()
        flight.fly(_IN_MOTION)
        for k in range(times):
            scale.report(f"SIGSTOP for {pause_s:g} s, {k + 1} of {times}")
            controller.send_signal(signal.SIGSTOP)
            flight.listen_until(round((pause_s - 0.5) * 500), lambda o: o.mode is Mode.HOLD)
            last = flight.observations[-1]
            controller.send_signal(signal.SIGCONT)
            flight.fly(1)
            first = flight.observations[-1]
            returns_ms.append((first.time_ns - last.time_ns) * 1e-6)
            flight.fly(_IN_MOTION)
            after = [o for o in flight.observations if o.time_ns > last.time_ns and o.plan_sequence]
            stale_followed += sum(o.time_ns - o.plan_age_ns < last.time_ns for o in after)
        observations = flight.observations
    return Outcome(
        "SIGSTOP of the controller for 5 s, then SIGCONT",
        times,
        (
            held_in_time(observations),
            within_slew([largest_step(observations, load_robot("quadrotor"))]),
            none_of("no plan from before the pause is followed after it", stale_followed, len(observations)),
            fast_enough("plans are followed again within 0.5 s", max(returns_ms), 500.0, "ms"),
            whole(observations),
        ),
    )
