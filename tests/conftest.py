"""What holds for every test."""

from hypothesis import HealthCheck, settings

# The same examples in every run, and no word on how quick the machine is: what fails, fails again.
# `pytest --hypothesis-profile=search` looks for new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", parent=settings.get_profile("search"), derandomize=True)
settings.load_profile("same")
