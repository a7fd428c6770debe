"""pgBackRest, by `pgbackrest info --output=json` and, where wanted, `pgbackrest verify`.

The fields are those of the command reference ("info") and of real outputs in the tests' data; the
format is kept stable by pgBackRest. `verify` always ends with exit code 0, and says so only with
`--verbose` which backups it looked at; it does not miss WAL behind the last segment archived, which
is why that is compared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dbguard.guards.backup.evidence import Coverage, Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.policy.decision import Verification

from .fields import Fields, Misread, NoInventory, entries, parse
from .proving import Proofs
from .running import Program
from .wal import Archive, Segment, parse_lsn

_STATES: Final = {  # of a stanza and of its repositories
    1: "its repository has no such stanza",
    2: "it has no backups",
    3: "its repository is damaged: data of the stanza are missing",
    5: "its repositories are of different servers",
    6: "its backups cannot be read",
}
_MIXED: Final = 4
"""The repositories are in different states; each tells its own."""


@dataclass(frozen=True, slots=True)
class PgBackRest:
    """The provider of kind `pgbackrest`."""

    name: str
    program: Program
    stanza: str
    proofs: Proofs | None = None
    """None: pgBackRest is not asked to check its repository."""
    patience: float = 5.0
    """Seconds to wait for a check that has just begun."""

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        output = await self.program.run("--output=json", f"--stanza={self.stanza}", "info")
        try:
            found = list(_read(self.name, self.stanza, parse(output.good()), database))
        except Misread as error:
            raise NoInventory(f"its inventory is not understood: {error.reason}") from None
        if self.proofs is None:
            return found
        return await self.proofs.applied(
            self.name, found, "pgbackrest verify", self._check, self.patience
        )

    async def _check(self, label: str) -> str:
        output = await self.program.run(
            "--output=text", "--verbose", f"--stanza={self.stanza}", "verify"
        )
        return verified(output.good(), label)


def verified(data: bytes, label: str) -> str:
    """The flaw that `pgbackrest verify` found in a backup; empty when it found none.

    All backups that rest on the same full backup count as one: any of them may hold its files.
    """
    states: dict[str, str] = {}
    wal = under_archive = False
    for line in (line.strip() for line in data.decode("utf-8", "replace").splitlines()):
        if line.startswith("backup: "):
            words = line.split(", ")
            states[words[0].removeprefix("backup: ")] = words[1] if len(words) > 1 else ""
        elif line.startswith("missing: ") and under_archive:
            wal = wal or any(not count.endswith(": 0") for count in line.split(", "))
        under_archive = line.startswith("archiveId: ")
    full = label.partition("_")[0]
    if label not in states:
        return "pgbackrest verify did not look at it"
    if any(state != "status: valid" for one, state in states.items() if one.startswith(full)):
        return "pgbackrest verify found it damaged"
    return "pgbackrest verify found damaged WAL" if wal else ""


def _read(
    name: str, stanza: str, document: object, database: DatabaseIdentity
) -> Sequence[Evidence]:
    stanzas = [s for s in entries(document, "the list") if s.text("name") == stanza]
    if not stanzas:
        raise NoInventory("its repository has no such stanza")
    whole = stanzas[0]
    code = whole.section("status").number("code", 999)
    if code not in (0, _MIXED):
        if code == 2:
            return []
        raise NoInventory(_STATES.get(code, "its stanza is not sound"))
    systems = {
        _key(db, "id", "repo-key"): str(db.number("system-id", 2**64 - 1))
        for db in whole.sections("db")
    }
    repositories = {
        repo.number("key"): repo.section("status").number("code", 999)
        for repo in whole.sections("repo")
    }
    archives = {
        _key(one.section("database"), "id", "repo-key"): Archive(
            Segment.parse(one.text("min")), Segment.parse(one.text("max"))
        )
        for one in whole.sections("archive")
        if one.has("min") and one.has("max")
    }
    backups = whole.sections("backup")
    labels = {(b.text("label"), b.section("database").number("repo-key")) for b in backups}
    return [_evidence(name, b, systems, repositories, archives, labels, database) for b in backups]


def _key(fields: Fields, one: str, other: str) -> tuple[int, int]:
    return fields.number(one), fields.number(other)


def _evidence(
    name: str,
    backup: Fields,
    systems: dict[tuple[int, int], str],
    repositories: dict[int, int],
    archives: dict[tuple[int, int], Archive],
    labels: set[tuple[str, int]],
    database: DatabaseIdentity,
) -> Evidence:
    home = _key(backup.section("database"), "id", "repo-key")
    times = backup.section("timestamp")
    taken, finished = times.epoch("start"), times.epoch("stop")
    lsn = backup.section("lsn") if backup.has("lsn") else None
    repository = home[1]
    flaw = ""
    if systems.get(home) != database.server:
        flaw = "it is of another server"
    elif finished < taken:
        flaw = "it ended before it began"
    elif backup.has("error") and backup.raw("error") is not False:
        flaw = "pages had wrong checksums when it was taken"
    elif repositories.get(repository) != 0:
        flaw = "its repository is not sound"
    elif not {(label, repository) for label in backup.texts("reference")} <= labels:
        flaw = "a backup that it rests on is missing"
    else:
        flaw = _wal_flaw(backup.section("archive"), archives.get(home))
    return Evidence(
        id=backup.text("label"),
        provider=name,
        taken_at=taken,
        verification=Verification.EXISTS,
        lsn=parse_lsn(lsn.raw("start")) if lsn and lsn.has("start") else None,
        coverage=Coverage(everything=True, cluster=True),
        flaw=flaw,
        finished_at=finished,
        size=backup.section("info").number("size"),
    )


def _wal_flaw(needed: Fields, archive: Archive | None) -> str:
    if not needed.has("start") or not needed.has("stop"):
        return "it was made without a look at its WAL"
    if archive is None:
        return "its WAL is not in the archive"
    return archive.flaw(Segment.parse(needed.text("start")), Segment.parse(needed.text("stop")))
