"""The server's own words for a text that it refuses as well.

dbguard tells mistakes in names and grammar in PostgreSQL's words, but knows neither the place in
its source nor the session's language. A Parse under a reserved name lets the server say it:
nothing that was prepared so is ever run. Only for principals with raw access, since parsing may
call the input functions of types, and with them the checks of domains.
"""

from __future__ import annotations

from collections.abc import Generator

from dbguard.wire import frontend
from dbguard.wire.errorfields import ErrorFields

from .asks import Answer, Ask, AskServer
from .changes import Change
from .link import RESERVED, Link
from .names import Prepared
from .pending import Owed, Pending
from .plan import Refusal

_NAME = RESERVED.encode() + b"mistake"


def same_mistake(refusal: Refusal, fields: ErrorFields) -> bool:
    """Whether the server's error is the one that dbguard would tell."""
    if fields.sqlstate != refusal.sqlstate:
        return False
    return refusal.position is None or refusal.position == fields.position


def server_words(
    link: Link, text: bytes, types: tuple[int, ...], change: Change[Prepared] | None
) -> Generator[Ask, Answer, ErrorFields | None]:
    """Have the server parse `text`, with nothing staged; returns its error, None when it has none.

    `change` is what the client's message does to names. Unless nothing at all was going on, the
    error makes the server skip to Sync, as it would without dbguard: a Sync of dbguard's own would
    bring the client what changes with the end of a transaction before it gets the error.
    """
    parse = Pending(Owed.PARSE, unseen=True, probe=True, change=change, unnamed=change is not None)
    asked = [parse, Pending(Owed.CLOSE, unseen=True, probe=True)]
    link.forming = None
    resting = link.at_rest
    link.send(frontend.Parse(_NAME, text, types).encode(), parse)
    link.send(frontend.Close(b"S", _NAME).encode(), asked[1])
    if resting:
        asked.append(Pending(Owed.SYNC, unseen=True, probe=True))
        link.send(frontend.Sync().encode(), asked[2])
    while asked[-1] in link.queue.entries and not link.closed:
        link.flush()
        yield AskServer()
    return parse.error
