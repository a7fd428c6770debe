"""Does a backup satisfy a policy's requirement? Pure: what is stored comes in as an argument."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dbguard.guards.backup.evidence import Affected, Evidence
from dbguard.policy.decision import BackupRequirement, Verification
from dbguard.policy.sizes import describe_size
from dbguard.server_settings import OWN_PROVIDER
from dbguard.sql.destruction import Destruction, Reach

CLOCK_TOLERANCE: Final = timedelta(seconds=5)
"""A snapshot from further in the future means that a clock is wrong, and its age is unknown."""
_CHANGED: Final = "was made or changed after it"
_WORDS: Final = {
    Verification.EXISTS: "a backup",
    Verification.CHECKSUM: "a backup with a good checksum",
    Verification.TOOL: "a backup checked by its tool",
    Verification.RESTORED: "a verified backup",
}


@dataclass(frozen=True, slots=True)
class BackupVerdict:
    """Whether a statement may run, in words for the client when not."""

    satisfied: bool
    backup: Evidence | None = None
    """The one that satisfies the requirement."""
    message: str = ""
    detail: str = ""
    hint: str = ""
    why: str = ""
    """How the requirement was met where no backup was needed."""
    outdated: bool = False
    """The newest backup would count, had not something been changed after it."""

    @property
    def backup_id(self) -> str | None:
        return None if self.backup is None else self.backup.id

    @property
    def how(self) -> str:
        """How the requirement was met, for the record of the decision."""
        found = self.backup
        if found is None:
            return self.why or "backup missing"
        verified = f" {_second(found.verified_at)}" if found.verified_at else ""
        words = {
            Verification.EXISTS: "not verified",
            Verification.CHECKSUM: f"checksum verified{verified}",
            Verification.TOOL: f"checked by its tool{verified}",
            Verification.RESTORED: f"verified{verified}",
        }
        kind = "sha256" if found.provider == OWN_PROVIDER else "digest"
        digest = f", {kind} {found.digest}" if found.digest else ""
        at = _second(found.taken_at)
        return f"backup {_named(found)} of {at}, {words[found.verification]}{digest}"


def _second(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What backups are compared with: the moment, and the server at this moment."""

    database: str
    now: datetime
    lsn: int | None = None
    """Where the server's WAL is now, in bytes; None when it does not tell."""
    affected: tuple[Affected, ...] = ()
    """Every object that would be destroyed."""
    nothing_lost: bool = False
    """It was looked for what would be destroyed, and nothing of it is there, or nobody else can
    see it yet."""


def evaluate(
    requirement: BackupRequirement,
    backups: Iterable[Evidence],
    circumstances: Circumstances,
    destroyed: Destruction,
) -> BackupVerdict:
    """The newest backup that counts, or the reason why none does.

    It counts when its provider finds no flaw in it, it is proven as far as the requirement says,
    it is not older than that says, in time and in WAL, and it holds everything that would be
    destroyed, as that is now.
    """
    if requirement.unless_additive and destroyed.additive:
        return BackupVerdict(True, why="no backup needed: nothing is destroyed")
    if requirement.unless_additive and circumstances.nothing_lost:
        return BackupVerdict(True, why="no backup needed: nothing that is committed is destroyed")
    database = circumstances.database
    newest_first = sorted(backups, key=lambda found: found.taken_at, reverse=True)
    nearest: dict[str, str] = {}
    outdated = False
    for found in newest_first:
        objection = _objection(found, requirement, circumstances, destroyed)
        if objection is None:
            return BackupVerdict(True, found)
        outdated = outdated or (not nearest and objection.endswith(_CHANGED))
        note = f" ({found.note})" if found.note else ""
        nearest.setdefault(
            found.provider, f"Backup {_named(found)} does not count: {objection}{note}."
        )
    return BackupVerdict(
        False,
        message=f'{_WORDS[requirement.min_verification]} of database "{database}" that is at most '
        f"{describe(timedelta(seconds=requirement.max_age_seconds))} old is required",
        detail=(f"Needed for: {destroyed.reason}. " if destroyed.reason else "")
        + (" ".join(nearest.values()) or "There is no backup of this database."),
        hint=_hint(requirement, database, destroyed),
        outdated=outdated,
    )


def _named(found: Evidence) -> str:
    """Its id, and whose it is where it is none of dbguard's own."""
    return found.id if found.provider == OWN_PROVIDER else f"{found.id} of {found.provider}"


def _hint(requirement: BackupRequirement, database: str, destroyed: Destruction) -> str:
    if destroyed.reach is Reach.ELSEWHERE:
        return "Back the rows up where they are, and run the statement there."
    if destroyed.reach is Reach.CLUSTER:
        return (
            "A backup of dbguard's own holds one database: make one of the whole server with a "
            "tool of backup.providers, and try again."
        )
    if requirement.providers and OWN_PROVIDER not in requirement.providers:
        return f"Make a backup with {' or '.join(requirement.providers)}, and try again."
    return f"Run: {command(database)}"


def command(database: str) -> str:
    """The command that makes the missing backup."""
    return f"dbguard backup now --database {shlex.quote(database)}"


def describe(span: timedelta) -> str:
    """A duration in its largest whole units: `1 h`, `1 h 30 min`, `45 s`."""
    seconds = max(0, int(span.total_seconds()))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"


def _objection(
    found: Evidence,
    requirement: BackupRequirement,
    circumstances: Circumstances,
    destroyed: Destruction,
) -> str | None:
    if requirement.providers and found.provider not in requirement.providers:
        return f"it is of {found.provider}, which the rule does not name"
    if found.flaw:
        return found.flaw
    age = circumstances.now - found.taken_at
    if age > timedelta(seconds=requirement.max_age_seconds):
        return f"it is {describe(age)} old"
    if age < -CLOCK_TOLERANCE:
        return "its time is in the future, so a clock is wrong"
    if not found.verification.reaches(requirement.min_verification):
        return f"it was not proven as far as the rule asks ({requirement.min_verification})"
    return _wal_objection(found, requirement, circumstances) or _loss(
        found, circumstances, destroyed
    )


def _wal_objection(
    found: Evidence, requirement: BackupRequirement, circumstances: Circumstances
) -> str | None:
    limit = requirement.max_wal_bytes
    if limit is None:
        return None
    if found.lsn is None or circumstances.lsn is None:
        return "how much was written since is not known"
    written = circumstances.lsn - found.lsn
    if written < 0:
        return "its position is ahead of the server's, so it is of another history"
    if written > limit:
        return f"more than {describe_size(limit)} of WAL were written since"
    return None


def _loss(found: Evidence, circumstances: Circumstances, destroyed: Destruction) -> str | None:
    """What would be destroyed and is not in the backup as it is now."""
    if destroyed.reach is Reach.ELSEWHERE:
        return "rows of foreign tables are on another server, and in no backup of this one"
    if destroyed.reach is Reach.CLUSTER and not found.coverage.cluster:
        return "it does not hold the whole server"
    if destroyed.everything and not found.coverage.everything:
        return "it holds a part of the database, and the statement may change all of it"
    for relation in () if found.coverage.everything else destroyed.relations:
        if relation.oid not in found.coverage.relations and not circumstances.affected:
            return f"{relation} is not in it"
    for affected in circumstances.affected:
        if affected.beyond and not found.coverage.cluster:
            return f"{affected.kind} {affected.name} {affected.beyond}"
        if not found.coverage.holds(affected):
            return f"{affected.kind} {affected.name} is not in it"
        if affected.unchanged_since > (found.looked_at or found.taken_at):
            return f"{affected.kind} {affected.name} {_CHANGED}"
    return None
