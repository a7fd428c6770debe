"""A URL that answers with JSON, as `stated` reads it: for services that keep backups elsewhere."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.identity.fetching import NotFetched, fetch
from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource

from .fields import NoInventory
from .running import MOST_BYTES
from .stated import Statements


@dataclass(frozen=True, slots=True)
class Http:
    """The provider of kind `http`. One GET; no redirect is followed."""

    name: str
    url: str = field(repr=False)
    """May hold a token in its query."""
    headers: Mapping[str, SecretSource] = field(repr=False)
    context: ssl.SSLContext = field(repr=False)
    statements: Statements
    seconds: float

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        try:
            headers = {name: await read_secret(one) for name, one in self.headers.items()}
        except SecretUnavailable:
            raise NoInventory("a header's secret cannot be read") from None
        if not all(value.isprintable() and value.isascii() for value in headers.values()):
            raise NoInventory("a header's secret holds characters that headers must not")
        try:
            data = await fetch(self.url, self.context, MOST_BYTES, self.seconds, headers)
        except NotFetched as error:
            raise NoInventory(error.reason) from None
        return self.statements.document(data, database)
