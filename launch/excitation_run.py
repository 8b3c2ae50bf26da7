"""An excitation flown against the simulator or the robot that is at an address: a controller and a recorder as children."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from launch.child import Child, describe_exit, wait_ready
from launch.errors import CommandError, ExitCode
from launch.live_line import Terminal
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.messages import Mode, Observation
from mpc_controller.bus.zmq_link import PeerLink

_BUILD_TIMEOUT_S = 600.0  # as the launcher: generating and compiling the largest solver on a slow machine
_LOOK_S = 0.1
_PLANT_S = 5.0  # how long the controller waits for a plant
_SILENT_S = 30.0  # after which a plant that says nothing more is gone


def run_excitation(
    control: Sequence[str],
    robot: str,
    address: str,
    recording: Path,
    duration_s: float,
    terminal: Terminal,
    stopped: Callable[[], bool],
) -> None:
    """Run `mpc control` with these further arguments and record, for `duration_s` of the plant's time from the first plan on or
    until `stopped()`. Then the robot is left to its own hold. Raises CommandError when something ends before."""
    with ExitStack() as stack:
        link = stack.enter_context(PeerLink(Endpoints.of(address), kinds=(Observation,)))
        children = []
        # The recorder comes first and leaves last, so that nothing is missed.
        for name, arguments in (
            ("record", ["record", robot, "--endpoint", address, "--output", str(recording)]),
            ("control", ["control", robot, "--endpoint", address, "--wait", str(_PLANT_S), *control]),
        ):
            child = Child(name, arguments, terminal.say, terminal.complain)
            stack.callback(child.stop)
            children.append(child)
        late = wait_ready(children, _BUILD_TIMEOUT_S, stopped)
        if late is not None:
            raise _ended(late, "was not ready")
        _watch(link, children, duration_s, terminal, stopped)
        terminal.end_live()


def _watch(
    link: PeerLink, children: Sequence[Child], duration_s: float, terminal: Terminal, stopped: Callable[[], bool]
) -> None:
    start_ns: int | None = None
    heard_s = time.monotonic()
    while not stopped():
        ended = next((child for child in children if child.exit_code() is not None), None)
        if ended is not None:
            raise _ended(ended, "ended during the experiment")
        for message in link.receive(_LOOK_S):
            if not isinstance(message, Observation):
                continue
            heard_s = time.monotonic()
            if message.mode is Mode.E_STOP:
                raise CommandError(f"'{message.robot}' was stopped at {message.time_ns * 1e-9:.1f} s", ExitCode.RUN_FAILED)
            if start_ns is None and message.mode.follows_plans and message.plan_sequence > 0:
                start_ns = message.time_ns
            if start_ns is not None:
                elapsed_s = (message.time_ns - start_ns) * 1e-9
                terminal.show(f"{elapsed_s:6.2f} of {duration_s:.1f} s | {message.mode.name}")
                if elapsed_s >= duration_s:
                    return
        if time.monotonic() - heard_s > _SILENT_S:
            raise CommandError(f"the plant has said nothing for {_SILENT_S:g} s", ExitCode.ENVIRONMENT)


def _ended(child: Child, what: str) -> CommandError:
    code = child.wait(1.0)
    reason = ExitCode(code) if code in (ExitCode.BAD_INPUT, ExitCode.ENVIRONMENT) else ExitCode.RUN_FAILED
    return CommandError(f"{child.name} {what}{'' if code is None else f' ({describe_exit(code)})'}", reason)
