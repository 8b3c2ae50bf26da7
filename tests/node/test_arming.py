"""A plant is led after an explicit step: the controller's claim, and the operator's word where the plant asks for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpc_controller.bus.messages import Arm, Claim, Event, EventKind, Mode, Observation, Plan
from mpc_controller.control.safety_gate import JointLimit
from mpc_controller.node.clock import SimulationClock
from mpc_controller.node.controller import ControlJob, Controller
from mpc_controller.node.error import NodeError
from mpc_controller.node.plant_node import PlantOptions, run_plant
from mpc_controller.node.plant_watch import PlantWatch
from mpc_controller.robot import Robot
from tests.control.machines import MS, observation, sled, task
from tests.node.loop import TICK_NS, DirectLink, SledPlant, job, run


def observed(k: int, **changes: object) -> Observation:
    measured = np.array([0.5])
    return observation(sled(), k + 1, measured, **({"time_ns": k * TICK_NS, "mode": Mode.HOLD} | changes))


def planned(controller: Controller, message: Observation) -> Plan:
    controller.accept(message)
    assert controller.is_due
    return controller.plan(0)


def test_a_controller_claims_until_the_plant_says_that_it_leads():
    controller = Controller(job(), epoch=7)
    assert planned(controller, observed(0)).claim is Claim.IF_FREE
    assert planned(controller, observed(5, plan_epoch=6)).claim is Claim.IF_FREE
    assert planned(controller, observed(10, plan_epoch=7)).claim is Claim.NONE
    assert planned(controller, observed(15, plan_epoch=7)).claim is Claim.NONE


def test_one_that_takes_over_says_so():
    controller = Controller(replace(job(), claim=Claim.TAKE_OVER), epoch=7)
    assert planned(controller, observed(0, plan_epoch=6)).claim is Claim.TAKE_OVER


def railed() -> Robot:
    """The sled with its position and velocity measured, between walls."""
    limit = JointLimit("q", "q_dot", "m", -1.0, 1.0, 2.0, 8.0, 0.01)
    return sled(measured=("q", "q_dot"), measurement_std=np.array([1e-3, 1e-2]), joint_limits=(limit,))


def test_a_robot_that_could_not_brake_any_more_is_not_claimed_and_the_reason_is_told():
    robot = railed()
    controller = Controller(job(robot=robot), epoch=7)
    beyond = observation(robot, 1, np.array([1.2, 0.0]), time_ns=0, mode=Mode.HOLD)
    assert planned(controller, beyond).claim is Claim.NONE
    told = [e.text for e in controller.events.drain() if e.kind is EventKind.SAFETY]
    assert told == ["the plant is not armed: q is at 1.2 m, outside of -1 to 1 m"]
    inside = observation(robot, 6, np.array([0.2, 0.0]), time_ns=10 * MS, mode=Mode.HOLD)
    assert planned(controller, inside).claim is Claim.IF_FREE


def test_a_plan_that_the_plant_would_refuse_claims_nothing(monkeypatch: pytest.MonkeyPatch):
    made = job()
    controller = Controller(made, epoch=7)
    narrow = replace(made.robot, control_lower=np.array([-1e-3]), control_upper=np.array([1e-3]))
    monkeypatch.setattr(controller, "_job", replace(made, robot=narrow))
    controller.accept(observed(0))
    assert controller.plan(0).claim is Claim.NONE
    told = [e.text for e in controller.events.drain() if e.kind is EventKind.SAFETY]
    assert told == ["the plant is not armed: the plan is not sound: control out of range"]


def operated(words: dict[int, int], pause: range, duration_s: float = 1.0) -> tuple[DirectLink, SledPlant]:
    """A plant that an operator arms, from tick to observation, as `words` say; while `pause` the controller is unplugged."""
    controller = Controller(job(), epoch=1)
    link, plant = DirectLink(controller), SledPlant()

    def before(message: Observation) -> None:
        k = message.sequence - 1
        link.controller = None if k in pause else controller
        if k in words:
            link.waiting.append(Arm(message.robot, words[k] + 1, words[k] * TICK_NS))

    link.before = before
    clock = SimulationClock(TICK_NS, real_time=False)
    options = PlantOptions(duration_s=duration_s, operator_arms=True)
    run_plant(plant, sled(), link, clock, options, lambda: False)
    return link, plant


def test_before_an_operator_s_word_and_after_each_hold_no_plan_is_followed():
    link, plant = operated({100: 100, 300: 299}, pause=range(200, 250))
    seen = [m for m in link.sent if isinstance(m, Observation)]
    followed = [k for k, o in enumerate(seen) if o.plan_sequence]
    assert followed
    assert min(followed) > 100
    between = [k for k in followed if 220 <= k <= 300]
    assert between == []
    assert max(followed) > 300
    assert {o.mode for o in seen[:100]} == {Mode.HOLD}
    assert [o.awaits_operator for o in seen].index(False) == 101
    steps = np.abs(np.diff(np.ravel(plant.commands)))
    assert steps.max() <= sled().control_slew[0] * 2e-3 * (1 + 1e-9)


def test_a_word_about_what_was_before_the_hold_does_not_arm():
    link, _ = operated({100: 100, 300: 150}, pause=range(200, 250))
    assert all(o.plan_sequence == 0 for o in link.sent if isinstance(o, Observation) and o.sequence > 230)


def test_it_is_told_once_that_an_operator_is_awaited_and_that_one_armed():
    link, _ = operated({100: 100, 800: 799}, pause=range(700, 750), duration_s=2.0)
    told = [(m.source, m.text) for m in link.sent if isinstance(m, Event) and m.text and "arm" in m.text]
    assert told.count(("plant", "an operator has to arm the robot")) == 2
    assert told.count(("plant", "armed by an operator")) == 2
    assert told.count(("controller", "an operator has to arm the robot")) == 2


def test_where_controllers_arm_themselves_the_first_good_plan_leads():
    link = DirectLink(Controller(job(), epoch=1))
    run(SledPlant(), link, 0.1)
    assert [o.plan_epoch for o in link.sent if isinstance(o, Observation)][:2] == [0, 1]


def watch(made: ControlJob) -> PlantWatch:
    return PlantWatch(made, epoch=10)


def led(k: int, epoch: int) -> Observation:
    """Another controller's plans are followed."""
    return replace(observed(k), mode=Mode.NOMINAL, plan_epoch=epoch, plan_sequence=k + 1)


def test_a_led_plant_is_free_to_one_that_takes_over_however_long_it_is_led():
    made = job()
    assert made.task.name == task().name
    patient, taker = watch(made), watch(replace(made, claim=Claim.TAKE_OVER))
    for k in range(400):
        taker.meet(led(k, 5))
    assert taker.is_free
    patient.meet(led(0, 5))
    assert not patient.is_free
    with pytest.raises(NodeError, match=r"another controller \(epoch 5\) is in charge.*; stop it first, or take over"):
        patient.meet(led(400, 5))


def test_the_one_that_lost_the_plant_ends_with_the_first_observation_that_shows_it():
    leader = watch(job())
    leader.meet(observed(0))
    leader.follow(led(1, 10))
    with pytest.raises(NodeError, match=r"another controller \(epoch 11\) took over"):
        leader.follow(led(2, 11))
