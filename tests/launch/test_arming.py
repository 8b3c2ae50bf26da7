"""Real processes: a robot that an operator arms, and one that a second controller takes over."""

from __future__ import annotations

from itertools import pairwise

import pytest

from launch.chaos.checks import largest_step
from launch.chaos.flight import Flight
from mpc_controller.bus.messages import Claim, Mode, Observation
from robots import load_robot
from tests.launch.command import run

TASK = ("cartpole", "balance")
pytestmark = pytest.mark.alone


def armed(flight: Flight) -> str:
    """What `mpc arm` says; the flight listens meanwhile."""
    process = flight.start("arm", "cartpole", "--endpoint", flight.address)
    return flight.await_end(process)


def test_an_operator_s_word_is_needed_at_the_start_and_after_a_controller_died() -> None:
    with Flight(*TASK, None, "--arming", "operator") as flight:
        controller = flight.start_controller()
        flight.listen_until(50, lambda o: o.awaits_operator and any(p.claim is Claim.IF_FREE for p in flight.plans))
        assert {o.mode for o in flight.observations} == {Mode.HOLD}
        assert armed(flight) == "cartpole is armed: a controller that plans for it leads it at once\n"
        flight.fly(250)
        controller.kill()
        flight.listen_until(10, lambda o: o.awaits_operator)
        first = len(flight.plans)
        flight.start_controller()
        flight.listen_until(50, lambda o: len(flight.plans) > first + 20)
        assert flight.observations[-1].mode is Mode.HOLD
        armed(flight)
        flight.fly(250)
        observations = flight.observations
    assert all(o.plan_sequence == 0 for o in observations if o.awaits_operator)
    assert largest_step(observations, load_robot("cartpole")) <= 1.0 + 1e-9


def test_a_controller_that_takes_over_leads_at_once_and_the_other_ends_within_a_round_trip() -> None:
    with Flight(*TASK) as flight:
        first = flight.start_controller()
        flight.fly(250)
        flight.start_controller(None, "--take-over")
        said = flight.await_end(first)
        flight.fly(250)
        observations, plans = flight.observations, flight.plans
    epochs = [o.plan_epoch for o in observations if o.plan_epoch]
    old, new = sorted(set(epochs))
    assert f"another controller (epoch {new}) took over the plant of 'cartpole'; this one ends" in said
    assert all(b >= a for a, b in pairwise(epochs))  # one lease holder at every instant
    assert len(held_at_takeover(observations, new)) <= 10
    told = next(o.sequence for o in observations if o.plan_epoch == new)
    # Of the observations that said so it answered none.
    assert sum(p.epoch == old and p.answers_sequence >= told for p in plans) == 0
    assert largest_step(observations, load_robot("cartpole")) <= 1.0 + 1e-9


def held_at_takeover(observations: list[Observation], epoch: int) -> list[Observation]:
    """Ticks between the two controllers' plans."""
    first = next(k for k, o in enumerate(observations) if o.plan_epoch == epoch)
    return [o for o in observations[first - 5 : first + 50] if o.mode is Mode.HOLD]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("arm", "cartpol"), "no robot 'cartpol'"),
        (("sim", "cartpole", "--arming", "nobody"), "'nobody' is not one of 'automatic', 'operator'"),
    ],
)
def test_bad_input_is_named(arguments: tuple[str, ...], message: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
