"""Where the lane's messages pass between the two streams of a connection: in the callbacks that
bring them, while the connection's own tasks sleep."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.engine.session import Session
from dbguard.errors import AuditUnavailable
from dbguard.wire.framing import BackendSplitter, FrontendSplitter

from .streams import Stream
from .tasks import places

log = structlog.get_logger(__name__)


class Shortcut:
    """Offers the lane whatever comes in while neither task of the connection is at work."""

    def __init__(
        self,
        session: Session,
        client: Stream,
        server: Stream,
        splitters: tuple[FrontendSplitter, BackendSplitter],
        audit: AsyncAudit,
        forwarded: asyncio.Event,
        moved: Callable[[], None],
    ) -> None:
        """`forwarded` is not set while dbguard works on what the client sent; `moved` is called
        for every message that passes."""
        self._session = session
        self._lane = session.lane
        self._client, self._server = client, server
        self._from_client, self._from_server = splitters
        self._audit = audit
        self._forwarded = forwarded
        self._moved = moved
        self.client_waits = False
        """The task that reads the client has done all it had to do."""
        self.server_waits = False
        """The same of the server's."""
        self._sent = asyncio.Event()
        self._sent.set()

    def open(self) -> None:
        """Begin."""
        self._client.tap(lambda data: self._passes(self._take, data))
        self._server.tap(lambda data: self._passes(self._give, data))

    def close(self) -> None:
        """Take nothing more."""
        self._client.tap(None)
        self._server.tap(None)

    async def sent(self) -> None:
        """Return when nothing is held that has to go first."""
        await self._sent.wait()

    def _passes(self, way: Callable[[bytes], bool], data: bytes) -> bool:
        """The border: fail closed, tell nobody a value."""
        try:
            return way(data)
        except Exception as error:  # noqa: BLE001
            log.error("connection failed", error=type(error).__name__, where=places(error))
            self._session.link.closed = True
            self._client.abort()
            return True

    def _take(self, data: bytes) -> bool:
        """Whether what the client has sent goes this way."""
        if not self.client_waits or not self._sent.is_set():
            return False
        if not self._from_client.between_messages or self._server.holds:
            return False
        decision = None
        with contextlib.suppress(AuditUnavailable):  # the general way tells it
            decision = self._lane.offer(data)
        if decision is None:
            return False
        self._sent.clear()
        self._forwarded.clear()
        self._moved()
        self._audit.when_known(decision, self._decided)
        return True

    def _decided(self, kept: bool) -> None:
        """The decision's record is on disk, or lost."""
        if not self._session.link.closed:
            if kept:
                self._server.write(self._lane.send())
            else:
                self._client.put_back(self._lane.withdraw())
        self._sent.set()
        self._forwarded.set()

    def _give(self, data: bytes) -> bool:
        """Whether what the server has sent goes this way."""
        if not self._lane.sent or not self.server_waits:
            return False
        if not self._from_server.between_messages or self._client.holds:
            return False
        if not self._lane.answer(data):
            return False
        self._client.write(data)
        self._moved()
        return True
