"""Figures of the oracle tests, in the terminal's summary."""

from __future__ import annotations

from typing import Any

FIGURES = "oracle"
"""Name of the property that tests record their figures under."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = [
        value
        for status in ("passed", "failed")
        for report in terminalreporter.getreports(status)
        if report.when == "call"
        for name, value in report.user_properties
        if name == FIGURES
    ]
    if found:
        terminalreporter.section("analysis against the server")
        for value in found:
            terminalreporter.line(value)
