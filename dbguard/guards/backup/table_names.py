"""Tables as people name them, and what their copies are called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import quote_identifier

NAME_BYTES: Final = 63
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a person names it: `schema.table`."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    def restored(self, backup_id: str) -> TableName:
        """Where its copy goes: names are cut so that the server does not."""
        return self.with_suffix(f"_restored_{backup_id}")

    def with_suffix(self, suffix: str) -> TableName:
        """The name with this behind it. Where it has to be cut, a part of its digest keeps it apart
        from others that begin in the same way."""
        name, room = self.name.encode(), NAME_BYTES - len(suffix.encode())
        if len(name) > room:
            digest = hashlib.sha256(name).hexdigest()[:_DIGITS]
            suffix = f"_{digest}{suffix}"
            name = name[: room - _DIGITS - 1]
        return TableName(self.schema, name.decode("utf-8", "ignore") + suffix)


def table_name(text: str) -> TableName:
    """`schema.table`, without quotes. Raises BackupError."""
    schema, dot, name = text.partition(".")
    if not (dot and schema and name):
        raise BackupError(
            f'"{text}" does not name a table',
            hint="Write schema and table, without quotes: clinic.patients",
        )
    return TableName(schema, name)
