"""Where the lane's messages pass between the two streams of a connection: in the callbacks that
bring them, while the connection's own tasks sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.engine.session import Session
from dbguard.errors import AuditUnavailable

from .latch import Latch
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
        audit: AsyncAudit,
        forwarded: Latch,
        left: Callable[[], None],
    ) -> None:
        """`forwarded` is not set while dbguard works on what the client sent; `left` is called
        behind every answer while `leaving`."""
        self._link = session.link
        self._lane = session.lane
        self._client, self._server = client, server
        self._audit = audit
        self._forwarded = forwarded
        self._left = left
        self.leaving = False
        """The session has to end as soon as nothing is under way."""
        self.moved_at = 0.0
        """When something last passed (monotonic seconds)."""
        self.client_waits = False
        """The task that reads the client has done all it had to do, and is between messages."""
        self.server_waits = False
        """The same of the server's."""
        self._undecided: asyncio.Future[None] | None = None
        """Who waits until the decision on what was taken is kept."""
        self._taken = False
        """Something of the client's was taken, and nothing has become of it yet."""
        self._withdrawn = b""
        """What has to go before all that was read since."""
        self._call = self._decided

    def open(self) -> None:
        """Begin."""
        self._client.tap(self._from_the_client)
        self._server.tap(self._from_the_server)

    def close(self) -> None:
        """Take nothing more."""
        self._client.tap(None)
        self._server.tap(None)

    async def withdrawn(self) -> bytes:
        """Wait until nothing is held that has to go first, and return what the lane has taken and
        could not send: it comes before all that was read since."""
        if self._taken:
            self._undecided = asyncio.get_running_loop().create_future()
            await self._undecided
        data, self._withdrawn = self._withdrawn, b""
        return data

    def _from_the_client(self, data: bytes) -> bool:
        try:
            return self._take(data)
        except Exception as error:  # noqa: BLE001
            return self._failed(error)

    def _from_the_server(self, data: bytes) -> bool:
        try:
            return self._give(data)
        except Exception as error:  # noqa: BLE001
            return self._failed(error)

    def _failed(self, error: Exception) -> bool:
        """The border: fail closed, tell nobody a value."""
        log.error("connection failed", error=type(error).__name__, where=places(error))
        self._link.closed = True
        self._client.abort()
        return True

    def _take(self, data: bytes) -> bool:
        """Whether what the client has sent goes this way."""
        if not self.client_waits or self._taken or self._server.holds:
            return False
        try:
            decision = self._lane.offer(data)
        except AuditUnavailable:
            return False  # the general way tells it
        if decision is None:
            return False
        self._taken = True
        self._forwarded.clear()
        self._audit.when_known(decision, self._call)
        return True

    def _decided(self, kept: bool) -> None:
        """The decision's record is on disk, or lost."""
        self._taken = False
        try:
            if self._link.closed:
                pass
            elif kept:
                self._server.write(self._lane.send())
            elif self.client_waits:
                self._client.put_back(self._lane.withdraw())
            else:
                self._withdrawn = self._lane.withdraw()
        except Exception as error:  # noqa: BLE001
            self._failed(error)
        if self._undecided is not None and not self._undecided.done():
            self._undecided.set_result(None)
        self._forwarded.set()

    def _give(self, data: bytes) -> bool:
        """Whether what the server has sent goes this way."""
        if not self._lane.sent or not self.server_waits or self._client.holds:
            return False
        if not self._lane.answer(data):
            return False
        self._client.write(data)
        self._lane.finish()
        self.moved_at = time.monotonic()
        if self.leaving:
            self._left()
        return True
