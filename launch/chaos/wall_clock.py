"""A wall clock that is set while a robot moves, of the child processes alone: wall_clock.c shifts it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from launch.chaos.checks import largest_step, led_by_one, within_slew
from launch.chaos.flight import Flight, FlightError
from launch.chaos.outcome import Outcome, Requirement, Scale, all_of, none_of
from mpc_controller.bus.messages import Observation
from mpc_controller.native.compiler import CompilerError, find_compiler
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_IN_MOTION = 250
_HOUR_S = 3600
_SHIFTS_S = (_HOUR_S, -_HOUR_S, 0)


def wall_clock(scale: Scale) -> Outcome:
    """An hour forth, two back, one forth; then a controller that starts anew in the past."""
    shifts_s = _SHIFTS_S * scale.times(10, 1)
    with tempfile.TemporaryDirectory(prefix="mpc-chaos-") as folder:
        shift = Path(folder) / "shift"
        environment = {"LD_PRELOAD": str(shim(Path(folder))), "MPC_CHAOS_SHIFT": str(shift)}
        with Flight(_ROBOT, _TASK, environment=environment) as flight:
            controller = flight.start_controller()
            flight.fly(2 * _IN_MOTION)
            begun, seen = len(flight.observations), 0
            for seconds in shifts_s:
                scale.report(f"wall clock at {seconds:+d} s")
                shift.write_text(str(seconds))
                flight.listen_until(_IN_MOTION, lambda o: True)
                seen += is_shifted(environment, seconds)
            steady = flight.observations[begun:]
            shift.write_text(str(-_HOUR_S))
            controller.kill()
            flight.start_controller()
            flight.listen_until(_IN_MOTION, lambda o: o.plan_epoch > steady[-1].plan_epoch and o.mode.follows_plans)
            observations = flight.observations
    return Outcome(
        "the wall clock set by an hour, forth and back",
        len(shifts_s),
        (
            all_of("the processes have the other time", seen, len(shifts_s)),
            none_of("no time that is not the next", _breaks(steady), len(steady)),
            *led_by_one(steady),
            Requirement(
                "a controller that starts in the past leads, with a higher epoch",
                f"{observations[-1].plan_epoch} after {steady[-1].plan_epoch}",
                observations[-1].plan_epoch > steady[-1].plan_epoch,
            ),
            within_slew([largest_step(observations, load_robot(_ROBOT))]),
        ),
    )


def _breaks(observations: list[Observation]) -> int:
    """Ticks at another distance in time from the one before than the first two are."""
    tick_ns = observations[1].time_ns - observations[0].time_ns
    return sum(b.time_ns - a.time_ns != tick_ns * (b.sequence - a.sequence) for a, b in pairwise(observations))


def is_shifted(environment: Mapping[str, str], seconds: int) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"], env=environment, capture_output=True, text=True, check=True
    )
    return abs(float(done.stdout) - time.time() - seconds) < _HOUR_S / 10


def shim(folder: Path) -> Path:
    """The library that shifts the clock, compiled. Raises FlightError where there is no compiler for it."""
    library = folder / "wall_clock.so"
    source = Path(__file__).with_suffix(".c")
    try:
        command = [*find_compiler().command, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
    except CompilerError as error:
        raise FlightError(f"the wall clock is shifted by a library that must be compiled: {error}") from None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FlightError(f"{source.name} can't be compiled: {done.stderr.strip()}")
    return library
