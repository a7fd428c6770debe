"""Both sides of a session after its login: what they say is handled as it comes.

Nobody waits for a side that says nothing: a stream tells when something has come, and a task begins
with it and ends when nothing is left to do. Most sessions do nothing most of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from dbguard.engine.asks import Answer, Ask, AskServer
from dbguard.engine.link import Steps
from dbguard.engine.session import Session
from dbguard.errors import DbguardError
from dbguard.wire.framing import BackendSplitter, FrontendSplitter

from .answering import answer
from .hub import Hub
from .latch import Latch
from .shortcut import Shortcut
from .streams import Stream
from .taking import Waiting
from .tasks import spawn

TURN = 256
"""Messages of one side before it is others' turn: what is read at once can hold ten thousand."""


class Relay:
    """Hands over what both sides say, and sends what the session has put out."""

    __slots__ = (
        "_client",
        "_forwarded",
        "_from_client",
        "_from_server",
        "_hub",
        "_leave",
        "_of_server",
        "_server",
        "_server_spoke",
        "_session",
        "_shortcut",
        "_waiting",
        "last_activity",
    )

    def __init__(
        self,
        session: Session,
        client: tuple[Stream, FrontendSplitter],
        server: tuple[Stream, BackendSplitter],
        hub: Hub,
        forwarded: Latch,
        waiting: Waiting,
        leave: Callable[[], None],
    ) -> None:
        """`forwarded` is not set while dbguard works on what the client sent; `leave` is called
        whenever the session might end because nothing is under way."""
        self._session = session
        self._client, self._from_client = client
        self._server, self._from_server = server
        self._hub = hub
        self._forwarded = forwarded
        self._waiting = waiting
        self._leave = leave
        self._server_spoke = Latch()
        self._of_server: asyncio.Task[None] | None = None
        """What handles the server's messages now, or has failed to."""
        self._shortcut = Shortcut(
            session, self._client, self._server, hub.audit, forwarded, self._leave
        )
        self.last_activity = time.monotonic()
        """When something was handled last (monotonic seconds)."""

    @property
    def moved_at(self) -> float:
        """When something last passed the straight way (monotonic seconds)."""
        return self._shortcut.moved_at

    def hurry(self) -> None:
        """Call `leave` behind every answer from now on."""
        self._shortcut.leaving = True

    def open(self, client_came: Callable[[], None]) -> None:
        """Begin; `client_came` has `serve_client` run, once at a time."""
        self._shortcut.open()
        self._client.tell(client_came)
        self._server.tell(self._server_came)
        self._shortcut.server_waits = self._from_server.between_messages
        if self._server.has_news:
            self._server_came()

    async def close(self) -> None:
        """Take nothing more. Raises what handling the server's messages has failed with."""
        self._shortcut.close()
        self._client.tell(None)
        self._server.tell(None)
        self._session.link.closed = True
        if self._of_server is not None:
            self._of_server.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._of_server

    # -- the client's side ----------------------------------------------------

    async def serve_client(self) -> bool:
        """Handle all that the client has sent. False when the session is over."""
        session, shortcut, client = self._session, self._shortcut, self._client
        while not session.ended():
            shortcut.client_waits = False
            withdrawn = await shortcut.withdrawn()
            data = client.take()
            if not data and client.is_gone:
                return False
            if withdrawn or data:
                self.last_activity = time.monotonic()
                self._from_client.feed(withdrawn + data if withdrawn else data)
            del data  # what a splitter has passed on nobody is to hold
            try:
                await self._handle(session)
            finally:
                self._write(session.link.to_client, session.link.to_server)
                self._forwarded.set()
            await self._server.drain(client)
            await client.drain(client)
            if session.ended():
                return False
            self._leave()
            shortcut.client_waits = self._from_client.between_messages
            if not client.has_news:
                return True
        return False

    async def _handle(self, session: Session) -> None:
        handled = 0
        while not session.ended() and (frame := self._from_client.next()) is not None:
            await self._perform(session, session.receive(frame))
            handled += 1
            if handled % TURN == 0:
                await self._perform(session, session.settle())
                await asyncio.sleep(0)
        await self._perform(session, session.settle())

    async def _perform(self, session: Session, steps: Steps) -> None:
        """Run one handler to its end, doing what it asks for."""
        link = session.link
        answered: Answer = None
        failure: DbguardError | None = None
        try:
            while True:
                ask = steps.throw(failure) if failure is not None else steps.send(answered)
                answered, failure = None, None
                self._write(link.to_client, link.to_server)
                try:
                    answered = await self._answer(session, ask)
                except DbguardError as error:
                    failure = error
        except StopIteration:
            pass
        self._write(link.to_client, link.to_server)

    async def _answer(self, session: Session, ask: Ask) -> Answer:
        self._forwarded.clear()
        if not isinstance(ask, AskServer):
            return await answer(self._hub, session, ask, self._waiting)
        if session.runs_clients_own:
            self._forwarded.set()  # what runs is the client's, who may cancel it
        if not session.link.closed:
            self._server_spoke.clear()
            await self._server_spoke.wait()
        return None

    # -- the server's side ----------------------------------------------------

    def _server_came(self) -> None:
        if self._of_server is None:
            self._of_server = spawn(self._serve_server(), "server")

    async def _serve_server(self) -> None:
        """Handle what the server has said; however that ends but in a wait for more, the session
        ends with it."""
        waits = False
        try:
            waits = await self._pass_back()
        finally:
            if waits:
                self._of_server = None
            else:
                self._session.link.closed = True
                self._waiting.stop()
                self._server_spoke.set()
                self._client.abort_reading()

    async def _pass_back(self) -> bool:
        """Hand over all that the server has said. False when it says no more."""
        session, shortcut, server = self._session, self._shortcut, self._server
        handled = 0
        while not session.link.closed:
            shortcut.server_waits = False
            data = server.take()
            if not data:
                return False
            self._from_server.feed(data)
            del data
            try:
                while (item := self._from_server.next()) is not None:
                    session.receive_from_server(item)
                    handled += 1
                    if handled % TURN == 0:
                        self._write(session.link.to_client, session.link.to_server)
                        await asyncio.sleep(0)
            finally:
                self._write(session.link.to_client, session.link.to_server)
            self._server_spoke.set()
            self.last_activity = time.monotonic()
            await self._client.drain(server)
            self._leave()
            shortcut.server_waits = self._from_server.between_messages
            if not (server.has_news or session.link.closed):
                return True
        return False

    def _write(self, to_client: list[bytes], to_server: list[bytes]) -> None:
        if to_server:
            self._server.write(b"".join(to_server))
            to_server.clear()
        if to_client:
            self._client.write(b"".join(to_client))
            to_client.clear()
