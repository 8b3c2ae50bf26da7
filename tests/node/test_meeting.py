"""How a controller finds its plant, and when it refuses to plan for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

from mpc_controller.bus.codec import encode
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import Event, Message, Mode, Observation, ParameterUpdate, Plan, Reference
from mpc_controller.node.controller_node import ControllerOptions, ControllerSummary, run_controller
from mpc_controller.node.error import NodeError
from mpc_controller.node.plant_watch import PlantWatch
from tests.control.machines import MS, SledSolver, observation, sled, task
from tests.node.loop import job

ROBOT = sled()
FAR = 2**62  # an epoch later than any clock gives
Make: TypeAlias = Callable[[int], Observation | bytes]
MakeLed: TypeAlias = Callable[[int, int], Observation | bytes]


@contextmanager
def plant(bus: FakeBus, make: Make, led: MakeLed | None = None) -> Iterator[None]:
    """Says `make(k)` every millisecond and repeats what it hears; `led(k, j)`, if given, from the j-th after a first plan."""
    done = threading.Event()

    def talk() -> None:
        with bus.plant_link() as link:
            k, first_led = 0, None
            while not done.wait(0.001):
                said = make(k) if led is None or first_led is None else led(k, k - first_led)
                if isinstance(said, bytes):
                    bus.put_out(said)
                else:
                    link.send(said)
                k += 1
                if any(isinstance(m, Plan) for m in link.receive(0)) and first_led is None:
                    first_led = k

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10)


def controlled(
    make: Make, led: MakeLed | None = None, *, plans: int = 1, rate_hz: float | None = None
) -> tuple[list[Message], ControllerSummary]:
    """What is said until so many plans came; raises what the controller does."""
    bus, work = FakeBus(), task()
    ear = bus.peer_link(newest_only=())
    heard: list[Message] = []

    def stop() -> bool:
        heard.extend(ear.receive(0))
        return sum(isinstance(m, Plan) for m in heard) >= plans

    with plant(bus, make, led), bus.peer_link(newest_only=()) as link:
        options = ControllerOptions(rate_hz=rate_hz, plant_timeout_s=2.0)
        summary = run_controller(ROBOT, work, SledSolver(work.problem), link, options, stop)
    return heard, summary


def seen(k: int, **changes: Any) -> Observation:
    return observation(ROBOT, k, [0.1], **changes)


def test_the_epoch_is_above_what_the_plant_knew_and_the_introduction_comes_before_the_first_plan():
    heard, _ = controlled(lambda k: seen(k, plan_epoch=FAR))
    plans = [m for m in heard if isinstance(m, Plan)]
    epoch = plans[0].epoch
    assert FAR + 2 <= epoch < FAR + 2**32  # the next one is a stop's; others that meet the plant, too, draw other ones
    told = [m for m in heard if isinstance(m, Event) and m.details.get("epoch") == str(epoch)]
    assert heard.index(told[0]) < heard.index(plans[0])


def test_a_controller_that_died_is_waited_for_until_the_plant_lets_go():
    heard, _ = controlled(lambda k: seen(k, plan_epoch=7, mode=Mode.NOMINAL if k < 100 else Mode.HOLD))
    assert next(m for m in heard if isinstance(m, Plan)).answers_sequence >= 100


@pytest.mark.parametrize("mode", [Mode.NOMINAL, Mode.STALE_PLAN])
def test_a_plant_that_another_controller_leads_is_an_error(mode: Mode):
    with pytest.raises(NodeError, match=r"another controller \(epoch 7\) is in charge of the plant of 'sled'; stop it first"):
        controlled(lambda k: seen(k, plan_epoch=7, mode=mode))


def test_a_controller_that_takes_over_ends_this_one():
    with pytest.raises(NodeError, match=rf"another controller \(epoch {FAR}\) took over the plant of 'sled'"):
        controlled(seen, lambda k, j: seen(k) if j < 50 else seen(k, plan_epoch=FAR, mode=Mode.NOMINAL), plans=1000)


def test_after_a_hold_under_its_own_epoch_a_controller_goes_on():
    watch = PlantWatch(job(), epoch=9)
    for k in range(2000):
        mode = Mode.HOLD if 100 <= k < 500 else Mode.NOMINAL
        watch.follow(seen(k, plan_epoch=9, mode=mode))
    assert watch.is_free


def test_a_plant_that_follows_another_for_a_moment_is_forgiven_and_then_not():
    watch = PlantWatch(job(), epoch=9)
    for k in range(251):
        watch.follow(seen(k, plan_epoch=8, mode=Mode.NOMINAL))
    with pytest.raises(NodeError, match="in charge"):
        watch.follow(seen(251, plan_epoch=8, mode=Mode.NOMINAL))


def test_a_plant_that_knows_the_last_epoch_there_is_can_not_be_led():
    with pytest.raises(NodeError, match="last epoch"):
        controlled(lambda k: seen(k, plan_epoch=2**64 - 1))


def test_another_rate_of_plans_than_the_plant_expects_is_an_error_with_both_numbers():
    text = "this controller plans at 25 Hz, the plant of 'sled' expects plans at 100 Hz: start both with the same control rate"
    with pytest.raises(NodeError, match=text):
        controlled(lambda k: seen(k, plan_period_ns=10 * MS), rate_hz=25.0)


def test_a_rate_of_plans_within_one_percent_of_what_the_plant_expects_is_right():
    _, summary = controlled(lambda k: seen(k, plan_period_ns=10 * MS), rate_hz=100.9)
    assert summary.plans == 1


@pytest.mark.parametrize("lock_step", [False, True])
def test_a_plant_at_another_rate_is_an_error_with_both_numbers(lock_step: bool):
    """In lock-step it shows only after the first plan."""
    text = "the plant of 'sled' makes 400 observations a second, this controller was set up for 500"
    with pytest.raises(NodeError, match=text):
        controlled(lambda k: seen(k, time_ns=k * 5 * MS // 2, lock_step=lock_step), plans=1000)


def test_the_plants_rate_is_known_in_spite_of_losses_and_missed_ticks():
    watch = PlantWatch(job(), epoch=9)
    sequence, time_ns = 0, 0
    for k in range(12):
        lost, missed = 3 * (k % 2), 1 if k % 5 == 0 else 0
        sequence, time_ns = sequence + 1 + lost, time_ns + (1 + lost + missed) * 2 * MS
        watch.meet(seen(sequence, time_ns=time_ns))
    assert watch.knows_rate


def test_a_plant_of_another_protocol_version_is_named_as_such():
    def of_tomorrow(k: int) -> bytes:
        frame = bytearray(encode(seen(k)))
        frame[4] += 1
        return bytes(frame)

    with pytest.raises(NodeError, match=r"the plant of 'sled' can't be understood: .*version"):
        controlled(of_tomorrow)


def test_frames_that_nobody_can_read_are_told_and_counted():
    heard, summary = controlled(seen, lambda k, j: b"noise" if 5 <= j < 15 else seen(k), plans=20)
    told = [m for m in heard if isinstance(m, Event) and "could not be read" in m.text]
    assert len(told) == 1
    assert summary.rejected_frames == {"magic": 10}


def test_what_operators_said_while_a_controller_looked_for_its_plant_is_said_again():
    """The update comes at once, and the plant can be led 100 ms later."""
    words: list[Message] = [ParameterUpdate(1, {"mass": 3.0}), Reference(2, 10**12, seen(0).measured)]

    def make(k: int) -> Observation:
        if k == 5:
            for word in words:
                bus.put_in(encode(word))
        return seen(k, plan_epoch=7, mode=Mode.NOMINAL if k < 50 else Mode.HOLD)

    bus, work, heard = FakeBus(), task(), []
    ear = bus.peer_link(newest_only=())

    def stop() -> bool:
        heard.extend(ear.receive(0))
        return any(isinstance(m, Plan) and m.reference[0] == 0.1 for m in heard)

    with bus.peer_link(newest_only=()) as link, plant(bus, make):
        run_controller(ROBOT, work, SledSolver(work.problem), link, ControllerOptions(), stop)
    first = next(i for i, m in enumerate(heard) if isinstance(m, Plan))
    assert any(m == words[0] for m in heard[:first])
    said_again = [m for m in heard if isinstance(m, ParameterUpdate)]
    assert said_again == [words[0], words[0]]
    assert any(isinstance(m, Event) and m.text == "update 1: mass = 3" for m in heard)
