"""NaN, infinity and wrong sizes in every field that has numbers, to a plant and a controller that fly."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

import numpy as np

from launch.chaos.bad_messages import FLOWN, NOT_FINITE, bad_rows, broken_frames, misfit_plans, not_finite_plans, told_plans
from launch.chaos.checks import largest_step, led_by_one, totals, within_slew
from launch.chaos.faulty_plant import SOURCE, Failure
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, all_of, none_of
from mpc_controller.arrays import Array
from mpc_controller.bus.codec import decode
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.frame import WireError
from mpc_controller.bus.messages import Observation, ParameterUpdate, Plan, Reference
from mpc_controller.bus.zmq_link import PeerLink
from mpc_controller.robot import Robot, Task
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_IN_MOTION = 250
_FAR = 2**40  # from the sequences of the rightful controller, which must not be told apart by them
_TICK_S = 0.002
_CONNECT_S = 0.3
_TOLD_EVERY = 550  # ticks: why plans are refused is told once a second for each reason
_AT_ONCE = 5  # bad observations in a row


def bad_values(scale: Scale) -> Outcome:
    """Plans, references, values of parameters, weights and bounds to a flight; then observations by a plant that says such."""
    robot = load_robot(_ROBOT)
    task = robot.tasks[_TASK]()
    with TemporaryDirectory(prefix="mpc-chaos-") as folder:
        orders = Path(folder) / "orders.json"
        with Flight(_ROBOT, _TASK, None, "--orders", str(orders), plant="launch.chaos.faulty_plant") as flight:
            flight.start_controller()
            flight.fly(_IN_MOTION)
            begun = len(flight.observations)
            liar = _Liar(flight, robot, task, every=not scale.is_quick)
            scale.report("plans")
            liar.send_plans()
            scale.report("references, parameters, weights and bounds")
            liar.send_words()
            flight.fly(_IN_MOTION)
            scale.report("observations")
            observed = liar.say_observations(orders)
            flight.fly(_IN_MOTION)
            flight.stop_plant()
            spoilt = _spoilt_sequences(flight)
            sane = [o for o in flight.observations[begun:] if o.sequence not in spoilt]
            commands = sum(not np.isfinite(o.control).all() for o in sane)
            return Outcome(
                "NaN, infinity, wrong sizes in every field of messages, parameters and limits",
                liar.sent + observed,
                (
                    none_of("no command that is not finite", commands, len(sane)),
                    *liar.refusals(),
                    _refused_observations(flight, spoilt, observed),
                    *led_by_one(sane),
                    within_slew([largest_step(sane, robot)]),
                ),
            )


@final
class _Liar:
    """Says all of it with the controller's and an operator's voice, at a pace at which all of it is read."""

    def __init__(self, flight: Flight, robot: Robot, task: Task, every: bool) -> None:
        self._flight, self._robot, self._task, self._every = flight, robot, task, every
        self.sent = 0
        self._plans = {"not finite": 0, "wrong size": 0}
        self._frames = self._named = 0
        self._references: list[int] = []
        self._updates: list[tuple[int, str]] = []

    def send_plans(self) -> None:
        """In the leading epoch, so that what is refused is refused for what is in it."""
        far = dataclasses.replace(self._newest(), sequence=_FAR)
        for plan in misfit_plans(far):
            self._send(plan)
            self._plans["wrong size"] += 1
        for field in FLOWN:
            for plan in not_finite_plans(far, field, self._every):
                self._send(plan)
                self._plans["not finite"] += 1
            self._flight.listen_until(_TOLD_EVERY, lambda o: True)
        with PeerLink(Endpoints.of(self._flight.address), newest_only=(), kinds=()) as link:
            self._flight.listen(_CONNECT_S)
            for field, frame in broken_frames(far):
                link.put(frame)
                self._frames += 1
                self._named += _names(frame, field)
                self.sent += 1
                self._flight.listen(_TICK_S)
        for plan in told_plans(self._newest()):
            newest = self._newest()
            self._send(
                dataclasses.replace(
                    newest,
                    sequence=newest.sequence + 1,
                    reference=plan.reference,
                    estimate=plan.estimate,
                    disturbance=plan.disturbance,
                    tracking=plan.tracking,
                    cost=plan.cost,
                )
            )

    def send_words(self) -> None:
        """Of an operator."""
        for row in bad_rows(np.zeros(self._task.problem.nr), every=True):
            self._references.append(_FAR + len(self._references))
            self._send(Reference(self._references[-1], 2**62, row))
        for name, bad in itertools.product(self._task.problem.parameters.names, NOT_FINITE):
            self._updates.append((_FAR + len(self._updates), name))
            self._send(ParameterUpdate(self._updates[-1][0], {name: bad}))

    def say_observations(self, orders: Path) -> int:
        """Each for one tick, with some sound ones before the next; how many."""
        count = 0
        robot = self._robot
        for field, size in (("measured", len(robot.measured)), ("control", robot.dynamics.nu)):
            rows = bad_rows(np.zeros(size), every=True)
            for start in range(0, len(rows), _AT_ONCE):
                some = rows[start : start + _AT_ONCE]
                Failure("bad-observations", len(some), field=field, values=tuple(r.tolist() for r in some)).order(orders)
                self._flight.listen_until(30, lambda o: True)
                count += len(some)
        return count

    def refusals(self) -> tuple[Requirement, ...]:
        """What became of it."""
        flight, counted = self._flight, totals(self._flight.events)
        refused = sum(counted.get(f"rejected_plans.{reason}", 0) for reason in self._plans)
        texts = [event.text for event in flight.events]
        names = ", ".join(self._task.problem.reference_names)
        references = sum(any(f"reference {k} refused" in t and names in t for t in texts) for k in self._references)
        updates = sum(any(f"update {k} refused: '{name}'" in t for t in texts) for k, name in self._updates)
        reasons = [*(f"not finite ({field})" for field in FLOWN), "wrong size (nx, nu, ndx = "]
        told = sum(any(reason in text for text in texts) for reason in reasons)
        bad, unread = sum(self._plans.values()), counted.get("unread_plans", 0)
        followed = any(o.plan_sequence >= _FAR for o in flight.observations)
        is_refused = not followed and 0 <= bad - refused <= unread  # older than others that came in the same tick
        return (
            Requirement("every bad plan is refused", f"{refused} of {bad}, the others left unread", is_refused),
            all_of("of them it is told which field is not finite, and the sizes", told, len(reasons)),
            all_of("frames that contradict themselves are refused", counted.get("rejected_frames", 0), self._frames),
            all_of("of them the error names the field", self._named, self._frames),
            all_of("every bad reference is refused by name", references, len(self._references)),
            all_of("every bad parameter, weight and bound is refused by name", updates, len(self._updates)),
        )

    def _send(self, message: Plan | Reference | ParameterUpdate) -> None:
        self._flight.send(message)
        self.sent += 1
        self._flight.listen(_TICK_S)

    def _newest(self) -> Plan:
        """The rightful one that was heard last; what others say in its name comes back, too."""
        return next(
            p for p in reversed(self._flight.plans) if p.sequence < _FAR and np.isfinite(p.estimate).all() and p.estimate.size
        )


def _names(frame: bytes, field: str) -> bool:
    """Whether the error of a frame says what is wrong: the field, or the sizes."""
    try:
        decode(frame)
    except WireError as error:
        return (field or "expected") in str(error) or "sizes" in str(error)
    return False


def _spoilt_sequences(flight: Flight) -> set[int]:
    """Of the observations that were made bad."""
    begins = {event.time_ns for event in flight.events if event.source == SOURCE}
    spoilt, left = set(), 0
    for observation in flight.observations:
        left = _AT_ONCE if observation.time_ns in begins else left - 1
        if left >= 0:
            spoilt.add(observation.sequence)
    return spoilt


def _refused_observations(flight: Flight, spoilt: set[int], count: int) -> Requirement:
    """No plan answers one of them, and the controller names what is wrong."""
    answered = sum(_is_bad(o, flight) and o.sequence in {p.answers_sequence for p in flight.plans} for o in flight.observations)
    texts = [event.text for event in flight.events if event.source == "controller"]
    told = [any(word in text for text in texts) for word in ("not finite: position_x", "measured and", "control values")]
    text = "no bad observation is answered, and it is told what is wrong"
    return Requirement(text, f"{answered} of {count}", answered == 0 and count > 0 and all(told) and len(spoilt) > 0)


def _is_bad(observation: Observation, flight: Flight) -> bool:
    sound: Sequence[Array] = (flight.observations[0].measured, flight.observations[0].control)
    rows = (observation.measured, observation.control)
    return any(a.shape != b.shape or not np.isfinite(a).all() for a, b in zip(rows, sound, strict=True))
