"""An hour with a fault every half minute: nothing raises, nothing leaks, and the robot flies again each time."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import final

import numpy as np

from launch.chaos.bad_network import BadNetwork, Weather
from launch.chaos.checks import hold_delays_ms, largest_step, longest_hold_ms, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, all_of, at_most, none_of
from launch.chaos.processes import memory_mb, open_files
from mpc_controller.bus.messages import EStop, Mode, ParameterUpdate
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_EVERY_S = 30.0
_WARM_UP = 10  # faults
_SLOPE_MB = 1.0  # an hour
_MOTION = 250  # observations after every fault


def soak(scale: Scale) -> Outcome:
    """Faults drawn with a seed; memory and open files of plant and recorder after each. Quick: six, a second apart."""
    times, every_s, warm_up = scale.times(120, 6), 1.0 if scale.is_quick else _EVERY_S, 2 if scale.is_quick else _WARM_UP
    limit_mb_h = 1e4 if scale.is_quick else _SLOPE_MB  # some seconds say nothing about an hour
    robot = load_robot(_ROBOT)
    steps: list[float] = []
    late = returned = 0
    with Flight(_ROBOT, _TASK) as flight, BadNetwork(flight.address, f"{flight.address}-far", Weather()) as network:
        crew = _Crew(flight, network)
        flight.fly(_MOTION)
        watched = {"plant": _Usage(flight.plant.pid), "recorder": _Usage(crew.recorder.pid)}
        random = np.random.default_rng(0)
        names = tuple(crew.faults)
        for k in range(times):
            name = names[int(random.integers(len(names)))]
            scale.report(f"{k + 1} of {times}: {name}")
            crew.faults[name]()
            flight.fly(_MOTION)
            returned += 1
            flight.listen(every_s)
            steps.append(largest_step(flight.observations, robot))
            limit_ms = longest_hold_ms(flight.observations) + 1e-6
            late += sum(delay > limit_ms for delay in hold_delays_ms(flight.observations))
            flight.forget()
            if k >= warm_up:
                for usage in watched.values():
                    usage.look()
        raised = crew.raised
    return Outcome(
        f"a fault every {every_s:g} s",
        times,
        (
            all_of("the robot flies again after each", returned, times),
            none_of("no exception in any process", raised, crew.started),
            none_of("no hold came late", late, times),
            within_slew(steps),
            *(at_most(f"memory of the {name} does not grow", u.slope_mb_h, limit_mb_h, "MB/h") for name, u in watched.items()),
            *(
                Requirement(f"open files of the {name} stay", f"{u.files_low} to {u.files_high}", u.is_steady)
                for name, u in watched.items()
            ),
        ),
    )


@final
class _Crew:
    """The processes beside the plant, and what may be done to them."""

    def __init__(self, flight: Flight, network: BadNetwork) -> None:
        self._flight, self._network = flight, network
        self._far = f"{flight.address}-far"
        self._sequence = 0
        self.started = self.raised = 0
        self._listen(flight.plant)
        output = ("--output", f"{flight.folder}/soak.mcap")
        self.recorder = self._listen(flight.start("record", _ROBOT, "--endpoint", flight.address, *output))
        self._controller = self._listen(flight.start_controller(self._far))
        self.faults: Mapping[str, Callable[[], None]] = {
            "controller killed": self._kill,
            "controller paused for a second": self._pause,
            "link cut for a second": self._cut,
            "storm for three seconds": self._storm,
            "stop and release": self._stop,
            "nonsense": self._nonsense,
        }

    def _listen(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """Take in all that it prints, so that it is never held up, and look for tracebacks."""

        def read() -> None:
            assert process.stdout is not None
            with suppress(ValueError, OSError):  # closed meanwhile
                for line in process.stdout:
                    self.raised += line.startswith("Traceback")

        self.started += 1
        threading.Thread(target=read, daemon=True).start()
        return process

    def _kill(self) -> None:
        self._controller.kill()
        self._flight.listen_until(20, lambda o: o.mode is Mode.HOLD)
        self._controller = self._listen(self._flight.start_controller(self._far))

    def _pause(self) -> None:
        self._controller.send_signal(signal.SIGSTOP)
        self._flight.listen(1.0)
        self._controller.send_signal(signal.SIGCONT)

    def _cut(self) -> None:
        self._network.cut = True
        self._flight.listen(1.0)
        self._network.cut = False

    def _storm(self) -> None:
        self._network.weather = Weather(loss=0.2, doubling=0.2, delay_s=0.004, reordering=50)
        self._flight.listen(3.0)
        self._network.weather = Weather()

    def _stop(self) -> None:
        stop = EStop(time.time_ns())
        self._flight.send(stop)
        self._flight.listen_until(100, lambda o: o.mode is Mode.E_STOP)
        self._flight.send(EStop(time.time_ns(), clear=True))
        self._flight.listen_until(1, lambda o: o.mode is not Mode.E_STOP)

    def _nonsense(self) -> None:
        for value in (float("nan"), float("inf"), -1.0):
            self._sequence += 1
            self._flight.send(ParameterUpdate(self._sequence, {"mass": value, f"weight.nothing[{self._sequence}]": value}))


@final
class _Usage:
    """Memory and open files of a process over time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._hours: list[float] = []
        self._megabytes: list[float] = []
        self._files: list[int] = []

    def look(self) -> None:
        self._hours.append(time.monotonic() / 3600)
        self._megabytes.append(memory_mb(self._pid))
        self._files.append(open_files(self._pid))

    @property
    def slope_mb_h(self) -> float:
        """Of a line through what was seen."""
        return float(np.polyfit(self._hours, self._megabytes, 1)[0]) if len(self._hours) > 2 else float("nan")

    @property
    def files_low(self) -> int:
        return min(self._files)

    @property
    def files_high(self) -> int:
        return max(self._files)

    @property
    def is_steady(self) -> bool:
        """Sockets of killed controllers linger for a moment: the number comes back, and does not climb."""
        half = len(self._files) // 2
        return min(self._files[half:]) <= min(self._files[:half] or [0]) and self.files_high - self.files_low <= 8
