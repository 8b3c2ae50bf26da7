"""ZeroMQ's own threads, which move the bytes: as urgent as the loop that waits for them."""

from __future__ import annotations

import os
import threading

import zmq


def new_context(priority: int) -> zmq.Context[zmq.Socket[bytes]]:
    """A context whose threads run under SCHED_FIFO with `priority` (1..99), or like all others: for 0, or if not permitted.

    With less than the loop's priority no flood of messages holds the loop up; with 0 beside a real-time loop any busy program
    does.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    if priority and _is_permitted(priority):
        context.set(zmq.THREAD_SCHED_POLICY, os.SCHED_FIFO)
        context.set(zmq.THREAD_PRIORITY, priority)
    return context


def _is_permitted(priority: int) -> bool:
    """Found out by a thread that asks for it and ends: libzmq aborts the process when one of its own is refused."""
    permitted = threading.Event()

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except (OSError, ValueError):
            return
        permitted.set()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return permitted.is_set()
