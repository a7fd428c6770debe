"""COPY FROM STDIN: what the client sends while the server takes data.

The server reads Sync and Flush as part of the COPY, which means that it ignores them, for as long
as the COPY goes on; a COPY that has failed leaves them to be obeyed. Only the server knows which of
them came after the failure, since it tells of neither. So they are passed on where they stood, what
follows CopyDone is held until the outcome is known, and after a failure the server is asked, by
messages whose answers tell (`Resync`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.errors import ProtocolViolation
from dbguard.wire import frontend
from dbguard.wire.errorfields import ErrorFields, from_error
from dbguard.wire.framing import Frame
from dbguard.wire.tags import Backend, Frontend

from .asks import AskServer
from .link import RESERVED, Link, Steps
from .pending import Owed, Pending

_NAME = RESERVED.encode() + b"sync"
_MARK = "dbguard: the client sent something else"
_QUERY_CANCELED = "57014"
_TOLERANT = 14
"""Servers before this version go on after a message that is no part of the COPY; later ones close
the connection, because they have not read it to its end (CopyGetData in copyfromparse.c)."""

_QUESTION = b"".join(
    (
        frontend.Close(b"S", _NAME).encode(),
        frontend.Sync().encode(),
        frontend.Parse(_NAME, b"", ()).encode(),
        frontend.Close(b"S", _NAME).encode(),
        frontend.Sync().encode(),
    )
)
"""Answered by `3 Z 1 3 Z` behind one Z for each Sync that was obeyed; where all were ignored and
the server still skips to a Sync, by `Z 1 3 Z`."""

_TAGS = {
    Backend.CLOSE_COMPLETE: "3",
    Backend.PARSE_COMPLETE: "1",
    Backend.READY_FOR_QUERY: "Z",
}


@dataclass(slots=True)
class Resync:
    """Reads the answers to the question how many Syncs of a failed COPY were obeyed."""

    _tags: str = ""
    _held: list[Frame] = field(default_factory=list)

    def receive(self, frame: Frame) -> list[Frame]:
        """Take one answer; returns the ReadyForQuery messages now known to be the client's.

        Raises:
            ProtocolViolation: the server said something else.
        """
        tag = _TAGS[frame.tag]
        self._tags += tag
        if tag == "Z" and not self.counted:
            self._held.append(frame)
            return []
        found = self._tags.lstrip("Z")
        if tag == "3" and found == "3":
            held, self._held = self._held, []
            return held
        if not ("3Z13Z".startswith(found) or (self.ignored and "13Z".startswith(found))):
            raise ProtocolViolation("the server's answer does not fit what was sent to it")
        return []

    @property
    def counted(self) -> bool:
        """It is known how many were obeyed."""
        return "3" in self._tags or "1" in self._tags

    @property
    def ignored(self) -> bool:
        """None was obeyed, and the server was skipping to a Sync: the client still has to."""
        return self._tags.startswith("Z1")

    @property
    def over(self) -> bool:
        """The last answer has come."""
        return self._tags.endswith("13Z")


@dataclass(slots=True)
class Copying:
    """Handles what a client sends into a COPY FROM STDIN."""

    link: Link

    def data(self, frame: Frame) -> Steps:
        head = self.link.queue.head
        if head is not None and head.copying_in:
            head.bytes += len(frame.payload)
            self.link.to_server.append(frame.raw)
        yield from ()

    def end(self, frame: Frame) -> Steps:
        """CopyDone or CopyFail."""
        head = self.link.queue.head
        if head is not None and head.copying_in:
            head.copying_in = False
            self.link.to_server.append(frame.raw)
            if head.syncs:
                head.outcome_awaited = True
                if not head.owed.ends_with_ready:
                    self.link.to_server.append(frontend.Flush().encode())
        yield from ()

    def belongs(self, frame: Frame, head: Pending) -> Steps:
        """A Sync or Flush while `head` takes data."""
        self.link.to_server.append(frame.raw)
        head.syncs += frame.tag == Frontend.SYNC
        yield from ()

    def interrupt(self, frame: Frame, head: Pending) -> Steps:
        """A message that has no place in a COPY: an error, unless the COPY has failed before it.

        It cannot be passed on to find out, since nothing of it is decided; CopyFail fails the
        COPY in its place, or is ignored.
        """
        head.copying_in = False
        head.copies_left = 0
        head.outcome_awaited = True
        head.intruder = frame.tag
        self.link.to_server.append(frontend.CopyFail(_MARK.encode()).encode())
        while self.link.queue.unclear and not self.link.closed:
            yield AskServer()


def interrupted(head: Pending, fields: ErrorFields) -> ErrorFields | None:
    """The server's own words for what the client did, if that is why the COPY failed."""
    if not head.intruder or fields.sqlstate != _QUERY_CANCELED or _MARK not in fields.message:
        return None
    return fields.with_fields(
        sqlstate="08P01",
        message=f"unexpected message type 0x{head.intruder:02X} during COPY from stdin",
    )


def lost_synchronization(server_version: str) -> bytes | None:
    """The FATAL error that follows it; None from a server old enough to go on."""
    major = server_version.split(".")[0]
    if major.isdigit() and int(major) < _TOLERANT:
        return None
    error = ProtocolViolation("terminating connection because protocol synchronization was lost")
    return from_error(error, severity="FATAL").encode_error()


def ask_for_syncs(link: Link, cycle: int) -> None:
    """After a COPY failed: find out which Syncs inside it were obeyed."""
    link.send(_QUESTION, Pending(Owed.SYNCS, unseen=True, resync=Resync(), cycle=cycle))
