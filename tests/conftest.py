"""What every test shares: reproducible property tests that do not fail on a busy machine."""

from hypothesis import settings

# No deadline: no test asserts a time. Derandomised: a red run can be repeated.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
