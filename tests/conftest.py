"""What holds for all tests: nothing is timed."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Examples may be slow: on a busy machine that says nothing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
