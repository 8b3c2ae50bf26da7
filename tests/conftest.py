"""For all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long a case takes is the machine's matter: on a busy one a file that is forced onto the disk may need a second.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
