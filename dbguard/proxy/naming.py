"""What is recorded of those who have proved nothing yet.

Whoever can connect chooses what stands in a StartupMessage, and people type passwords where a name
is asked for. So a name is recorded when it is somebody's, and otherwise told apart only.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final

from dbguard.identity.certificates import NameKind, NoNames, names_of
from dbguard.policy.drift import Filling
from dbguard.sql.recordable import HIDDEN_NAME, is_free_name, is_plain
from dbguard.sql.snapshot import Snapshot
from dbguard.wire.startup import StartupMessage

from .opening import readable
from .streams import Stream

HIDDEN: Final = "?"
"""In place of an application's name that may be a value."""
_DIGITS: Final = 6
"""Enough to tell apart what one address tries."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Names as they may be recorded."""

    is_user: Callable[[str], bool]
    is_database: Callable[[str], bool]
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Of this process only: nobody can find a name by trying."""

    def user(self, startup: StartupMessage, stored: Container[str] = ()) -> str:
        """`stored` are the names of dbguard's own users."""
        return self._shown(
            readable(startup.user), lambda name: name in stored or self.is_user(name)
        )

    def database(self, startup: StartupMessage) -> str:
        return self._shown(readable(startup.database), self.is_database)

    def named(self, startup: StartupMessage, stored: Container[str] = ()) -> dict[str, str]:
        """Both, for a record."""
        return {"user": self.user(startup, stored), "database": self.database(startup)}

    def _shown(self, name: str, known: Callable[[str], bool]) -> str:
        if known(name):
            return name
        digest = hashlib.blake2b(name.encode(), key=self._key, digest_size=_DIGITS // 2)
        return f"<unknown {digest.hexdigest()}>"


def recorded_application(text: str) -> str:
    """What a client calls its program, unless that may be a value."""
    return text if is_free_name(text) else HIDDEN


def recorded_column(filling: Filling, snapshot: Snapshot | None) -> str:
    """`schema.table.column` that a statement is about to fill, and perhaps to make: what is not
    there yet is the client's word only."""
    there = None
    if snapshot is not None and not filling.temporary:
        there = snapshot.relation_by_name.get((filling.schema, filling.table))
    known = set() if there is None else {filling.schema, filling.table, *there.column_by_name}
    return ".".join(
        part if part in ("", "*") or part in known or is_plain(part, bare=False) else HIDDEN_NAME
        for part in (filling.schema, filling.table, filling.column or "*")
    )


def connection_fields(client: Stream, application: str, upstream: str) -> dict[str, str]:
    """Where a client's connection comes from and leads to, how it is protected, and the name in the
    certificate that it showed."""
    fields = {
        "address": client.peer,
        "application": application,
        "tls": client.tls_version or "none",
    }
    if upstream:
        fields["upstream"] = upstream
    if client.certificate is not None:
        with contextlib.suppress(NoNames):  # which the login is refused for where it matters
            subject = names_of(client.certificate).by_kind.get(NameKind.SUBJECT, ())
            fields["certificate"] = "; ".join(subject)
    return fields
