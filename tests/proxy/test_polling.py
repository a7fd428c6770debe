"""The proxy's own event loop does all that asyncio's does, and serves sockets in between."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dbguard.proxy.polling import READABLE, Poll, ProxyLoop, poll_of, turns

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="this system has no epoll")


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=ProxyLoop) as runner:
        runner.run(asyncio.wait_for(main, 20))


def poll() -> Poll:
    found = poll_of(asyncio.get_running_loop())
    assert found is not None
    return found


class Echo:
    """Sends back what comes in, unless it has something better to do."""

    def __init__(self, connection: socket.socket, then: Callable[[], object] = lambda: None):
        self.connection, self.then = connection, then
        self.heard: list[bytes] = []

    def happened(self, _events: int) -> None:
        self.heard.append(self.connection.recv(100))
        self.connection.sendall(self.heard[-1])
        self.then()


def test_sockets_are_served_without_a_turn_of_asyncio() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            echo = Echo(ours)
            poll().watch(ours.fileno(), echo, READABLE, 0)
            turns: list[int] = []
            loop = asyncio.get_running_loop()
            before = loop._run_once  # type: ignore[attr-defined]
            loop._run_once = lambda: (turns.append(1), before())  # type: ignore[attr-defined]

            def talk() -> None:
                for _ in range(100):
                    theirs.sendall(b"x")
                    theirs.recv(1)

            await asyncio.to_thread(talk)
            assert len(echo.heard) == 100
            assert len(turns) < 50  # the thread's own beginning and end are turns
            poll().watch(ours.fileno(), echo, 0, READABLE)

    run(main())


def test_what_was_scheduled_meanwhile_runs_at_once() -> None:
    """Though asyncio had asked for nothing before an hour was over."""

    async def main() -> None:
        loop, ran = asyncio.get_running_loop(), asyncio.Event()
        ours, theirs = socket.socketpair()
        later = loop.call_later(3600, lambda: None)
        with ours, theirs:
            for schedule in (
                lambda: loop.call_soon(ran.set),
                lambda: loop.call_later(0.01, ran.set),
                lambda: loop.call_at(loop.time() + 0.01, ran.set),
                lambda: loop.call_soon_threadsafe(ran.set),
                lambda: poll().at_turn_end(lambda: loop.call_soon(ran.set)),
                lambda: poll().within(0.01, lambda: loop.call_soon(ran.set)),
            ):
                ran.clear()
                echo = Echo(ours, schedule)
                poll().watch(ours.fileno(), echo, READABLE, 0)
                theirs.sendall(b"x")
                await ran.wait()
                poll().watch(ours.fileno(), echo, 0, READABLE)
        later.cancel()

    run(main())


def test_the_end_of_a_turn_comes_behind_all_that_was_there() -> None:
    async def main() -> None:
        pairs = [socket.socketpair() for _ in range(5)]
        order: list[object] = []
        end, _ = turns()

        def note(name: int) -> None:
            order.append(name)
            end(lambda: order.append("end"))  # type: ignore[misc]

        for name, (ours, theirs) in enumerate(pairs):
            poll().watch(ours.fileno(), Echo(ours, lambda name=name: note(name)), READABLE, 0)  # type: ignore[misc]
            theirs.sendall(b"x")
        while len(order) < 10:
            await asyncio.sleep(0)
        assert sorted(order[:5], key=str) == [0, 1, 2, 3, 4]
        assert order[5:] == ["end"] * 5
        for ours, theirs in pairs:
            poll().watch(ours.fileno(), Echo(ours), 0, READABLE)
            ours.close()
            theirs.close()

    run(main())


def test_what_is_asked_for_within_a_time_can_be_taken_back() -> None:
    async def main() -> None:
        called: list[int] = []
        poll().within(0.0, lambda: called.append(1))
        poll().within(3600.0, lambda: called.append(2))
        await asyncio.sleep(0.01)
        poll().within(0.0, None)
        await asyncio.sleep(0.01)
        assert not called
        poll().within(0.005, lambda: called.append(3))
        await asyncio.sleep(0.02)
        assert called == [3]

    run(main())


def test_what_that_asks_for_does_not_wait_for_a_socket() -> None:
    found, order = Poll(), list[str]()
    ours, theirs = socket.socketpair()

    def late() -> None:
        found.at_turn_end(lambda: order.append("end"))
        theirs.sendall(b"x")

    def heard() -> None:
        order.append("socket")
        found.interrupted = True

    with ours, theirs:
        found.watch(ours.fileno(), Echo(ours, heard), READABLE, 0)
        found.within(0.0, late)
        assert found.select(20.0) == []
        assert order == ["end", "socket"]
    found.close()


def test_a_defect_in_one_socket_leaves_the_loop_running(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            broken = Echo(ours, lambda: 1 // 0)
            poll().watch(ours.fileno(), broken, READABLE, 0)
            theirs.sendall(b"x")
            while not broken.heard:
                await asyncio.sleep(0)
            poll().at_turn_end(lambda: 1 // 0)
            await asyncio.sleep(0.001)
            poll().watch(ours.fileno(), broken, 0, READABLE)

    run(main())
    assert caplog.text.count("serving a connection has failed") == 2


def test_asyncio_has_all_it_needs() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        # sockets and streams
        served: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(await reader.read(100))
            writer.write(b"y" * 10_000_000)
            await writer.drain()
            writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(b"hello")
        assert len(await reader.read(-1)) == 10_000_000
        assert served == [b"hello"]
        writer.close()
        listening.close()
        await listening.wait_closed()
        # threads, processes, signals, time
        assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('out')", stdout=asyncio.subprocess.PIPE
        )
        assert (await process.communicate())[0] == b"out\n"
        got: asyncio.Future[None] = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, got.set_result, None)
        os.kill(os.getpid(), signal.SIGUSR1)
        await got
        loop.remove_signal_handler(signal.SIGUSR1)
        began = time.monotonic()
        await asyncio.sleep(0.02)
        assert time.monotonic() - began >= 0.02
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    run(main())


def test_files_are_registered_as_selectors_have_it() -> None:
    found = Poll()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        key = found.register(ours, READABLE, "data")
        assert found.get_map()[ours] == found.get_key(ours.fileno()) == key
        assert list(found.get_map()) == [ours]
        assert found.get_map().get(theirs) is None
        with pytest.raises(KeyError):
            found.register(ours, READABLE)
        theirs.sendall(b"x")
        assert found.select(1.0) == [(key, READABLE)]
        assert found.modify(ours, READABLE, "other").data == "other"
        assert found.unregister(ours).data == "other"
        assert found.select(0.0) == []
    found.close()
