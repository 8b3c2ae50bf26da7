"""The plant at an address, as an operator's command hears it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, final

from launch.errors import CommandError, ExitCode
from mpc_controller.bus.link import Link
from mpc_controller.bus.messages import Message, Observation

TIMEOUT_S: Final = 3.0
_REPEAT_S: Final = 0.02


@final
class HeardPlant:
    """What is heard of the plant at `address`, of which `name` is expected. Raises CommandError when that takes too long."""

    def __init__(self, link: Link, name: str, address: str) -> None:
        self._link, self.name, self.address = link, name, address
        self._deadline = time.monotonic() + TIMEOUT_S
        self._heard: Observation | None = None

    def answer(self, message: Message | None = None) -> Observation:
        """Its newest observation, after saying the message to it, again until it is heard."""
        while time.monotonic() < self._deadline:
            if message is not None:
                self._link.send(message)
            for heard in self._link.receive(_REPEAT_S):
                if isinstance(heard, Observation):
                    self._heard = heard
            if self._heard is not None:
                return self._heard
        if self._heard is None:
            raise CommandError(
                f"no plant of '{self.name}' answers at {self.address} within {TIMEOUT_S:g} s", ExitCode.ENVIRONMENT
            )
        raise CommandError(f"{self._heard.robot} did not obey: its mode is {self._heard.mode.name}", ExitCode.RUN_FAILED)

    @property
    def time_ns(self) -> int:
        """Of its newest observation; 0 before the first."""
        return 0 if self._heard is None else self._heard.time_ns

    def until(self, is_done: Callable[[Observation], bool], word: Callable[[Observation], Message]) -> Observation:
        """Say words, each about the newest observation, until one shows their effect."""
        heard = self.answer()
        while not is_done(heard):
            heard = self.answer(word(heard))
        return heard

    def named(self, undone: str) -> Observation:
        """Its newest observation, of the robot that was named and no other, which is not `undone`."""
        heard = self.answer()
        if heard.robot != self.name:
            raise CommandError(
                f"the plant at {self.address} is {heard.robot}, not {self.name}; it is not {undone}", ExitCode.ENVIRONMENT
            )
        return heard
