"""The autopilot's flight modes: asked for until it says that it is in them, and left to whoever takes them away."""

from __future__ import annotations

import enum
import math
from typing import Final, final

from mpc_controller.drivers.mavlink_link import MavlinkLink

_DO_SET_MODE, _ARM_DISARM, _CUSTOM_MODE_ENABLED = 176, 400, 1
_ARMED: Final = 128  # of base_mode
_FORCE: Final = 21196  # param2 of arming and disarming: even in the air
_ASK_EVERY_S = 0.2
_SETTLED_AFTER_S = 1.5  # where answers got lost; a heartbeat comes once a second
_RESULTS: Final = {1: "temporarily rejected", 2: "denied", 3: "unsupported", 4: "failed", 5: "in progress", 6: "cancelled"}
_SILENCE = "not answered"


@final
class FlightMode(enum.Enum):
    """PX4's main and sub modes (px4_custom_mode.h)."""

    OFFBOARD = (6, 0)
    HOLD = (4, 3)
    LAND = (4, 6)

    @property
    def number(self) -> int:
        """custom_mode of a HEARTBEAT."""
        main, sub = self.value
        return main << 16 | sub << 24


@final
class ModeKeeper:
    """Keeps one flight mode, and the motors armed or not. `failure`: why it cannot; '' while it can.

    A mode that was reached and is left again without being asked was taken away, by a pilot or a failsafe: that is a failure,
    and nothing more is asked for. So is a robot that is disarmed in flight.
    """

    def __init__(self, link: MavlinkLink, timeout_s: float) -> None:
        self._link, self._timeout_s = link, timeout_s
        self.failure, self.is_taken_away = "", False
        self.mode: FlightMode | None = None  # what is asked for; None: whatever the pilot has chosen
        self._is_reached = self._was_armed = self._is_disarming = False
        self._settled_s = math.inf
        self._began_s = self._asked_s = self._arm_s = self._arming_since_s = -math.inf

    @property
    def is_armed(self) -> bool:
        """What the last heartbeat says."""
        heartbeat = self._link.heartbeat
        return heartbeat is not None and bool(heartbeat.base_mode & _ARMED)

    def keep(self, mode: FlightMode, now_s: float) -> bool:
        """Ask for a mode, once more if need be; whether the autopilot is in it."""
        if mode is not self.mode:
            self.mode, self._is_reached, self._is_disarming = mode, False, False
            self._began_s, self._settled_s, self._asked_s = now_s, math.inf, -math.inf
            self._link.acknowledged.pop(_DO_SET_MODE, None)
        is_in_it = self._is_in(mode, now_s)
        if self.failure or self.is_taken_away:
            return is_in_it
        if not is_in_it and now_s - self._began_s > self._timeout_s:
            reason = self._result(_DO_SET_MODE)
            self.failure = f"the autopilot did not enter {mode.name} within {self._timeout_s:g} s: {reason}"
        elif not is_in_it and now_s - self._asked_s >= _ASK_EVERY_S:
            self._asked_s = now_s
            self._link.command(_DO_SET_MODE, _CUSTOM_MODE_ENABLED, *mode.value)
        self._is_reached = self._is_reached or is_in_it
        return is_in_it

    def _is_in(self, mode: FlightMode, now_s: float) -> bool:
        """By a heartbeat from after the answers to all that was asked: one from before tells of the mode before."""
        link = self._link
        if self._settled_s == math.inf and self._asked_s > -math.inf:
            is_answered = link.answered[_DO_SET_MODE] >= link.sent[_DO_SET_MODE]
            if is_answered or now_s - self._began_s > _SETTLED_AFTER_S:
                self._settled_s = now_s
        if mode is FlightMode.LAND and not self.is_armed:
            return True  # it has landed, or never flew
        return link.heartbeat_s >= self._settled_s and link.heartbeat.custom_mode == mode.number

    def watch(self, now_s: float) -> None:
        """Whether a mode, or the motors, were taken away. Called before anything is asked for, which would hide it."""
        mode = self.mode
        if mode is not None and self._is_reached and not self.failure and not self._is_in(mode, now_s):
            self.is_taken_away = True
            number = self._link.heartbeat.custom_mode
            where = f"{number >> 16 & 0xFF}.{number >> 24}"
            self.failure = f"the autopilot left {mode.name} for mode {where}: a pilot or a failsafe took over"
        # Motors that are switched off in flight, by anyone else, stay off.
        expected = self._is_disarming or mode is FlightMode.LAND
        if self._was_armed and not self.is_armed and not expected and not self.failure:
            self.is_taken_away = True
            self.failure = "the autopilot was disarmed: by a pilot, by a failsafe, or because it landed"
        self._was_armed = self.is_armed

    def arm(self, now_s: float) -> None:
        """Ask for armed motors, until they are."""
        if self.is_armed or self.failure:
            self._arming_since_s = -math.inf
            return
        if self._arming_since_s == -math.inf:
            self._arming_since_s = now_s
        if now_s - self._arming_since_s > self._timeout_s:
            self.failure = f"the autopilot did not arm within {self._timeout_s:g} s: {self._result(_ARM_DISARM)}"
        elif now_s - self._arm_s >= _ASK_EVERY_S:
            self._arm_s = now_s
            self._link.command(_ARM_DISARM, 1)

    def disarm(self) -> None:
        """Motors off at once, in the air too."""
        self._is_disarming, self.mode = True, None
        self._link.command(_ARM_DISARM, 0, _FORCE)

    def insist(self, mode: FlightMode) -> None:
        """Ask once more and expect no answer; for the last words."""
        self._link.command(_DO_SET_MODE, _CUSTOM_MODE_ENABLED, *mode.value)

    def _result(self, command: int) -> str:
        result = self._link.acknowledged.get(command)
        return _SILENCE if result is None else _RESULTS.get(result, "accepted, and not done")
