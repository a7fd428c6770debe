"""Entries that somebody states: rows of a statement, or JSON of a program or URL.

One entry is one backup. `id`, `taken_at` and `covers` are required; without a `system_identifier`,
in it or in the settings, nobody says of which server it is. A member that is not known makes an
entry not count: it could be a restriction. An entry that is not understood hides no other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from dbguard.guards.backup.evidence import Coverage, Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.policy.decision import Verification

from .fields import NEVER, Fields, Misread, NoInventory, entries, parse
from .wal import parse_lsn

MEMBERS: Final = frozenset(
    {
        "id", "taken_at", "finished_at", "covers", "system_identifier", "database", "database_oid",
        "schemas", "tables", "start_lsn", "bytes", "status", "verification", "verified_at",
        "digest",
    }
)  # fmt: skip
_GOOD: Final = "ok"
VERSION: Final = 1

T = TypeVar("T", bound=enum.StrEnum)


class Covers(enum.StrEnum):
    """What an entry says that it holds."""

    CLUSTER = "cluster"
    DATABASE = "database"
    OBJECTS = "objects"
    """The schemas and tables that it names."""


@dataclass(frozen=True, slots=True)
class Statements:
    """Reads entries of one provider."""

    provider: str
    system_identifier: str | None = None
    """Of entries that do not tell."""

    def document(self, data: bytes, database: DatabaseIdentity) -> list[Evidence]:
        """`{"v": 1, "backups": [entry, …]}`. Raises NoInventory."""
        try:
            whole = Fields(parse(data), "its answer")
            whole.only(frozenset({"v", "backups"}))
            if whole.number("v") != VERSION:
                raise NoInventory(f'its answer is not of version {VERSION} ("v")')
            return self.entries(entries(whole.raw("backups"), '"backups"'), database)
        except Misread as error:
            raise NoInventory(f"its answer is not understood: {error.reason}") from None

    def entries(self, found: Iterable[Fields], database: DatabaseIdentity) -> list[Evidence]:
        return [self._entry(number, one, database) for number, one in enumerate(found, 1)]

    def _entry(self, number: int, entry: Fields, database: DatabaseIdentity) -> Evidence:
        name = f"number {number}"
        try:
            name = entry.text("id", 100)
            return self._read(name, entry, database)
        except Misread as error:
            return Evidence(
                id=name,
                provider=self.provider,
                taken_at=NEVER,
                verification=Verification.EXISTS,
                flaw=f"it is not understood: {error.reason}",
            )

    def _read(self, name: str, entry: Fields, database: DatabaseIdentity) -> Evidence:
        entry.only(MEMBERS)
        taken = entry.moment("taken_at")
        finished = entry.moment("finished_at") if entry.has("finished_at") else None
        level = _member(Verification, entry, "verification", Verification.EXISTS)
        covers = _member(Covers, entry, "covers")
        flaw = self._flaw(entry, covers, database)
        if not flaw and finished is not None and finished < taken:
            flaw = "it ended before it began"
        return Evidence(
            id=name,
            provider=self.provider,
            taken_at=taken,
            verification=level,
            verified_at=entry.moment("verified_at") if entry.has("verified_at") else None,
            digest=entry.text("digest") if entry.has("digest") else "",
            lsn=parse_lsn(entry.raw("start_lsn")) if entry.has("start_lsn") else None,
            coverage=Coverage(
                everything=covers is not Covers.OBJECTS,
                schemas=entry.texts("schemas"),
                tables=entry.texts("tables"),
                cluster=covers is Covers.CLUSTER,
            ),
            flaw=flaw,
            finished_at=finished,
            size=entry.number("bytes") if entry.has("bytes") else None,
        )

    def _flaw(self, entry: Fields, covers: Covers, database: DatabaseIdentity) -> str:
        server = (
            entry.text("system_identifier")
            if entry.has("system_identifier")
            else self.system_identifier
        )
        if entry.has("status") and entry.text("status") != _GOOD:
            return "it did not succeed"
        if server is None:
            return "nobody says of which server it is (system_identifier)"
        if server != database.server:
            return "it is of another server"
        if covers is Covers.CLUSTER:
            return ""
        if entry.text("database") != database.name:
            return "it is of another database"
        if entry.has("database_oid") and entry.number("database_oid") != database.oid:
            return "it is of a database of this name that was dropped since"
        if covers is Covers.OBJECTS and not (entry.texts("schemas") or entry.texts("tables")):
            return "it names neither schemas nor tables"
        return ""


def _member(kind: type[T], entry: Fields, name: str, default: T | None = None) -> T:
    if default is not None and not entry.has(name):
        return default
    try:
        return kind(entry.text(name))
    except ValueError:
        raise Misread(f'"{name}" is none of {", ".join(kind)}') from None
