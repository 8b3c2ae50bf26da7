"""Whether the plant is the one that a controller was set up for, and whether it may lead it."""

from __future__ import annotations

import secrets
import statistics
from typing import final

from mpc_controller.bus.messages import LARGEST_EPOCH, Claim, Observation
from mpc_controller.node.controller import ControlJob
from mpc_controller.node.error import NodeError
from mpc_controller.node.observed import refusal

_PATIENCE_NS = 500_000_000  # a plant lets go of a controller that died within three of its periods
_SPACINGS = 10  # observations whose distances tell the plant's rate
_PLAN_PERIOD_TOLERANCE = 0.01
_PLANT_PERIOD_TOLERANCE = 0.05  # clocks of real robots skip ticks
_APART = 2**32  # epochs, in which controllers that meet a plant at once draw theirs


@final
class PlantWatch:
    """Looks at all observations from the first words of a plant on, and raises NodeError when the plant is another robot, runs
    at other rates, or is led by another controller. A plant is led by the one whose plans it follows.

    `epoch` is ours: above all that the plant knew when it was met.
    """

    def __init__(self, job: ControlJob, epoch: int) -> None:
        self.epoch = epoch
        self._robot = job.robot
        self._plan_hz, self._plant_hz = job.rate_hz, job.robot.plant_rate_hz
        self._takes_over = job.claim is Claim.TAKE_OVER
        self._last: Observation | None = None
        self._spacings_ns: list[float] = []
        self._led_since_ns: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether the plant may be claimed."""
        return self._led_since_ns is None or self._takes_over

    @property
    def knows_rate(self) -> bool:
        """Whether the plant's rate was checked."""
        return len(self._spacings_ns) >= _SPACINGS

    def meet(self, observation: Observation) -> None:
        """Look at an observation from before our first plan."""
        problem = refusal(observation, self._robot)
        if problem and problem[0].startswith("other"):
            raise NodeError(problem[1])
        self._check_plan_period(observation.plan_period_ns)
        if observation.plan_epoch >= LARGEST_EPOCH - _APART:
            raise NodeError(f"the plant of '{self._robot.name}' has seen the last epoch that there is; start it again")
        if self.epoch <= observation.plan_epoch + 1:  # the next one is a stop's, and others may be meeting the plant, too
            self.epoch = observation.plan_epoch + 2 + secrets.randbelow(_APART - 2)
        if self._takes_over:
            self._led_since_ns = None
        self.follow(observation)

    def follow(self, observation: Observation) -> None:
        """Look at an observation while we plan."""
        self._check_leader(observation)
        if not self.knows_rate:
            self._measure_rate(observation)

    def _check_leader(self, observation: Observation) -> None:
        leader = observation.plan_epoch
        is_stop = leader == self.epoch + 1 and not observation.mode.follows_plans
        if leader > self.epoch and not is_stop:
            raise NodeError(f"another controller (epoch {leader}) took over the plant of '{self._robot.name}'; this one ends")
        if leader == self.epoch or not observation.mode.follows_plans:
            self._led_since_ns = None
            return
        if self._led_since_ns is None or observation.time_ns < self._led_since_ns:
            self._led_since_ns = observation.time_ns
        if observation.time_ns - self._led_since_ns > _PATIENCE_NS:
            raise NodeError(
                f"another controller (epoch {leader}) is in charge of the plant of '{self._robot.name}'; stop it first, "
                "or take over"
            )

    def _check_plan_period(self, period_ns: int) -> None:
        """The plant judges the age of plans by this period."""
        if period_ns <= 0:
            return
        expected_hz = 1e9 / period_ns
        if abs(self._plan_hz / expected_hz - 1) > _PLAN_PERIOD_TOLERANCE:
            raise NodeError(
                f"this controller plans at {self._plan_hz:g} Hz, the plant of '{self._robot.name}' expects plans at "
                f"{expected_hz:g} Hz: start both with the same control rate"
            )

    def _measure_rate(self, observation: Observation) -> None:
        """By the median of the distances, divided by the observations that were lost between."""
        last, self._last = self._last, observation
        if last is None:
            return
        count, distance_ns = observation.sequence - last.sequence, observation.time_ns - last.time_ns
        if count <= 0 or distance_ns <= 0:
            return
        self._spacings_ns.append(distance_ns / count)
        if not self.knows_rate:
            return
        seen_hz = 1e9 / statistics.median(self._spacings_ns)
        if abs(self._plant_hz / seen_hz - 1) > _PLANT_PERIOD_TOLERANCE:
            raise NodeError(
                f"the plant of '{self._robot.name}' makes {seen_hz:.4g} observations a second, this controller was set up for "
                f"{self._plant_hz:g}: start both with the same plant rate"
            )
