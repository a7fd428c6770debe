"""Proxies for end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .forking import the_nursery
from .proxies import ALLOWING_RULES, HIPAA, Guarded, free_port, write_config


class Factory:
    def __init__(self, stack: ExitStack, folder: Path, *, whole: bool = False) -> None:
        """`whole`: processes begin by themselves, as a user's do, and not in the nursery."""
        self._stack = stack
        self._whole = whole
        self._folder = folder
        self._count = 0

    def __call__(
        self,
        database: object,
        *,
        rules: Path | None = HIPAA,
        environment: str = "production",
        durability: str = "durable",
        extra: str = "",
        started: bool = True,
        metrics: bool = False,
    ) -> Guarded:
        self._count += 1
        folder = self._folder / f"proxy{self._count}"
        folder.mkdir()
        if rules is None:
            rules = folder / "rules"
            rules.mkdir()
            (rules / "allowing.yaml").write_text(ALLOWING_RULES, "utf-8")
        server = database.server  # type: ignore[attr-defined]
        name = database.name  # type: ignore[attr-defined]
        server.create_user("dbguard")
        guarded = Guarded(folder, free_port(), name, f"{server.host}:{server.port}")
        guarded.nursery = None if self._whole else the_nursery()
        if metrics:
            guarded.metrics_port = free_port()
            extra += f"metrics: {{port: {guarded.metrics_port}}}\n"
        write_config(
            folder,
            guarded.port,
            guarded.upstream,
            server.dsn("dbguard", name),
            server.dsn(None, name),
            rules=rules,
            environment=environment,
            durability=durability,
            extra=extra,
        )
        if started:
            guarded.start()

        def end() -> None:
            if guarded.process is not None and guarded.process.poll() is None:
                guarded.stop()

        self._stack.callback(end)
        return guarded


FIGURES = "figures"
"""Name of the property that tests record what they measured under."""


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
        terminalreporter.section("faults, load and memory")
        for value in found:
            terminalreporter.write_line(value)


@pytest.fixture(scope="session", autouse=True)
def _nursery_ends() -> Iterator[None]:
    yield
    if the_nursery.cache_info().currsize:
        the_nursery().close()


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    """Starts proxies; they end with the test."""
    with ExitStack() as stack:
        yield Factory(stack, tmp_path)


@pytest.fixture(scope="module")
def clinic(
    module_clinic_database: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """The clinic behind the shipped policy, shared by a module's tests."""
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("clinic"))
        yield factory(module_clinic_database, durability="buffered")
