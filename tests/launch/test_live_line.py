"""The live line: what it says, and how it shares the terminal with lines that stay."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np

from launch.live_line import RunMonitor, Terminal
from mpc_controller.bus.fake_link import FakeBus
from mpc_controller.bus.messages import Mode, Observation


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


OBSERVATION = Observation(
    robot="cartpole",
    model_hash="0" * 12,
    sequence=0,
    time_ns=5_000_000_000,
    measured=np.zeros(4),
    control=np.zeros(1),
    mode=Mode.HOLD,
    plan_epoch=0,
    plan_sequence=0,
    plan_age_ns=0,
    latency_ns=-1,
)


def test_on_a_terminal_the_live_line_is_written_over_and_lines_that_stay_come_above_it() -> None:
    screen = _Screen()
    terminal = Terminal(screen)
    terminal.show("one")
    terminal.show("two")
    terminal.say("stays")
    terminal.end_live()
    assert screen.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Kstays\n\r\x1b[Ktwo\n"


def test_without_a_terminal_lines_are_whole_and_come_every_two_seconds() -> None:
    stream = io.StringIO()
    now_s = 0.0
    terminal = Terminal(stream, clock_s=lambda: now_s)
    for now_s in np.arange(0.0, 5.5, 0.5):
        terminal.show(f"at {now_s:g} s")
    terminal.end_live()
    assert stream.getvalue() == "at 0 s\nat 2 s\nat 4 s\n"


def test_the_line_tells_time_since_the_first_observation_and_the_mode() -> None:
    bus = FakeBus()
    with bus.plant_link() as plant, bus.peer_link() as peer:
        monitor = RunMonitor(peer)
        assert monitor.line() == ""
        plant.send(OBSERVATION)
        assert monitor.line() == "  0.00 s | HOLD"
        later = replace(
            OBSERVATION, sequence=1, time_ns=6_500_000_000, mode=Mode.NOMINAL, plan_sequence=3, plan_age_ns=12_000_000
        )
        plant.send(later)
        assert monitor.line() == "  1.50 s | plan age 12.0 ms | NOMINAL"


def test_errors_go_to_their_own_stream_and_the_live_line_comes_back() -> None:
    screen, errors = _Screen(), io.StringIO()
    terminal = Terminal(screen, errors=errors)
    terminal.show("one")
    terminal.complain("sim: error: bad")
    assert errors.getvalue() == "sim: error: bad\n"
    assert screen.getvalue() == "\r\x1b[Kone\r\x1b[K\r\x1b[Kone"
