"""For all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How long a case takes is the machine's matter: on a busy one a file that is forced onto the disk may need a second.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# A shell that starts the tests in the background lets them, and the processes that they interrupt, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
