"""Rules that hold for every test."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.cluster import provisioner_rows as scenarios

# How long an example takes says something of the machine, not of the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A skipped test proves nothing: what a test needs is installed or built, or the run fails."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and skipping is not allowed: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of scenarios, as far as they were played; KAITO_UPDATE_GOLDEN=1 writes it into the page as well."""
    reports = terminalreporter.getreports("passed")
    figures = [value for report in reports for key, value in report.user_properties if key == scenarios.PROPERTY]
    if figures:
        terminalreporter.section("scenarios of the provisioner")
        terminalreporter.write_line(scenarios.table(figures))
    if figures and os.environ.get("KAITO_UPDATE_GOLDEN"):
        scenarios.update_page(figures)
