import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.service import free_port as a_free_port

TESTS = Path(__file__).parent
MARKER_OF_FOLDER = {"blackbox": "process", "process": "process", "world": "world", "proof": "proof"}
MARKERS_WITH_LOOPBACK = ("process", "world", "proof")
LOOPBACK = ["127.0.0.1", "::1", "localhost"]

settings.register_profile("default", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("proof", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder marks the tests in it; what is marked may speak to loopback, and a unit test to nobody."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in MARKER_OF_FOLDER:
            item.add_marker(MARKER_OF_FOLDER[folder])
        if any(item.get_closest_marker(marker) for marker in MARKERS_WITH_LOOPBACK):
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test proves nothing, so a run that skipped one has failed."""
    if skipped_tests(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skipped := skipped_tests(config):
        terminalreporter.write_line(f"{skipped} skipped: a skipped test counts as a failure here.", red=True)


def skipped_tests(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0


@pytest.fixture(scope="session")
def project_root() -> Path:
    return TESTS.parent


@pytest.fixture
def free_port() -> int:
    """A port of loopback that nothing listened on a moment ago."""
    return a_free_port()
