"""A controller that drives the robot into its limits: the plant brakes in time, says why, and counts it."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Event, EventKind, Observation, Plan
from mpc_controller.control.safety_gate import JointLimit
from mpc_controller.robot import Robot
from tests.control.machines import MS, N, plan, sled
from tests.node.loop import DirectLink, SledPlant, run

# 20 N stop the 2.2 kg at 9 m/s².
RAIL = JointLimit("q", "q_dot", "m", lower=-1.0, upper=1.0, speed=3.0, deceleration=6.0, reaction_s=0.03)


def brake(x: Array, planned: Array) -> Array:
    return np.clip(-200.0 * (x[:1] - planned[:1]) - 80.0 * x[1:2], -20.0, 20.0)


def railed(limits: tuple[JointLimit, ...] = (RAIL,)) -> Robot:
    return sled(measured=("q", "q_dot"), measurement_std=np.full(2, 1e-3), hold=brake, joint_limits=limits)


class RailPlant(SledPlant):
    """Measures its velocity, too."""

    def read(self) -> tuple[Array, Array | None]:
        self.path = [*getattr(self, "path", []), self.state.copy()]
        return self.state.copy(), self.state.copy()


def with_full_force(observation: Observation, force: float) -> Plan:
    """Sound in every respect but where it leads."""
    times = np.arange(N + 1, dtype=np.int64) * 50 * MS + observation.time_ns
    times_and_ends = {"times": times, "start_ns": observation.time_ns, "valid_until_ns": int(times[-1])}
    answers = {"sequence": observation.sequence, "answers_sequence": observation.sequence}
    return plan(railed(), **answers, **times_and_ends, controls=np.full((N, 1), force))


@pytest.mark.parametrize("force", [-20.0, -6.0, 3.0, 20.0])
def test_a_plan_that_leads_off_the_rail_is_braked_before_its_end(force: float):
    plant, link = RailPlant(position=0.0, push=0.0, noise=0.0), DirectLink()
    link.before = lambda observation: link.waiting.append(with_full_force(observation, force))
    summary = run(plant, link, 1.5, railed())
    path = np.array(plant.path)
    # Not in the braking distance: what 20 N add until they have fallen to 0, a tick and 10 ms later, ½ · 9 m/s² · (12 ms)².
    assert 0.6 < np.abs(path[:, 0]).max() <= 1.0 + 0.7e-3
    assert np.abs(path[:, 1]).max() <= 3.05
    assert np.abs(np.diff(np.array(plant.commands)[:, 0])).max() <= 4.0 * (1 + 1e-9)
    told = [e for e in link.of(Event) if e.kind is EventKind.SAFETY and "brake" in e.text]
    assert "to stop" in told[0].text
    assert told[0].details["0"] in told[0].text
    assert summary.safety_interventions >= sum(e.count for e in told) >= 1
    assert any(" left and needs " in str(c["reason"]) for c in summary.mode_changes)


def test_the_same_plan_without_limits_does_leave_it():
    plant, link = RailPlant(position=0.0, push=0.0, noise=0.0), DirectLink()
    link.before = lambda observation: link.waiting.append(with_full_force(observation, 6.0))
    run(plant, link, 2.2, railed(limits=()))
    assert np.abs(np.array(plant.path)[:, 0]).max() > 5.0


def test_a_speed_above_the_limit_is_braked():
    plant, link = RailPlant(position=0.0, push=0.0, noise=0.0), DirectLink()
    long_rail = JointLimit("q", "q_dot", "m", -100.0, 100.0, speed=1.5, deceleration=6.0, reaction_s=0.03)
    link.before = lambda observation: link.waiting.append(with_full_force(observation, 20.0))
    summary = run(plant, link, 2.0, railed((long_rail,)))
    assert 1.5 < np.array(plant.path)[:, 1].max() < 1.7
    assert "q_dot is 1.5" in str(summary.mode_changes[1]["reason"])
