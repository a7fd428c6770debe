"""A Query in front of which dbguard has locked something, in the transaction that it is to run in.

Query would not end that transaction: since 17 the server takes what follows an Execute without a
Sync for a transaction block, which only Sync ends. So the statement goes by Parse, Bind, Execute
and Sync, under reserved names; the client sees what it would see of its Query.
"""

from __future__ import annotations

from typing import Final

from dbguard.wire import frontend

from .link import RESERVED, Link
from .names import NameTable
from .pending import Owed, Pending
from .probe import NO_PARAMETERS

_NAME: Final = RESERVED.encode() + b"held"


def stage_held(link: Link, names: NameTable, text: bytes, entry: Pending, sequence: int) -> None:
    """Stage one statement that returns no rows; `entry` is what its Execute owes, `sequence` the
    number of its record."""
    quiet: list[tuple[frontend.Close | frontend.Parse | frontend.Bind, Owed]] = [
        (frontend.Close(b"S", _NAME), Owed.CLOSE),
        (frontend.Parse(_NAME, text, ()), Owed.PARSE),
        (frontend.Bind(_NAME, _NAME, NO_PARAMETERS), Owed.BIND),
    ]
    for message, owed in quiet:
        link.stage(message.encode(), Pending(owed, unseen=True), sequence)
    link.stage(frontend.Execute(_NAME, 0).encode(), entry, sequence)
    link.stage(frontend.Close(b"S", _NAME).encode(), Pending(Owed.CLOSE, unseen=True))
    end = Pending(Owed.SYNC, settles=True, cycle=names.next_cycle())
    link.stage(frontend.Sync().encode(), end)
