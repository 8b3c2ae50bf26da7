"""Dynamixel X-series servos, commanded by currents or by positions. The keys of its file are in dynamixel_options.py."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Final, final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.drivers import dynamixel_units as table_of
from mpc_controller.drivers.dynamixel_bus import DynamixelBus
from mpc_controller.drivers.dynamixel_options import MODES, DynamixelOptions, dynamixel_options
from mpc_controller.drivers.dynamixel_units import Motion, hardware_fault
from mpc_controller.drivers.joints import JointStates, check_controls
from mpc_controller.node.plant import Plant
from mpc_controller.robot import Robot
from mpc_controller.toml_table import TomlTable

_ENGAGE_TRIES: Final = 3


def plant_of(table: TomlTable, robot: Robot) -> Callable[[], Plant]:
    """Check the table and the robot. Raises TomlError and UnsuitableRobotError; the result raises DriverError."""
    options = dynamixel_options(table)
    joints = JointStates.of(robot, len(options.ids))
    check_controls(robot, len(options.ids), "N m" if options.mode == "current" else "rad")
    return lambda: DynamixelPlant(options, joints)


@final
class DynamixelPlant(Plant):
    """Joints with a servo each. The torque is off until the first command or hold, and after a stop.

    A servo that does not answer gives NaN for its joint in this tick. Servos that report a hardware error, that fall silent, or
    that don't take up the mode they were told to, are a failure.
    """

    def __init__(self, options: DynamixelOptions, joints: JointStates, now_s: Callable[[], float] = time.monotonic) -> None:
        self._options, self._joints, self._now_s = options, joints, now_s
        count = len(options.ids)
        self._units = options.units
        self._angles = np.full(count, math.nan)  # the last sound ones
        self._motions: Mapping[int, Motion] = {}
        self._engaged: int | None = None  # the operating mode; None: the torque is off
        self._unsure, self._tries = False, 0
        self._held: list[int] | None = None
        self._bus = DynamixelBus(options.port, options.baud_rate, options.ids, options.timeout_ms)
        self._heard_s = dict.fromkeys(options.ids, now_s())
        self._disengage()

    def read(self) -> tuple[Array, Array | None]:
        self._motions = {servo: Motion.of(block) for servo, block in self._bus.read(table_of.MOTION).items()}
        now_s = self._now_s()
        self._heard_s |= dict.fromkeys(self._motions, now_s)
        angles = self._units.angles(self._column("position"))
        self._angles = np.where(np.isfinite(angles), angles, self._angles)
        if self._unsure:
            self._confirm()
        silent = [servo for servo, heard_s in self._heard_s.items() if now_s - heard_s > self._options.lost_after_s]
        if silent and not self.failure:
            servos = ", ".join(map(str, silent))
            self.failure = f"{self._options.port}: no answer from servo {servos} for {self._options.lost_after_s:g} s"
        self.failure = self._bus.failure or self.failure
        return self._joints.reading(angles, self._units.rates(self._column("velocity"))), None

    def apply(self, u: Array) -> None:
        self._held = None
        mode = MODES[self._options.mode]
        if mode == table_of.CURRENT_MODE:
            register, goal = table_of.GOAL_CURRENT, self._units.current_counts(u)
        else:
            register, goal = table_of.GOAL_POSITION, self._units.position_ticks(u)
        if self._engaged == mode:
            self._bus.write(register, goal)
        else:
            self._engage(mode, register, goal)

    def hold(self) -> bool:
        """Where the servos hold by themselves: in their position mode, at the angles of the tick in which they took it up."""
        if not self._options.holds_itself:
            return False
        # Without torque they may have been moved: then only what all of them say in this very tick tells where they are.
        is_known = self._engaged is not None or len(self._motions) == len(self._options.ids)
        if self._held is None and is_known and np.isfinite(self._angles).all():
            self._held = self._units.position_ticks(self._angles)
        if self._held is None:
            return True  # nobody knows where to hold: the torque stays as it is
        if self._engaged == table_of.POSITION_MODE:
            self._bus.write(table_of.GOAL_POSITION, self._held)
        else:
            self._engage(table_of.POSITION_MODE, table_of.GOAL_POSITION, self._held)
        return True

    def stop(self) -> bool:
        """Torque off, said again in every tick."""
        self._disengage()
        self._held = None
        return True

    def health(self) -> Mapping[str, float]:
        """Temperatures, voltages and torques; once a second it also looks for servos that have shut down or lost power."""
        self._confirm()
        torques = self._units.torques(self._column("current"))
        report: dict[str, float] = {}
        for servo, torque in zip(self._options.ids, torques, strict=True):
            if servo in self._motions:
                motion = self._motions[servo]
                report[f"servo_{servo}_temperature_celsius"] = motion.temperature
                report[f"servo_{servo}_voltage_v"] = motion.voltage / 10
                report[f"servo_{servo}_torque_nm"] = float(torque)
        return report

    def close(self) -> None:
        """Torque off; seen to be off, if the servos still answer."""
        for _ in range(_ENGAGE_TRIES):
            self._disengage()
            states = self._bus.read(table_of.TORQUE_ENABLE)
            if len(states) == len(self._options.ids) and not any(block[0] for block in states.values()):
                break
        self._bus.close()

    def _column(self, name: str) -> Array:
        """One quantity of all servos, NaN of those that did not answer."""
        return np.array([getattr(self._motions[k], name) if k in self._motions else math.nan for k in self._options.ids])

    def _engage(self, mode: int, register: table_of.Register, goal: list[int]) -> None:
        """Torque on in the mode, with a goal already there. The mode is in the EEPROM: closed while the torque is on."""
        n = len(self._options.ids)
        self._disengage()
        self._bus.write(table_of.OPERATING_MODE, [mode] * n)
        self._bus.write(register, goal)
        self._bus.write(table_of.TORQUE_ENABLE, [1] * n)
        self._bus.write(register, goal)  # switching the torque on sets the goal position to the present one
        self._bus.write(table_of.BUS_WATCHDOG, [self._options.watchdog_ms // table_of.WATCHDOG_UNIT_MS] * n)
        self._engaged, self._unsure = mode, True

    def _disengage(self) -> None:
        n = len(self._options.ids)
        self._bus.write(table_of.TORQUE_ENABLE, [0] * n)
        self._bus.write(table_of.BUS_WATCHDOG, [0] * n)  # one that has tripped refuses goals until it is told 0
        self._engaged, self._unsure = None, False

    def _confirm(self) -> None:
        """Nobody answers a write to all, so look whether what was written is so; else engage again, a few times."""
        states, modes = self._bus.read(table_of.STATE), self._bus.read(table_of.OPERATING_MODE)
        faults = {servo: hardware_fault(block[6]) for servo, block in states.items() if hardware_fault(block[6])}
        if faults:
            self.failure = "; ".join(f"servo {servo} reports {fault}" for servo, fault in faults.items())
        if self._engaged is None or len(states) < len(self._options.ids) or len(modes) < len(self._options.ids):
            return  # looked at again in the next tick, or second
        tripped = any(block[34] == table_of.WATCHDOG_TRIPPED for block in states.values())
        idle = [servo for servo in states if states[servo][0] != 1 or modes[servo][0] != self._engaged]
        self._unsure = False
        if not (tripped or idle):
            self._tries = 0
            return
        self._engaged = self._held = None  # the next command or hold engages again, a hold where they are by then
        self._tries += 1
        if self._tries > _ENGAGE_TRIES and not self.failure:
            self.failure = f"servos {idle or self._options.ids} don't take up their mode"
