"""The recorder's loop: everything that is said on `out` goes to one file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from mpc_controller.bus.frame import WireError
from mpc_controller.bus.frame_link import PeerEnd
from mpc_controller.bus.messages import Observation
from mpc_controller.bus.recording import RecordingWriter
from mpc_controller.node.clock_offset import ClockEstimate
from mpc_controller.node.clock_questions import ClockQuestions
from mpc_controller.node.observed import Hearing

CLOCK: Final = "clock"  # metadata of a recording
_WAIT_S: Final = 0.1


@final
@dataclass(frozen=True)
class RecorderSummary:
    """What was recorded. messages: how many of each topic; rejected: frames that could not be read; lost: observations that did
    not come, as on a bad network or while the recorder could not keep up."""

    path: Path
    messages: dict[str, int]
    rejected: int
    bytes: int
    duration_s: float
    lost: int = 0


def record(
    link: PeerEnd,
    path: Path,
    metadata: Mapping[str, str],
    stop: Callable[[], bool],
    questions: ClockQuestions | None = None,
) -> RecorderSummary:
    """Record until `stop()`; what had come by then is still written.

    The link must hear all kinds, and all of each. With `questions` the plant is asked for its time, and what that is against
    the recorder's becomes metadata `CLOCK` of the recording. Raises RecordingError when the file can't be written.
    """
    start_ns = time.monotonic_ns()
    to_wall_ns = time.time_ns() - start_ns  # once, so that a clock that is set meanwhile does not tear the recording
    hearing = Hearing()
    with RecordingWriter(path, metadata) as writer:
        stopped = False
        while not stopped:
            stopped = stop()
            if questions is not None and (question := questions.due(time.monotonic_ns())):
                link.send(question)
            for frame in link.receive_frames(0.0 if stopped else _WAIT_S):
                try:
                    message = writer.write_frame(frame, time.monotonic_ns() + to_wall_ns)
                except WireError as error:
                    link.counts.reject(error)
                    continue
                if questions is not None:
                    questions.accept(message, time.monotonic_ns())
                if isinstance(message, Observation):
                    hearing.take(message)
            writer.flush_if_due()
        estimate = None if questions is None else questions.estimate(time.monotonic_ns())
        if estimate is not None:
            writer.note(CLOCK, _clock_note(estimate, to_wall_ns))
    duration_s = (time.monotonic_ns() - start_ns) * 1e-9
    return RecorderSummary(path, writer.messages, link.counts.rejected, writer.size, duration_s, hearing.lost)


def _clock_note(estimate: ClockEstimate, to_wall_ns: int) -> dict[str, str]:
    """At the end of the recording: the plant's time less the log time [ns], drift [s/s], their bounds, what they are from."""
    return {
        "plant_minus_log_time_ns": str(estimate.offset_ns - to_wall_ns),
        "bound_ns": str(estimate.bound_ns),
        "at_log_time_ns": str(estimate.at_ns + to_wall_ns),
        "drift": repr(estimate.drift),
        "drift_bound": repr(estimate.drift_bound),
        "round_trips": str(estimate.round_trips),
        "jumps": str(estimate.jumps),
    }
