"""Peers that may not command: without a key, with an unknown one, with the wrong role, or with what others said before."""

from __future__ import annotations

import dataclasses
import itertools
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from launch.chaos.checks import largest_step, led_by_one, within_slew
from launch.chaos.flight import Flight
from launch.chaos.outcome import Outcome, Scale, all_of, none_of
from launch.chaos.wire_tap import WireTap
from mpc_controller.bus.endpoints import Endpoints
from mpc_controller.bus.keys import KeyFolder, KeyPair, PeerKey, Role
from mpc_controller.bus.messages import EStop, Event, EventKind, Message, Mode, Plan
from mpc_controller.bus.zmq_link import PeerLink
from robots import load_robot

_ROBOT, _TASK = "quadrotor", "hover"
_IN_MOTION = 250
_AT_ONCE = 10
_MARK = "stranger"


def strangers(scale: Scale) -> Outcome:
    """All of them at once, while the rightful controller flies."""
    tries = scale.times(10_000, 400)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mpc-chaos-")))
        plant_port, tap_port = free_ports(), free_ports()
        keys = KeyFolder.create(folder / "plant")
        files = {role: _key_file(keys, role, folder) for role in Role}
        near, far = f"tcp://127.0.0.1:{plant_port}", f"tcp://127.0.0.1:{tap_port}"
        observer = PeerKey.load(files[Role.OBSERVER])
        flight = stack.enter_context(Flight(_ROBOT, _TASK, near, "--keys", str(keys.folder), key=observer))
        tap = stack.enter_context(WireTap(plant_port, tap_port))
        flight.start_controller(None, "--keys", str(files[Role.CONTROLLER]))
        flight.fly(_IN_MOTION)
        begun, sent = len(flight.observations), 0
        links = {
            name: stack.enter_context(PeerLink(e, newest_only=())) for name, e in _strangers(near, far, keys, files).items()
        }
        flight.listen(0.5)
        for name, words in {name: _words(flight, name) for name in links}.items():
            scale.report(f"{tries // 5} commands of one with {name}")
            for _ in range(0, tries // 5, _AT_ONCE):
                for message in itertools.islice(words, _AT_ONCE):
                    links[name].send(message)
                    sent += 1
                flight.listen(0.004)
        recorded = tap.recorded()
        scale.report(f"an encrypted connection with the controller's key replayed, {tries // 100} times")
        for _ in range(tries // 100):
            sent += 1
            _replay(plant_port + 1, recorded)
            flight.listen(0.004)
        flight.fly(_IN_MOTION)
        accepted = _accepted(flight)
        end = len(flight.observations)
        scale.report("the stop of an operator, who may say it")
        links["the key of an operator"].send(EStop(1))
        flight.listen_until(1, lambda o: o.mode is Mode.E_STOP)
    return Outcome(
        "no key, an unknown key, the wrong role, replayed frames and connections",
        sent,
        (
            none_of("none of their commands accepted", accepted, sent),
            all_of("and what an operator may say is", len(flight.stops), 1),
            *led_by_one(flight.observations[begun:end]),
            within_slew([largest_step(flight.observations, load_robot(_ROBOT))]),
        ),
    )


def _strangers(near: str, far: str, keys: KeyFolder, files: dict[Role, Path]) -> dict[str, Endpoints]:
    """By what they come with; the one with the controller's key by a wire that is tapped."""
    unknown = PeerKey("controller", Role.CONTROLLER, KeyPair.new(), keys.pair.public)
    come = {"no key": None, "an unknown key": unknown}
    come |= {f"the key of an {role}": PeerKey.load(files[role]) for role in (Role.OBSERVER, Role.OPERATOR)}
    endpoints = {name: Endpoints.of(near, key) for name, key in come.items()}
    return endpoints | {"the controller's key": Endpoints.of(far, PeerKey.load(files[Role.CONTROLLER]))}


def _words(flight: Flight, name: str) -> Iterator[Message]:
    """What they say: plans that would be followed, stops and events; the holder of the controller's key says old plans again
    and would release the robot; an operator, who may stop it, plans alone."""
    old = flight.plans[len(flight.plans) // 2]
    while True:
        newest = flight.plans[-1]
        if name == "the controller's key":
            yield dataclasses.replace(old, task=_MARK)
            yield EStop(2**40, clear=True)
            continue
        yield dataclasses.replace(newest, sequence=newest.sequence + 3, task=_MARK)
        if "operator" not in name:
            yield EStop(1)
            yield Event(EventKind.INFO, 0, _MARK, "let me in")


def _accepted(flight: Flight) -> int:
    """What the plant acted on, or repeated from those who may not say it. Old plans said again pass the door, being the
    controller's, and are refused behind it: followed ones never go back."""
    old = {(o.plan_epoch, o.plan_sequence): o.time_ns for o in reversed(flight.observations) if o.plan_sequence}
    followed = [o for o in flight.observations if o.plan_sequence]
    back = sum(b.plan_sequence < a.plan_sequence for a, b in itertools.pairwise(followed) if a.plan_epoch == b.plan_epoch)
    strange = [p for p in flight.plans if p.task == _MARK and not _is_old(p, old)]
    events = [e for e in flight.events if e.source == _MARK]
    return back + len(strange) + len(events) + len(flight.stops)


def _is_old(plan: Plan, first_followed_ns: dict[tuple[int, int], int]) -> bool:
    return (plan.epoch, plan.sequence) in first_followed_ns


def _replay(port: int, recorded: bytes) -> None:
    """Everything that was said with the controller's key, byte by byte, in a connection of one's own."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5.0) as peer:
        peer.sendall(recorded[:200_000])
        peer.settimeout(0.05)
        with suppress(OSError):
            peer.recv(4096)


def _key_file(keys: KeyFolder, role: Role, folder: Path) -> Path:
    key = keys.add(str(role), role)
    assert key is not None
    path = folder / f"{role}.key"
    key.save(path)
    return path


def free_ports() -> int:
    """The first of two in a row that nobody listens at."""
    deadline_s = time.monotonic() + 5.0
    while True:
        with socket.socket() as first, socket.socket() as second, suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            second.bind(("127.0.0.1", port + 1))
            return port
        assert time.monotonic() < deadline_s, "no two free ports in a row"
