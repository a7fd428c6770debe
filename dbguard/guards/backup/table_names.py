"""Tables as people name them, and what their copies are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import quote_identifier

NAME_BYTES: Final = 63


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
        """The name with this behind it, cut in front of it."""
        room = NAME_BYTES - len(suffix.encode())
        name = self.name.encode()[:room].decode("utf-8", "ignore")
        return TableName(self.schema, name + suffix)


def table_name(text: str) -> TableName:
    """`schema.table`, without quotes. Raises BackupError."""
    schema, dot, name = text.partition(".")
    if not (dot and schema and name):
        raise BackupError(
            f'"{text}" does not name a table',
            hint="Write schema and table, without quotes: clinic.patients",
        )
    return TableName(schema, name)
