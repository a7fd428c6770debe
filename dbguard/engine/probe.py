"""dbguard's own questions on a session's connection.

Asked by Parse/Bind/Execute under reserved names, so that the client's unnamed statement and
portal stay; inside an open pipeline followed by Flush, never by Sync or Query, which would commit
the client's implicit transaction. The server takes what follows an Execute in a pipeline for part
of a transaction block, DECLARE say; so where the client has nothing in that transaction yet,
dbguard ends its own first.
"""

from __future__ import annotations

import struct
from collections.abc import Generator

from dbguard.errors import NotUnderstood, StatementError, UndefinedName
from dbguard.wire import frontend
from dbguard.wire.errorfields import from_error

from .asks import Answer, Ask, AskServer
from .link import RESERVED, Link, Skip
from .pending import Owed, Pending

_NAME = RESERVED.encode() + b"probe"
CURSORS = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE name = {}"
"""How many cursors have a name, given as a literal."""
_QUERY_CANCELED = "57014"
NO_PARAMETERS = struct.pack("!HHH", 0, 0, 0)
"""Bind's rest: no parameter formats, no parameters, results in text format."""


def first_column(row: bytes) -> bytes:
    """The first value of a DataRow message (tag and length included), b"" for NULL."""
    (length,) = struct.unpack_from("!i", row, 7)
    return b"" if length < 0 else row[11 : 11 + length]


def ask_server(
    link: Link, *texts: str, hold: bool = False
) -> Generator[Ask, Answer, tuple[bytes, ...]]:
    """Run each text, which yields one row at most, and return the first column of each. With `hold`
    the transaction stays open in which they ran, for what the client sends next.

    Raises:
        NotUnderstood: the server did not answer as expected; the session cannot be judged.
    """
    if link.pipeline_open:
        yield from link.answered()
    yield from link.release()
    if link.skip is not Skip.NOTHING:
        # the server skips to Sync since an error that came meanwhile: it would never answer
        raise _failed(link, [], in_pipeline=False)
    in_pipeline = link.pipeline_open
    answers: list[bytes] = []
    parts: list[bytes] = []

    def take(run: bytes) -> None:
        parts.append(run)

    def take_answer() -> None:
        answers.append(first_column(b"".join(parts)) if parts else b"")
        parts.clear()

    asked: list[Pending] = []

    def ask(data: bytes, owed: Owed) -> Pending:
        entry = Pending(owed, unseen=True, probe=True)
        asked.append(entry)
        link.send(data, entry)
        return entry

    def forget() -> None:
        ask(frontend.Close(b"P", _NAME).encode(), Owed.CLOSE)
        ask(frontend.Close(b"S", _NAME).encode(), Owed.CLOSE)

    def run(text: bytes) -> Pending:
        ask(frontend.Parse(_NAME, text, ()).encode(), Owed.PARSE)
        ask(frontend.Bind(_NAME, _NAME, NO_PARAMETERS).encode(), Owed.BIND)
        execute = ask(frontend.Execute(_NAME, 0).encode(), Owed.EXECUTE)
        forget()  # nothing of it is to be seen in pg_prepared_statements
        return execute

    forget()  # left over when the one before was interrupted
    for text in texts:
        execute = run(text.encode())
        execute.answer, execute.done = take, take_answer
    if in_pipeline and link.between_transactions and not hold:
        run(b"BEGIN")  # without it COMMIT warns
        run(b"COMMIT")
    if in_pipeline or hold:
        link.flush()
    else:
        ask(frontend.Sync().encode(), Owed.SYNC)
    while asked[-1] in link.queue.entries and not link.closed:
        link.flush()
        yield AskServer()
    if len(answers) != len(texts) and hold and not in_pipeline and not link.closed:
        link.skip = Skip.NOTHING
        ask(frontend.Sync().encode(), Owed.SYNC)
        while asked[-1] in link.queue.entries and not link.closed:
            yield AskServer()
    if len(answers) != len(texts):
        raise _failed(link, asked, in_pipeline)
    return tuple(answers)


def _failed(link: Link, asked: list[Pending], in_pipeline: bool) -> StatementError:
    """The error to give the client; already shown when its own pipeline was broken with it."""
    error = next((entry.error for entry in asked if entry.error is not None), None)
    failed: StatementError = NotUnderstood(
        "the server did not say how names are resolved in this session",
        hint="Reconnect and try again.",
    )
    if error is not None and error.sqlstate == _QUERY_CANCELED:
        failed = UndefinedName(_QUERY_CANCELED, "canceling statement due to user request")
    if in_pipeline and error is not None:
        link.to_client.append(from_error(failed).encode_error())
    return failed
