"""Listeners that do not keep up, or cannot write what they hear: the loops and the memory of those that speak do not notice."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
import zmq

from launch.chaos.checks import largest_step, led_by_one, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, all_of, at_most
from launch.chaos.processes import memory_mb, processor_s
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.recording import RecordingError, read_recording
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_IN_MOTION = 250
_MOST_MORE = 10.0  # %
_PER_LISTENER_MB = 8.0  # two seconds of all that is said are kept for each, and copies on their way
_FULL = 1000  # ticks in which all that is kept for a listener has filled up
_ALONE = 500  # ticks, before and after a disk is full
_LIMIT_MB = 3.0
_FAULT = "fault"  # the phase with it
_SLOW_EVERY = 50  # ticks between two messages of the slow one


def slow_subscribers(scale: Scale) -> Outcome:
    """One that never reads, one that reads ten messages a second, and a recorder that is stopped; then none of them."""
    ticks, cycles = scale.times(3_000, 500), scale.times(5, 1)
    kept_mb, grown_mb, read = [], [], 0
    with ExitStack() as stack:
        flight = stack.enter_context(Flight(_ROBOT, _TASK))
        controller = flight.start_controller()
        path = f"{flight.folder}/slow.mcap"
        recorder = flight.start("record", _ROBOT, "--endpoint", flight.address, "--output", path)
        flight.fly(_IN_MOTION)
        begun = len(flight.observations)
        loads = _Loads(flight, controller)
        while loads.wants_more(cycles):
            scale.report(f"three that do not keep up, for {ticks} ticks")
            loads.measure("before", ticks)
            before_mb = memory_mb(flight.plant.pid)
            recorder.send_signal(signal.SIGSTOP)
            with zmq.Context() as context:
                subscribers = [_subscriber(context, flight.address) for _ in range(2)]
                flight.listen_until(_FULL, lambda o: True)
                full_mb = memory_mb(flight.plant.pid)
                read += loads.measure(_FAULT, ticks, partial(_read_one, subscribers[0]))
                kept_mb.append(full_mb - before_mb)
                grown_mb.append(memory_mb(flight.plant.pid) - full_mb)
                context.destroy(0)
            recorder.send_signal(signal.SIGCONT)
            flight.listen_until(_IN_MOTION, lambda o: True)
            loads.measure("after", ticks)
            loads.compare()
        recorder.terminate()
        said = flight.await_end(recorder)
        flight.fly(_IN_MOTION)
    lost = re.search(r"(\d+) observations did not come", said)
    return Outcome(
        "a subscriber that never reads, a slow one, a recorder that is stopped",
        3 * len(kept_mb),
        (
            *loads.requirements(),
            at_most("what is kept for three slow ones is bounded", max(kept_mb), 3 * _PER_LISTENER_MB, "MB"),
            at_most("and does not grow", max(grown_mb), 1.0, "MB"),
            Requirement("what was dropped is told", f"by the recorder: {lost[0] if lost else 'nothing'}", lost is not None),
            Requirement("the slow one gets something all the same", f"{read} messages", read > 0),
            *led_by_one(flight.observations[begun:]),
            within_slew([largest_step(flight.observations, load_robot(_ROBOT))]),
        ),
    )


def full_disk(scale: Scale) -> Outcome:
    """A recorder whose disk is full after three megabytes."""
    times = ended_well = readable = 0
    said = ""
    with Flight(_ROBOT, _TASK) as flight:
        controller = flight.start_controller()
        flight.fly(_IN_MOTION)
        begun = len(flight.observations)
        loads = _Loads(flight, controller)
        while loads.wants_more(scale.times(10, 1)):
            scale.report(f"a recorder on a full disk, {times + 1} of {scale.times(10, 1)}")
            loads.measure("before", _ALONE)
            with ExitStack() as stack:
                path = _small_disk(Path(flight.folder) / f"disk{times}", stack) / "full.mcap"
                arguments = ("record", _ROBOT, "--endpoint", flight.address, "--output", str(path))
                recorder = flight.start_module("launch.chaos.listeners", *arguments)
                loads.measure(_FAULT, 2 * _ALONE)
                said = flight.await_end(recorder)
                errors = [line for line in said.splitlines() if line.startswith("error: ")]
                ended_well += recorder.returncode != 0 and len(errors) == 1 and "can't be written" in errors[0]
                readable += _messages(path) > 0
            loads.measure("after", _ALONE)
            loads.compare()
            times += 1
        flight.fly(_IN_MOTION)
    return Outcome(
        "a recorder whose disk is full",
        times,
        (
            all_of("it ends with one clear error", ended_well, times),
            Requirement("(the error)", said.strip().splitlines()[-1].replace(flight.folder, "") if said else "", holds=True),
            all_of("what it had written is readable", readable, times),
            *loads.requirements(),
            *led_by_one(flight.observations[begun:]),
        ),
    )


@final
class _Loads:
    """What the loops take, in cycles: before, with the fault, after. Of the plant it is the time of the processor a tick, which
    is what is left of a loop's lateness on a machine that others use, too; of the controller, from an observation to its plan.

    A cycle is compared with the slower of its phases without the fault: such a machine drifts. The median of cycles counts.
    """

    def __init__(self, flight: Flight, controller: subprocess.Popen[str]) -> None:
        self._flight, self._controller = flight, controller
        self._phases: dict[str, tuple[float, float]] = {}
        self._cycles: list[tuple[float, float]] = []

    def measure(self, phase: str, ticks: int, now_and_then: Callable[[], int] = lambda: 0) -> int:
        """For so many ticks; what `now_and_then` counted."""
        flight = self._flight
        first_plan, first, begun_s = len(flight.plans), len(flight.observations), processor_s(flight.plant.pid)
        counted = 0
        while len(flight.observations) - first < ticks:
            flight.listen_until(_SLOW_EVERY, lambda o: True)
            counted += now_and_then()
        tick_us = (processor_s(flight.plant.pid) - begun_s) / (len(flight.observations) - first) * 1e6
        loop_us = float(np.median([plan.loop_time_ns for plan in flight.plans[first_plan:]])) * 1e-3
        self._phases[phase] = tick_us, loop_us
        return counted

    def compare(self) -> None:
        """End a cycle."""
        fault, *usual = (self._phases[phase] for phase in (_FAULT, "before", "after"))
        tick, loop = (100 * (with_fault / max(without) - 1) for with_fault, *without in zip(fault, *usual, strict=True))
        self._cycles.append((tick, loop))

    def wants_more(self, cycles: int) -> bool:
        """Before so many, and for two more where they do not hold: others may have come in between."""
        done = len(self._cycles)
        return done < cycles or (done < cycles + 2 and not all(r.holds for r in self.requirements()))

    def requirements(self) -> tuple[Requirement, ...]:
        """10 % more at most."""
        more = np.median(self._cycles, axis=0)
        words = ("the plant's tick", "the controller's loop")
        return tuple(
            Requirement(
                f"{word} takes at most {_MOST_MORE:g} % longer",
                f"{percent:+.1f} % of {self._phases['after'][k]:.0f} us, {len(self._cycles)} times",
                bool(percent <= _MOST_MORE),
            )
            for k, (word, percent) in enumerate(zip(words, more, strict=True))
        )


def _subscriber(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    """One that keeps nothing itself."""
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 1)
    socket.setsockopt(zmq.RCVBUF, 4096)
    socket.subscribe(b"")
    socket.connect(Endpoints.of(address).out)
    return socket


def _read_one(socket: zmq.Socket[bytes]) -> int:
    try:
        socket.recv(zmq.NOBLOCK)
    except zmq.Again:
        return 0
    return 1


def _small_disk(folder: Path, stack: ExitStack) -> Path:
    """A disk of its own where that may be mounted; else an ordinary folder: files may not grow further in any case."""
    folder.mkdir()
    size = f"size={round(_LIMIT_MB * 2**20)}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode == 0:
        stack.callback(subprocess.run, ["umount", str(folder)], capture_output=True, check=False)
    return folder


def _messages(path: Path) -> int:
    try:
        return sum(1 for _ in read_recording(path).messages())
    except RecordingError:
        return 0


def main(arguments: Sequence[str]) -> None:
    """`mpc`, whose files may not grow beyond the limit."""
    from launch.cli import main as mpc

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = round(2 * _LIMIT_MB * 2**20)  # above that of the disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.argv = ["mpc", *arguments]
    mpc()


if __name__ == "__main__":
    main(sys.argv[1:])
