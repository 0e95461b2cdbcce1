"""Settings of this room's tests."""

from hypothesis import HealthCheck, settings

# How quick the machine is that runs them says nothing of what they test.
settings.register_profile("alerts", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("alerts")
