"""The control table of Dynamixel X-series servos with firmware 45 or newer, and what its numbers mean.

Addresses and units: ROBOTIS e-Manual, for example https://emanual.robotis.com/docs/en/dxl/x/xm430-w350/.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import numpy as np

from mpc_controller.arrays import Array

TICKS_PER_TURN: Final = 4096
CENTRE_TICKS: Final = 2048
RAD_PER_TICK: Final = 2 * math.pi / TICKS_PER_TURN
RAD_PER_S_PER_COUNT: Final = 0.229 * 2 * math.pi / 60  # 0.229 rpm
WATCHDOG_UNIT_MS: Final = 20


class Register(NamedTuple):
    """Some bytes of the control table."""

    address: int
    size: int


OPERATING_MODE: Final = Register(11, 1)  # EEPROM: writable while the torque is off
TORQUE_ENABLE: Final = Register(64, 1)
BUS_WATCHDOG: Final = Register(98, 1)  # 0: off; 1 to 127: units of 20 ms; 255: has tripped
GOAL_CURRENT: Final = Register(102, 2)
GOAL_POSITION: Final = Register(116, 4)
MOTION: Final = Register(126, 21)  # present current 126, velocity 128, position 132, ..., voltage 144, temperature 146
STATE: Final = Register(64, 35)  # torque enable 64, hardware error status 70, bus watchdog 98

CURRENT_MODE, POSITION_MODE, EXTENDED_POSITION_MODE = 0, 3, 4
WATCHDOG_TRIPPED: Final = 255
HARDWARE_ERRORS: Final = {
    0: "input voltage",
    2: "overheating",
    3: "encoder",
    4: "electrical shock",
    5: "overload",
}


class Motion(NamedTuple):
    """What one servo says of itself, in its own units."""

    current: int
    velocity: int
    position: int
    voltage: int
    temperature: int

    @staticmethod
    def of(block: bytes) -> Motion:
        """From the bytes of MOTION, little-endian and signed where the quantity is."""

        def number(first: int, size: int, signed: bool) -> int:
            return int.from_bytes(block[first : first + size], "little", signed=signed)

        return Motion(number(0, 2, True), number(2, 4, True), number(6, 4, True), number(18, 2, False), number(20, 1, False))


def hardware_fault(status: int) -> str:
    """What the bits of Hardware Error Status say; '' for none."""
    return " and ".join(text for bit, text in HARDWARE_ERRORS.items() if status >> bit & 1)


@final
@dataclass(frozen=True)
class ServoUnits:
    """Between servos and joints, all (n,):

        q = s (2π/4096 (ticks − 2048)) + q₀      q̇ = s 0.229 rpm · counts      τ = s k_t (unit · counts)

    s: ±1, the sense of rotation; q₀ [rad]: the joint's angle in the middle of the servo's range; k_t [N m/A] at the servo's
    horn; `current_unit` [A] of a count, which depends on the model.
    """

    signs: Array
    zeros: Array
    torque_per_ampere: Array
    current_unit: float

    def angles(self, ticks: Array) -> Array:
        """Joint angles [rad]; not a number stays so."""
        return np.asarray(self.signs * (ticks - CENTRE_TICKS) * RAD_PER_TICK + self.zeros)

    def rates(self, counts: Array) -> Array:
        """Joint rates [rad/s]."""
        return np.asarray(self.signs * counts * RAD_PER_S_PER_COUNT)

    def torques(self, counts: Array) -> Array:
        """Joint torques [N m]."""
        return np.asarray(self.signs * counts * self.current_unit * self.torque_per_ampere)

    def position_ticks(self, angles: Array) -> list[int]:
        """The nearest goal positions."""
        ticks = self.signs * (angles - self.zeros) / RAD_PER_TICK + CENTRE_TICKS
        return [int(k) for k in np.rint(ticks)]

    def current_counts(self, torques: Array) -> list[int]:
        """The goal currents nearest to what gives the torques [N m]."""
        counts = self.signs * torques / (self.torque_per_ampere * self.current_unit)
        return [int(k) for k in np.rint(np.clip(counts, -32768, 32767))]
