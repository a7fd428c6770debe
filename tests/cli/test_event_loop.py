"""The event loop of `dbguard serve`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.util import find_spec

import pytest

from dbguard.cli.event_loop import EventLoop, chosen, run
from dbguard.errors import ConfigurationError

HAS_UVLOOP = find_spec("uvloop") is not None


@pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed (extra `fast`)")
def test_the_faster_one_is_used_where_it_is_installed() -> None:
    assert chosen({}) is EventLoop.UVLOOP
    assert chosen({"DBGUARD_EVENT_LOOP": "uvloop"}).description.startswith("uvloop 0.")


def test_pythons_own_can_be_chosen() -> None:
    assert chosen({"DBGUARD_EVENT_LOOP": "asyncio"}).description == "asyncio"


def test_without_uvloop_it_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert chosen({}) is EventLoop.ASYNCIO
    with pytest.raises(ConfigurationError, match="uvloop is not installed") as refused:
        chosen({"DBGUARD_EVENT_LOOP": "uvloop"})
    assert refused.value.hint == "Run: pip install 'dbguard[fast]'"


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
        "  It can be asyncio or uvloop; without it, the faster one is used that is installed.",
    ]


@pytest.mark.parametrize("loop", list(EventLoop))
def test_it_runs_on_the_one_that_was_chosen(loop: EventLoop) -> None:
    if loop is EventLoop.UVLOOP and not HAS_UVLOOP:
        pytest.skip("uvloop is not installed (extra `fast`)")
    seen: list[str] = []

    async def look() -> None:
        seen.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])

    run(look(), {"DBGUARD_EVENT_LOOP": loop})
    assert seen == [loop]
