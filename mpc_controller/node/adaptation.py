"""Learning on the bus, without the bus: messages in, updates of parameters out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import final

from mpc_controller.bus.messages import Event, Message, Observation, ParameterUpdate
from mpc_controller.identification.gradual_update import GradualUpdate
from mpc_controller.identification.online import OnlineIdentifier
from mpc_controller.model.parameters import ParameterError
from mpc_controller.node.error import NodeError
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.observed import Order, Succession, refusal
from mpc_controller.robot import Robot


@final
class Adaptation:
    """Feeds an identifier with the observations of a stream, and says `rate_hz` times a second, by the plant's clock, what the
    controller should know.

    What the controller was told is known from the stream alone: from its introduction, and from all updates that the plant
    repeats, our own among them. So one that got lost is said again, and a new controller is led from its own values.
    """

    def __init__(self, robot: Robot, identifier: OnlineIdentifier, rate_hz: float) -> None:
        self._robot, self.identifier = robot, identifier
        self._period_ns = round(1e9 / rate_hz)
        self._model = robot.dynamics.parameters
        self._model_values = self._model.values
        spread = dict(zip(identifier.names, identifier.spread, strict=True))
        self._policy = GradualUpdate({name: self._model[name].value for name in identifier.names}, spread)
        self._last: Observation | None = None
        self._succession = Succession()
        self._epoch = ""
        self._said_ns: int | None = None
        self.observations = self.updates = 0
        self.refused: Counter[str] = Counter()

    @property
    def told(self) -> dict[str, float]:
        """What the controller has of what is learned."""
        return self._policy.told

    @property
    def is_due(self) -> bool:
        """Whether a period has passed since `take_update`."""
        return self._last is not None and (self._said_ns is None or self._last.time_ns - self._said_ns >= self._period_ns)

    def accept(self, message: Message) -> None:
        """Take in one message; those that say nothing here pass by. Raises NodeError for a plant of another robot or model."""
        if isinstance(message, Observation):
            self._observe(message)
        elif isinstance(message, ParameterUpdate):
            self._hear(message.values)
        elif isinstance(message, Event):
            introduction = Introduction.of(message)
            if introduction and message.details["epoch"] != self._epoch:
                self._epoch = message.details["epoch"]
                self._hear(introduction.parameters)

    def take_update(self) -> ParameterUpdate | None:
        """What should be said now, once a period; None while nothing is learned, or nothing new."""
        assert self._last is not None
        self._said_ns = self._last.time_ns
        values = self._policy.next(self.identifier.estimates()) if self.identifier.is_learning else {}
        if not values:
            return None
        self.updates += 1
        return ParameterUpdate(self.updates, values)

    def line(self) -> str:
        """How it stands, for people."""
        values = ", ".join(
            f"{e.name} {e.value:.4g} ± {e.half_width:.2g} {e.unit}".rstrip() + f" (told {self.told[e.name]:.4g})"
            for e in self.identifier.estimates()
        )
        learning = "learning" if self.identifier.is_learning else f"held: {self.identifier.held_because}"
        return f"{values}; {learning}, {self.identifier.learned_s:.1f} s so far"

    def _observe(self, observation: Observation) -> None:
        problem = refusal(observation, self._robot)
        if problem:
            if problem[0].startswith("other"):
                raise NodeError(problem[1])
            self.refused[problem[0]] += 1
            return
        order = self._succession.judge(observation, self._last)
        if order in (Order.REPEAT, Order.LATE):
            return
        if order is Order.RESTART:
            self._said_ns = observation.time_ns
        self._last = observation
        self.observations += 1
        self.identifier.update(observation, self._model_values)

    def _hear(self, values: Mapping[str, float]) -> None:
        """As the controller does: all of an update or nothing."""
        own = {name: value for name, value in values.items() if name in self._model}
        try:
            self._model = self._model.with_values(own)
        except ParameterError:
            return
        self._model_values = self._model.values
        self._policy.hear(own)
