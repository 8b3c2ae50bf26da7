"""A network that loses, delays, reorders and doubles, or is cut."""

from __future__ import annotations

from itertools import pairwise

from launch.chaos.bad_network import BadNetwork, Weather
from launch.chaos.checks import held_in_time, largest_step, totals, tracking_cost, whole, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, at_most, fast_enough, none_of
from mpc_controller.bus.frame import Kind
from mpc_controller.bus.messages import Mode, Observation
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "figure-eight"
_STORM = Weather(loss=0.2, doubling=0.2, delay_s=0.004, reordering=50)
_WORSE = 1.5
_CUTS_S = (0.1, 0.3, 1.0, 3.0, 10.0)
_RATE_HZ = 500


def storm(scale: Scale) -> Outcome:
    """A fifth of all frames lost, a fifth doubled, the rest delayed by up to 4 ms and one in ten held back behind 50 others."""
    seconds = scale.times(30, 8)
    task = load_robot(_ROBOT).tasks[_TASK]()
    costs = []
    for weather in (Weather(), _STORM):
        scale.report(f"{_TASK} for {seconds} s {'in a storm' if weather is _STORM else 'undisturbed'}")
        with Flight(_ROBOT, _TASK) as flight, BadNetwork(flight.address, f"{flight.address}-far", weather) as network:
            flight.start_controller(f"{flight.address}-far")
            flight.listen_until(round(seconds * _RATE_HZ), lambda o: o.mode.follows_plans)
            network.cut = True  # what is on its way arrives while the plant still counts
            flight.listen_until(_RATE_HZ // 2, lambda o: True)
            flight.stop_plant()
            costs.append(tracking_cost(flight.truths, flight.plans, task))
    passed, counted = network.passed, totals(flight.events)
    told = counted.get("accepted_plans", 0) + counted.get("rejected_plans", 0) + counted.get("unread_plans", 0)
    delivered = passed.delivered[Kind.PLAN]
    gap = abs(delivered - told)
    return Outcome(
        "20 % loss both ways, 20 % doubled, delay jitter, reordering by 50",
        passed.lost[Kind.PLAN] + passed.doubled[Kind.PLAN],
        (
            at_most("tracking cost at most 1.5 times", costs[1] / costs[0], _WORSE, "times"),
            none_of("no plan is followed after a newer one", _backwards(flight.observations), len(flight.observations)),
            Requirement(
                "the plant counts every plan that was delivered, and no other",
                f"{told} of {delivered}: {counted.get('accepted_plans', 0)} taken, {counted.get('rejected_plans', 0)} refused, "
                f"{counted.get('unread_plans', 0)} unread",
                gap == 0 and delivered > 0,
            ),
            within_slew([largest_step(flight.observations, load_robot(_ROBOT))]),
            whole(flight.observations),
        ),
    )


def cut(scale: Scale) -> Outcome:
    """The link between controller and plant cut for longer and longer."""
    cuts_s = _CUTS_S[: scale.times(len(_CUTS_S), 3)]
    returns_ms = []
    with Flight(_ROBOT, "hover") as flight, BadNetwork(flight.address, f"{flight.address}-far", Weather()) as network:
        flight.start_controller(f"{flight.address}-far")
        flight.fly(_RATE_HZ)
        for seconds in cuts_s:
            scale.report(f"link cut for {seconds:g} s")
            network.cut = True
            flight.listen_until(round(seconds * _RATE_HZ), lambda o: True)
            network.cut = False
            last = flight.observations[-1]
            flight.fly(1)
            returns_ms.append((flight.observations[-1].time_ns - last.time_ns) * 1e-6)
            flight.fly(_RATE_HZ // 2)
        observations = flight.observations
    return Outcome(
        f"the link cut, for {', '.join(f'{s:g}' for s in cuts_s)} s",
        len(cuts_s),
        (
            held_in_time(observations),
            within_slew([largest_step(observations, load_robot(_ROBOT))]),
            fast_enough("plans are followed again within 0.5 s", max(returns_ms), 500.0, "ms"),
            whole(observations),
        ),
    )


def _backwards(observations: list[Observation]) -> int:
    """Ticks whose command a plan made that is older than that of the tick before, of the same controller."""
    followed = [o for o in observations if o.plan_sequence and o.mode in (Mode.NOMINAL, Mode.STALE_PLAN)]
    return sum(b.plan_epoch == a.plan_epoch and b.plan_sequence < a.plan_sequence for a, b in pairwise(followed))
