"""The event loop of `dbguard serve`."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys

import pytest

from dbguard.cli.event_loop import EventLoop, chosen, run
from dbguard.errors import ConfigurationError

HAS_EPOLL = hasattr(select, "epoll")


@pytest.mark.skipif(not HAS_EPOLL, reason="this system has no epoll")
def test_our_own_is_used_where_it_can_be() -> None:
    assert chosen({}) is chosen({"DBGUARD_EVENT_LOOP": "epoll"}) is EventLoop.EPOLL


def test_pythons_own_can_be_chosen() -> None:
    assert chosen({"DBGUARD_EVENT_LOOP": "asyncio"}) is EventLoop.ASYNCIO


def test_without_epoll_it_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll", raising=False)
    assert chosen({}) is EventLoop.ASYNCIO
    with pytest.raises(ConfigurationError, match="this system has no epoll") as refused:
        chosen({"DBGUARD_EVENT_LOOP": "epoll"})
    assert refused.value.hint == "Run without DBGUARD_EVENT_LOOP."


def test_another_name_is_an_error_of_one_message() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dbguard", "--version"],
        capture_output=True,
        text=True,
        env={"DBGUARD_EVENT_LOOP": "libevent"},
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "dbguard: DBGUARD_EVENT_LOOP: there is no such event loop",
        "  It can be asyncio or epoll; without it, the faster one is used that this system has.",
    ]


@pytest.mark.parametrize("loop", list(EventLoop))
def test_it_runs_on_the_one_that_was_chosen(loop: EventLoop) -> None:
    if loop is EventLoop.EPOLL and not HAS_EPOLL:
        pytest.skip("this system has no epoll")
    seen: list[str] = []

    async def look() -> None:
        seen.append(type(asyncio.get_running_loop()).__module__)

    run(look(), {"DBGUARD_EVENT_LOOP": loop})
    assert seen == [{"asyncio": "asyncio.unix_events", "epoll": "dbguard.proxy.polling"}[loop]]
