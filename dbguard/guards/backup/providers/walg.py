"""WAL-G, by `wal-g backup-list --detail --json` and, where wanted, `wal-g wal-verify`.

Members as WAL-G's BackupTime and ExtendedMetadataDto (internal/databases/postgres) name them: older
versions say `name`, newer `backup_name`; positions are numbers of bytes. `wal-verify` compares the
archive with what the backups and the server need. It does not read backups, so that it proves
nothing that would raise their level; it only takes away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dbguard.guards.backup.evidence import Coverage, Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.policy.decision import Verification

from .fields import Fields, Misread, NoInventory, entries, parse
from .running import Program
from .wal import parse_lsn

_CHECKS: Final = ("integrity", "timeline")
_FAILURE: Final = "FAILURE"


@dataclass(frozen=True, slots=True)
class WalG:
    """The provider of kind `walg`."""

    name: str
    program: Program
    verify: bool = False

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        output = await self.program.run("backup-list", "--detail", "--json")
        document = parse(output.good() or b"[]")  # old versions say nothing when there are none
        try:
            listed = entries([] if document is None else document, "the list")
            wal = await self._wal_flaw() if self.verify and listed else ""
            return [_evidence(self.name, one, wal, database) for one in listed]
        except Misread as error:
            raise NoInventory(f"its inventory is not understood: {error.reason}") from None

    async def _wal_flaw(self) -> str:
        output = await self.program.run("wal-verify", *_CHECKS, "--json")
        answer = Fields(parse(output.good()), "the answer of wal-verify")
        states = [answer.section(check).text("status") for check in _CHECKS]
        # a WARNING is WAL that may be on its way, behind the backups
        if _FAILURE in states:
            return "wal-g wal-verify found WAL missing"
        return "" if {"OK", "WARNING"}.issuperset(states) else "wal-g wal-verify has failed"


def _evidence(name: str, backup: Fields, wal: str, database: DatabaseIdentity) -> Evidence:
    taken, finished = backup.moment("start_time"), backup.moment("finish_time")
    flaw = wal
    if not backup.has("system_identifier"):
        flaw = "WAL-G does not tell of which server it is"
    elif str(backup.number("system_identifier", 2**64 - 1)) != database.server:
        flaw = "it is of another server"
    elif finished < taken:
        flaw = "it ended before it began"
    return Evidence(
        id=backup.text("backup_name" if backup.has("backup_name") else "name"),
        provider=name,
        taken_at=taken,
        verification=Verification.EXISTS,
        lsn=parse_lsn(backup.raw("start_lsn")) if backup.has("start_lsn") else None,
        coverage=Coverage(everything=True, cluster=True),
        flaw=flaw,
        finished_at=finished,
        size=backup.number("uncompressed_size") if backup.has("uncompressed_size") else None,
    )
