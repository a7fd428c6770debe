"""A program of the operator's that prints JSON, as `stated` reads it.

It is run without a shell. In its environment stand `DBGUARD_DATABASE` and
`DBGUARD_SYSTEM_IDENTIFIER`: whose backups are asked for. Exit code 0 says that its answer is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import DatabaseIdentity

from .running import Program
from .stated import Statements


@dataclass(frozen=True, slots=True)
class Command:
    """The provider of kind `command`."""

    name: str
    program: Program
    statements: Statements

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        output = await self.program.run(
            given={
                "DBGUARD_DATABASE": database.name,
                "DBGUARD_SYSTEM_IDENTIFIER": database.server,
            }
        )
        return self.statements.document(output.good(), database)
