"""The faults by the name that users type. A fault: one function and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from launch.chaos.bad_values import bad_values
from launch.chaos.dead_controller import killed, paused
from launch.chaos.failing_solves import failing
from launch.chaos.hostile_frames import hostile_frames
from launch.chaos.jitter import jitter
from launch.chaos.listeners import full_disk, slow_subscribers
from launch.chaos.network import cut, storm
from launch.chaos.outcome import Outcome, Scale
from launch.chaos.sensors import sensors
from launch.chaos.soak import soak
from launch.chaos.stops import stopped
from launch.chaos.strangers import strangers
from launch.chaos.two_controllers import two_controllers
from launch.chaos.wall_clock import wall_clock

FAULTS: Mapping[str, Callable[[Scale], Outcome]] = {
    "killed-controller": killed,
    "paused-controller": paused,
    "failing-solves": failing,
    "stops": stopped,
    "jitter": jitter,
    "storm": storm,
    "cut-link": cut,
    "bad-values": bad_values,
    "hostile-frames": hostile_frames,
    "strangers": strangers,
    "two-controllers": two_controllers,
    "slow-subscriber": slow_subscribers,
    "full-disk": full_disk,
    "sensors": sensors,
    "wall-clock": wall_clock,
    "soak": soak,
}
