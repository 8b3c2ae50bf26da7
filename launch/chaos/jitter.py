"""500 Hz for minutes, with recorder and viewer, and every core loaded: how late ticks begin, and how many plans miss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Requirement, Scale, at_most
from launch.chaos.plant_summary import PlantSummaryFile
from sim.viewer import has_display

_ROBOT, _TASK, _RATE_HZ = "quadrotor", "figure-eight", 500
_LATE_US = 1000.0
_MISSES = 1e-3
_BURN = "while True: sum(range(10_000))"


def jitter(scale: Scale) -> Outcome:
    """Observations, commands and plans, all of them. Each core has a busy program beside the loops, as ordinary programs are;
    the viewer is there where there is a display."""
    is_seen = has_display()
    seconds = scale.times(600, 10)
    with ExitStack() as stack:
        summary = stack.enter_context(PlantSummaryFile())
        flight = stack.enter_context(Flight(_ROBOT, _TASK, None, *summary.options, "--control-rate", str(_RATE_HZ)))
        told = Path(flight.folder) / "control.json"
        controller = flight.start_controller(None, "--rate", str(_RATE_HZ), "--json", str(told))
        flight.start("record", _ROBOT, "--endpoint", flight.address, "--output", f"{flight.folder}/jitter.mcap")
        if is_seen:
            flight.start("view", _ROBOT, "--endpoint", flight.address)
        flight.fly(_RATE_HZ)
        for _ in range(os.cpu_count() or 1):
            stack.callback(_end, subprocess.Popen([sys.executable, "-c", _BURN]))
        for k in range(seconds):
            scale.report(f"{k} of {seconds} s at {_RATE_HZ} Hz, every core loaded")
            flight.listen_until(_RATE_HZ, lambda o: True)
            flight.forget()
        controller.terminate()
        flight.await_end(controller)
        flight.stop_plant()
        plant, control = summary.read(), json.loads(told.read_text())
    late, missed = plant["wake_late_us"], control["deadline_misses"] / max(control["plans"], 1)
    return Outcome(
        f"{_RATE_HZ} Hz for {seconds} s, recorder{' and viewer' if is_seen else ''} on, every core loaded",
        plant["ticks"],
        (
            at_most("ticks begin late by less than 1 ms, at the 99.9th percentile", late["p999"], _LATE_US, "us"),
            Requirement("(the largest, for the record)", f"{late['max']:.0f} us, {plant['overruns']} overruns", holds=True),
            at_most(
                "plans that miss their deadline, of all",
                missed,
                _MISSES,
                f"({control['deadline_misses']} of {control['plans']})",
            ),
        ),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
