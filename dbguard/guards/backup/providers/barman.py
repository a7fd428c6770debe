"""Barman, by `list-backups`, `show-backup`, `check` and, where wanted, `verify-backup`.

Barman's JSON is read as versions 3.4 to 3.19 write it (real outputs are in the tests' data). Of
which server a backup is, newer versions tell with the backup. Older ones keep it beside them, and
their check `systemid_coherence` compares it with the live server's, which `show-server` tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dbguard.guards.backup.evidence import Coverage, Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.policy.decision import Verification

from .fields import NEVER, Fields, Misread, NoInventory, entries, parse
from .proving import Proofs
from .running import Program
from .wal import Segment, parse_lsn

LOOKED_AT: Final = 3
"""Backups that are asked about one by one, newest first: each is a run of Barman of half a second.
Those behind them only count where these three do not, and then they are older still."""
_STATES: Final = {
    "FAILED": "it failed",
    "STARTED": "it is not finished",
    "EMPTY": "it is not finished",
    "SYNCING": "it is still being copied",
    "RETRIEVING": "it is still being copied",
    "WAITING_FOR_WALS": "its WAL has not reached the archive to its end",
}
_DONE: Final = "DONE"
_NOTHING_STORED: Final = "no system Id stored"
"""How the hint of `systemid_coherence` begins where there was nothing to compare."""


@dataclass(frozen=True, slots=True)
class Barman:
    """The provider of kind `barman`."""

    name: str
    program: Program
    server: str
    proofs: Proofs | None = None
    """None: Barman is not asked to check backups."""
    patience: float = 5.0
    """Seconds to wait for a check that has just begun."""

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        try:
            return await self._backups(database)
        except Misread as error:
            raise NoInventory(f"its inventory is not understood: {error.reason}") from None

    async def _backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        listed = await self._ask("list-backups", self.server)
        states = [
            (b.text("backup_id"), b.text("status"))
            for b in entries(listed.raw(self.server), "the list")
        ]
        states.sort(reverse=True)  # ids are times
        done = [one for one, state in states if state == _DONE][:LOOKED_AT]
        shown = await asyncio.gather(*(self._ask("show-backup", self.server, one) for one in done))
        known = [answer.section(self.server) for answer in shown]
        system = ""
        if any(not fields.has("system_id") for fields in known):
            system = await self._system()
        found = [_evidence(self.name, fields, system, database) for fields in known]
        found += [_unfinished(self.name, one, state) for one, state in states if state != _DONE]
        if self.proofs is None:
            return found
        return await self.proofs.applied(
            self.name, found, "barman verify-backup", self._check, self.patience
        )

    async def _ask(self, *arguments: str, may_fail: bool = False) -> Fields:
        """The answer to a command. `check` fails where one of its checks does."""
        output = await self.program.run("-f", "json", *arguments)
        if output.code and not may_fail:
            raise NoInventory(
                f"barman {arguments[0]} ended with exit code {output.code}"
                if b"Unknown server" not in output.data
                else "it knows no such server"
            )
        answer = Fields(parse(output.data), "its answer")
        if answer.has("_ERROR"):
            raise NoInventory(f"barman {arguments[0]} reports an error")
        return answer

    async def _system(self) -> str:
        """The system identifier that all backups of this server share; empty where that is not
        sure."""
        checks = (await self._ask("check", self.server, may_fail=True)).section(self.server)
        if not checks.has("systemid_coherence"):
            return ""
        coherence = checks.section("systemid_coherence")
        hint = coherence.text("hint") if coherence.raw("hint") else ""
        if coherence.text("status") != "OK" or hint.startswith(_NOTHING_STORED):
            return ""
        server = (await self._ask("show-server", self.server)).section(self.server)
        return server.text("postgres_systemid") if server.has("postgres_systemid") else ""

    async def _check(self, backup: str) -> str:
        output = await self.program.run("verify-backup", self.server, backup)
        return "barman verify-backup found it damaged, or could not check it" if output.code else ""


def _evidence(name: str, backup: Fields, system: str, database: DatabaseIdentity) -> Evidence:
    base = backup.section("base_backup_information")
    wal = backup.section("wal_information")
    taken, finished = base.moment("begin_time"), base.moment("end_time")
    server = backup.text("system_id") if backup.has("system_id") else system
    state = backup.text("status")
    end = Segment.parse(base.text("end_wal"))
    last = Segment.parse(wal.text("last_available")) if wal.has("last_available") else None
    flaw = ""
    if state != _DONE:
        flaw = _STATES.get(state, "its state is not known")
    elif not server:
        flaw = "Barman does not tell of which server it is"
    elif server != database.server:
        flaw = "it is of another server"
    elif finished < taken:
        flaw = "it ended before it began"
    elif last is None or last.position < end.position or last.timeline < end.timeline:
        flaw = "its WAL has not reached the archive to its end"
    return Evidence(
        id=backup.text("backup_id"),
        provider=name,
        taken_at=taken,
        verification=Verification.EXISTS,
        lsn=parse_lsn(base.raw("begin_lsn")) if base.has("begin_lsn") else None,
        coverage=Coverage(everything=True, cluster=True),
        flaw=flaw,
        finished_at=finished,
        size=_size(base),
    )


def _size(base: Fields) -> int | None:
    for name in ("backup_size_bytes", "disk_usage_bytes"):
        if base.has(name):
            return base.number(name)
    return None


def _unfinished(name: str, one: str, state: str) -> Evidence:
    """A backup without the times and places that only a finished one has."""
    return Evidence(
        id=one,
        provider=name,
        taken_at=NEVER,
        verification=Verification.EXISTS,
        coverage=Coverage(everything=True, cluster=True),
        flaw=_STATES.get(state, "its state is not known"),
    )
