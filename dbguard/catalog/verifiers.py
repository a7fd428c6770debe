"""Where the verifiers of a server's users come from: the server itself, or a file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from dbguard.errors import CatalogUnavailable, ConfigurationError
from dbguard.wire.scram import Verifier, parse_verifier

ASK_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 60.0
"""How long a connection is kept that nobody asks."""
NAME_BYTES: Final = 63
"""NAMEDATALEN - 1: the server cuts longer names of users, and looks for what is left."""

_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_LINE = re.compile(r'\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"\s*')


@dataclass(slots=True)
class _Asked:
    connection: asyncpg.Connection | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    closing: asyncio.TimerHandle | None = None


class AskedVerifiers:
    """Asks servers for the verifiers of their users. Nothing is kept: a new password counts at
    once. Not for more than one event loop."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], _Asked] = {}

    async def of(self, dsn: str, query: str, user: str) -> Verifier | None:
        """The verifier of `user`; None when there is no such user, or none with SCRAM.

        Raises:
            CatalogUnavailable: it cannot be told.
        """
        asked = self._asked.setdefault((dsn, query), _Asked())
        async with asked.lock:
            if asked.closing is not None:
                asked.closing.cancel()
            idle = asked.connection is not None
            try:
                found = await self._ask(asked, dsn, query, user)
            except _FAILURES as error:
                if not idle or isinstance(error, asyncpg.PostgresError):
                    raise _unavailable(error) from None
                try:  # an idle connection may have been closed without our noticing
                    found = await self._ask(asked, dsn, query, user)
                except _FAILURES as again:
                    raise _unavailable(again) from None
            finally:
                loop = asyncio.get_running_loop()
                asked.closing = loop.call_later(IDLE_SECONDS, _drop, asked)
        return parse_verifier(found) if isinstance(found, str) else None

    async def _ask(self, asked: _Asked, dsn: str, query: str, user: str) -> object:
        try:
            if asked.connection is None:
                asked.connection = await asyncpg.connect(
                    dsn,
                    timeout=ASK_SECONDS,
                    command_timeout=ASK_SECONDS,
                    server_settings={
                        "application_name": "dbguard authentication",
                        "default_transaction_read_only": "on",
                        "search_path": "",
                    },
                )
            return await asked.connection.fetchval(query, user)
        except _FAILURES:
            _drop(asked)
            raise

    async def close(self) -> None:
        """Close what is open."""
        for asked in self._asked.values():
            if asked.closing is not None:
                asked.closing.cancel()
            _drop(asked)
        self._asked.clear()


def _drop(asked: _Asked) -> None:
    connection, asked.connection = asked.connection, None
    if connection is not None:
        connection.terminate()


def _unavailable(error: Exception) -> CatalogUnavailable:
    """No text of the server's is passed on: it goes to people who have proved nothing."""
    if isinstance(error, asyncpg.PostgresError):
        cause = f"The server refuses the query for it (SQLSTATE {error.sqlstate})."
    elif isinstance(error, TimeoutError):
        cause = "The server does not answer."
    else:
        cause = "The server cannot be reached."
    return CatalogUnavailable(
        "passwords cannot be checked at present",
        detail=cause,
        hint="Check that PostgreSQL runs, and the authentication settings of dbguard.",
    )


def cut(user: str) -> str:
    """The name that the server knows a user by who says that he is `user`."""
    data = user.encode("utf-8", "surrogateescape")[:NAME_BYTES]
    return data.decode("utf-8", "surrogateescape")


def read_verifiers(path: Path) -> Mapping[str, Verifier]:
    """The verifiers in a file, by user: lines of `"name" "SCRAM-SHA-256$…"`, as PgBouncer's
    auth_file has them; empty lines and those that begin with `;` or `#` say nothing.

    Raises:
        ConfigurationError: with file and line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(
            f"{path}: file of users cannot be read: {reason}",
            hint="Correct authentication.file, or let the user that runs dbguard read the file.",
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{path}: file of users is not UTF-8 text", hint="Save it as UTF-8."
        ) from None
    found: dict[str, Verifier] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip()[0] in ";#":
            continue
        parts = _LINE.fullmatch(line)
        name, text = (part.replace('""', '"') for part in parts.groups()) if parts else ("", "")
        verifier = parse_verifier(text)
        if not name or verifier is None:
            raise ConfigurationError(
                f'{path}:{number}: is not a line of the form "name" "SCRAM-SHA-256$…"',
                hint="Take the verifier from rolpassword of pg_authid; MD5 hashes and passwords "
                "in clear text cannot be used.",
            )
        if name in found:
            raise ConfigurationError(
                f"{path}:{number}: a user stands in two lines", hint="Remove one of them."
            )
        found[name] = verifier
    return found
