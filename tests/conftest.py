"""What every test shares: reproducible property tests, and one browser a process."""

import pytest
from hypothesis import settings
from widget_support import as_if_new, open_browser

# No deadline: no test asserts a time. Derandomised: a red run can be repeated.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture(scope="session")
def opened_once(tmp_path_factory):
    driver = open_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def browser(opened_once):
    """A browser with no memory of other modules' pages: its start takes longer than most tests."""
    as_if_new(opened_once)
    yield opened_once
    opened_once.get("about:blank")  # what moves there would go on moving beside other tests
