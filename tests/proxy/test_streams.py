"""Sockets as they have to be set, whichever side opened them."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trustme

from dbguard.proxy.polling import ProxyLoop
from dbguard.proxy.streams import BUFFER_LIMIT, READ_BYTES, Stream, attach, connect


@pytest.fixture(autouse=True, scope="module", params=["asyncio", "epoll"])
def loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """All runs on both kinds of loops."""
    if request.param == "epoll" and not hasattr(select, "epoll"):
        pytest.skip("this system has no epoll")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "epoll":
            patch.setattr(asyncio.events, "new_event_loop", ProxyLoop)
        yield


async def test_it_is_the_loop_that_is_meant(request: pytest.FixtureRequest) -> None:
    ours = isinstance(asyncio.get_running_loop(), ProxyLoop)
    assert ours == ("epoll" in request.node.name)


async def test_short_answers_are_not_held_back() -> None:
    """Nagle's algorithm keeps a second short answer until the first is acknowledged."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        opening = asyncio.create_task(connect("127.0.0.1", listener.getsockname()[1]))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        streams: list[Stream] = [await attach(connection, "somebody"), await opening]
    for stream in streams:
        found = stream._socket
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await stream.close()


async def test_what_nobody_can_read_on_its_way() -> None:
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener, theirs:
        listener.setblocking(False)
        opening = asyncio.create_task(connect("127.0.0.1", listener.getsockname()[1]))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        local, remote, other = await attach(ours, "x"), await attach(connection, "x"), await opening
        assert (local.is_protected, remote.is_protected, other.is_protected) == (True, False, False)
        for stream in (local, remote, other):
            await stream.close()


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Stream, socket.socket]]:
    """A stream, and its peer as a plain socket."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = await attach(ours, "x")
    with theirs:
        yield stream, theirs
        await stream.close()


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.001)


async def test_what_came_before_the_end_is_read(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    peer.sendall(b"last words")
    peer.close()
    await until(lambda: stream.has_unread)
    assert await stream.read() == b"last words"
    assert [await stream.read(), await stream.read()] == [b"", b""]


async def test_who_sends_no_more_may_still_read(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    peer.shutdown(socket.SHUT_WR)
    assert await stream.read() == b""
    stream.write(b"an answer")
    assert await asyncio.get_running_loop().sock_recv(peer, 100) == b"an answer"


async def test_single_bytes_leave_the_rest(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    peer.sendall(b"Srest")
    assert await stream.read_byte() == b"S"
    assert stream.has_unread
    assert await stream.read() == b"rest"
    assert not stream.has_unread


async def test_what_is_put_back_comes_first(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    taken: list[bytes] = []
    stream.tap(lambda data: not taken and not taken.append(data))  # type: ignore[func-returns-value]
    peer.sendall(b"first,")
    await until(lambda: taken)
    peer.sendall(b"second")
    await until(lambda: stream.has_unread)
    stream.put_back(taken[0])
    assert await stream.read() == b"first,second"


async def test_a_read_that_is_given_up_leaves_what_comes_then(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, peer = pair
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stream.read()
    peer.sendall(b"later")
    assert await stream.read() == b"later"


async def test_nothing_more_is_wanted(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    stream.abort_reading()
    assert await reading == b""
    seen: list[bytes] = []
    stream.tap(lambda data: bool(seen.append(data)))  # type: ignore[func-returns-value]
    peer.sendall(b"too late")
    await asyncio.sleep(0.05)
    assert not seen
    assert not stream.has_unread


async def test_a_peer_that_nobody_reads_is_held_back(pair: tuple[Stream, socket.socket]) -> None:
    """And read again, all of it, when somebody does."""
    stream, peer = pair
    loop, size = asyncio.get_running_loop(), 4 << 20
    sending = asyncio.create_task(loop.sock_sendall(peer, b"x" * size))
    await until(lambda: stream._paused)
    held = len(stream._unread)
    assert BUFFER_LIMIT < held <= BUFFER_LIMIT + READ_BYTES
    await asyncio.sleep(0.05)
    assert len(stream._unread) == held
    assert not sending.done()
    received = 0
    while received < size:
        received += len(await stream.read())
    await sending


async def test_drain_waits_for_a_slow_peer(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    await stream.drain()  # nothing is held
    stream.write(b"x" * (4 << 20))
    assert stream.is_full
    waiting = [asyncio.create_task(stream.drain()) for _ in range(2)]
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in waiting)
    waiting.pop().cancel()  # the other one still waits
    loop, received = asyncio.get_running_loop(), 0
    while received < 4 << 20:
        received += len(await loop.sock_recv(peer, 1 << 20))
    await waiting[0]
    assert not stream.holds


async def test_drain_does_not_outlast_the_connection(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    stream.write(b"x" * (4 << 20))
    waiting = asyncio.create_task(stream.drain())
    await asyncio.sleep(0)
    peer.close()
    await waiting
    stream.write(b"nobody gets it")
    await stream.drain()
    assert await stream.read() == b""


async def test_while_one_side_is_full_the_other_is_not_read() -> None:
    ours, client = socket.socketpair()
    theirs, server = socket.socketpair()
    with client, server:
        to_client, from_server = await attach(ours, "x"), await attach(theirs, "x")
        to_client.write(b"x" * (4 << 20))
        waiting = asyncio.create_task(to_client.drain(from_server))
        await asyncio.sleep(0)
        server.sendall(b"more")
        await asyncio.sleep(0.05)
        assert not from_server.has_unread
        client.setblocking(False)
        loop, received = asyncio.get_running_loop(), 0
        while received < 4 << 20:
            received += len(await loop.sock_recv(client, 1 << 20))
        await waiting
        assert await from_server.read() == b"more"
        await to_client.close()
        await from_server.close()


async def test_what_the_peer_said_before_it_went_is_read_though_nothing_can_be_sent(
    pair: tuple[Stream, socket.socket],
) -> None:
    """A server's last words say why it went."""
    stream, peer = pair
    peer.sendall(b"FATAL")
    peer.close()
    stream.write(b"nobody gets it")
    stream.write(b"nor that")
    assert await stream.read() == b"FATAL"
    assert await stream.read() == b""


async def test_close_sends_what_is_left(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    stream.write(b"x" * (4 << 20))
    closing = asyncio.create_task(stream.close())
    loop, received = asyncio.get_running_loop(), 0
    while data := await loop.sock_recv(peer, 1 << 20):
        received += len(data)
    await closing
    assert received == 4 << 20
    stream.write(b"too late")
    stream.abort()
    assert await stream.read() == b""


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server, and of a client that believes it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def both(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[Stream, Stream]:
    """The two ends of a connection with TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        opening = asyncio.create_task(connect("127.0.0.1", port, client))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        return await attach(connection, "x", server), await opening


async def test_tls_carries_much_both_ways(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    near, far = await both(*contexts)
    assert near.uses_tls
    assert near.tls_version == far.tls_version == "TLSv1.3"
    assert far.certificate is not None
    size = 3 << 20
    for source, sink in ((near, far), (far, near)):
        expected = bytes(range(256)) * (size >> 8)
        source.write(expected)
        received = bytearray()
        while len(received) < size:
            received += await sink.read()
        assert received == expected
        await source.drain()
        assert not source.holds
    near.write(b"farewell")
    await near.close()
    assert await far.read() == b"farewell"
    assert await far.read() == b""
    await far.close()


async def test_a_slow_reader_behind_tls_is_waited_for(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    near, far = await both(*contexts)
    near.write(b"x" * (16 << 20))
    await until(lambda: far._paused)
    assert len(far._unread) <= BUFFER_LIMIT + READ_BYTES
    waiting = asyncio.create_task(near.drain())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    received = 0
    while received < 16 << 20:
        received += len(await far.read())
    await waiting
    for stream in (near, far):
        await stream.close()


async def test_a_handshake_that_fails_leaves_nothing_open(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    stranger = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        await both_ends_of_failure(contexts[0], stranger)


async def both_ends_of_failure(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        opening = asyncio.create_task(connect("127.0.0.1", port, client))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        with pytest.raises(ssl.SSLError):
            await attach(connection, "x", server)
        await opening


async def test_last_words_reach_a_peer_that_goes_on_sending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        peer = socket.create_connection(listener.getsockname())
        with peer:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            stream = await attach(connection, "x")
            stream.abort_reading()
            peer.sendall(b"nobody reads this")
            await asyncio.sleep(0.01)
            stream.write(b"FATAL")
            await stream.close()
            assert peer.recv(100) == b"FATAL"
            assert peer.recv(100) == b""


async def test_a_defect_closes_the_connection(
    pair: tuple[Stream, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    stream, peer = pair

    def breaks(_data: bytes) -> bool:
        raise ValueError("a defect")

    stream.tap(breaks)
    peer.sendall(b"something")
    assert await stream.read() == b""
    assert await asyncio.get_running_loop().sock_recv(peer, 100) == b""
    assert "something" not in caplog.text


async def test_a_peer_that_resets_while_it_is_held_back_costs_nothing() -> None:
    """epoll tells of its end for as long as the socket is registered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        peer = socket.create_connection(listener.getsockname())
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    stream = await attach(connection, "x")
    stream.write(b"x" * (16 << 20))
    stream._hold_back()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    await until(lambda: not stream.holds)
    assert not stream._watching
    stream._let_come()
    assert await stream.read() == b""
    await until(lambda: stream.is_gone)
    await stream.close()


async def test_told_of_nothing_but_the_end_it_lets_go(pair: tuple[Stream, socket.socket]) -> None:
    stream, _peer = pair
    stream.write(b"x" * (16 << 20))
    stream._hold_back()
    assert stream._watching
    stream.happened(0x18)  # EPOLLERR, EPOLLHUP
    assert not stream._watching
    assert not stream.holds
