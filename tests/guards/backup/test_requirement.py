"""The requirement: what counts, what does not, and what the client is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbguard.guards.backup.evidence import WHOLE, Affected, Coverage, Evidence
from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity, RowCounts
from dbguard.guards.backup.presence import file_flaw
from dbguard.guards.backup.registered import as_evidence
from dbguard.guards.backup.requirement import (
    BackupVerdict,
    Circumstances,
    describe,
)
from dbguard.guards.backup.requirement import evaluate as evaluated
from dbguard.policy.decision import BackupRequirement, Verification
from dbguard.sql.destruction import (
    ADDITIVE,
    DestroyedRelation,
    Destruction,
    Reach,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLINIC = DatabaseIdentity("7001", "clinic", 16400)
RULE = BackupRequirement("ddl-needs-backup", 3600)


CLAIMS = Destruction((DestroyedRelation(1, "clinic", "claims"),), reason="dropping clinic.claims")


def evaluate(
    requirement: BackupRequirement,
    backups: list[Evidence],
    now: datetime,
    database: DatabaseIdentity,
    destroyed: Destruction = CLAIMS,
    affected: tuple[Affected, ...] = (),
    lsn: int | None = None,
) -> BackupVerdict:
    return evaluated(
        requirement, backups, Circumstances(database.name, now, lsn, affected), destroyed
    )


def stored(
    *, age: float = 60, size: int | None = 10, at: DatabaseIdentity = CLINIC, **fields: object
) -> Evidence:
    snapshot_at = NOW - timedelta(seconds=age)
    backup = Backup(
        f"b{age}",
        at,
        snapshot_at,
        NOW,
        BackupStatus.VERIFIED,
        Path("/b.dump"),
        10,
        "00",
        verified_at=NOW,
        counts=RowCounts.of({"t": 1}),
    )
    backup = replace(backup, **fields)  # type: ignore[arg-type]
    return as_evidence(backup, file_flaw(backup, size), CLINIC)


def evidence(provider: str = "tool", *, age: float = 60, **fields: object) -> Evidence:
    found = Evidence("e1", provider, NOW - timedelta(seconds=age), Verification.TOOL)
    return replace(found, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("age", [0, 1, 3599, 3600, -4])
def test_counts(age: float) -> None:
    verdict = evaluate(RULE, [stored(age=age)], NOW, CLINIC)
    assert (verdict.satisfied, verdict.backup_id) == (True, f"b{age}")


@pytest.mark.parametrize(
    ("backup", "because"),
    [
        (stored(age=3601), "it is 1 h 1 s old"),
        (stored(age=7 * 86400 + 7200), "it is 7 d 2 h old"),
        (stored(age=-60), "a clock is wrong"),
        (stored(size=None), "its file is missing"),
        (stored(size=9), "recorded size"),
        (stored(size=0), "recorded size"),
        (stored(status=BackupStatus.FAILED), "it failed"),
        (
            stored(status=BackupStatus.FAILED, error="dump failed. Exit 1."),
            "it failed (dump failed)",
        ),
        (stored(verified_at=None), "it failed"),
        (stored(at=replace(CLINIC, server="7002")), "another server"),
        (stored(at=replace(CLINIC, oid=16401)), "dropped and created again"),
        (stored(at=replace(CLINIC, name="other")), "another database"),
    ],
)
def test_does_not_count(backup: Evidence, because: str) -> None:
    verdict = evaluate(RULE, [backup], NOW, CLINIC)
    assert not verdict.satisfied
    assert verdict.backup_id is None
    assert verdict.message == (
        'a verified backup of database "clinic" that is at most 1 h old is required'
    )
    assert because in verdict.detail
    assert verdict.hint == "Run: dbguard backup now --database clinic"


def test_none_at_all() -> None:
    verdict = evaluate(RULE, [], NOW, CLINIC)
    assert not verdict.satisfied
    assert "There is no backup of this database." in verdict.detail


def test_an_older_good_one_counts_beside_a_newer_bad_one() -> None:
    bad = stored(age=10, status=BackupStatus.FAILED)
    verdict = evaluate(RULE, [bad, stored(age=100)], NOW, CLINIC)
    assert verdict.backup_id == "b100"


def test_age_is_that_of_the_snapshot_not_of_the_end() -> None:
    backup = stored(age=4000, finished_at=NOW, verified_at=NOW)
    assert not evaluate(RULE, [backup], NOW, CLINIC).satisfied


def test_names_are_quoted_for_the_shell() -> None:
    verdict = evaluate(RULE, [], NOW, DatabaseIdentity("1", "my db; rm", 1))
    assert verdict.hint == "Run: dbguard backup now --database 'my db; rm'"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (90, "1 min 30 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_describe(seconds: int, text: str) -> None:
    assert describe(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("level", list(Verification))
@pytest.mark.parametrize("wanted", list(Verification))
def test_levels_of_proof_include_those_below(level: Verification, wanted: Verification) -> None:
    order = list(Verification)
    rule = replace(RULE, min_verification=wanted)
    verdict = evaluate(rule, [evidence(verification=level)], NOW, CLINIC)
    assert verdict.satisfied is (order.index(level) >= order.index(wanted))
    if not verdict.satisfied:
        assert f"not proven as far as the rule asks ({wanted})" in verdict.detail


def test_only_named_providers_count() -> None:
    rule = BackupRequirement("r", 3600, min_verification=Verification.TOOL, providers=("barman",))
    verdict = evaluate(rule, [evidence("pgbackrest")], NOW, CLINIC)
    assert "it is of pgbackrest, which the rule does not name" in verdict.detail
    assert evaluate(rule, [evidence("pgbackrest"), evidence("barman")], NOW, CLINIC).satisfied


@pytest.mark.parametrize(
    ("taken_at", "now", "because"),
    [
        (100, 100, None),
        (100, 100 + 1024**3, None),
        (100, 101 + 1024**3, "more than 1 GB of WAL were written since"),
        (None, 100, "how much was written since is not known"),
        (100, None, "how much was written since is not known"),
        (101, 100, "its position is ahead of the server's"),
    ],
)
def test_distance_in_wal(taken_at: int | None, now: int | None, because: str | None) -> None:
    rule = BackupRequirement("r", 3600, min_verification=Verification.EXISTS, max_wal_bytes=1024**3)
    verdict = evaluate(rule, [evidence(lsn=taken_at)], NOW, CLINIC, lsn=now)
    assert verdict.satisfied is (because is None)
    assert (because or "") in verdict.detail


def claims(since: float, oid: int = 1) -> Affected:
    return Affected("table", oid, "clinic", "clinic.claims", NOW - timedelta(seconds=since))


@pytest.mark.parametrize(
    ("coverage", "affected", "because"),
    [
        (WHOLE, claims(60), None),
        (WHOLE, claims(61), None),
        (WHOLE, claims(59), "table clinic.claims was made or changed after it"),
        (Coverage(False, relations=frozenset({1})), claims(90), None),
        (Coverage(False, relations=frozenset({2})), claims(90), "table clinic.claims is not in it"),
        (Coverage(False, schemas=frozenset({"clinic"})), claims(90), None),
        (Coverage(False, schemas=frozenset({"other"})), claims(90), "is not in it"),
    ],
)
def test_every_object_has_to_be_in_it_as_it_is_now(
    coverage: Coverage, affected: Affected, because: str | None
) -> None:
    rule = replace(RULE, min_verification=Verification.EXISTS)
    found = evidence(age=60, coverage=coverage)
    verdict = evaluate(rule, [found], NOW, CLINIC, affected=(affected,))
    assert verdict.satisfied is (because is None)
    assert (because or "") in verdict.detail


def test_what_may_reach_everything_needs_everything() -> None:
    rule = replace(RULE, min_verification=Verification.EXISTS)
    part = evidence(coverage=Coverage(False, schemas=frozenset({"clinic"})))
    everything, server = Destruction(reach=Reach.DATABASE), Destruction(reach=Reach.CLUSTER)
    assert not evaluate(rule, [part], NOW, CLINIC, everything).satisfied
    assert evaluate(rule, [evidence()], NOW, CLINIC, everything).satisfied
    verdict = evaluate(rule, [evidence()], NOW, CLINIC, server)
    assert "it does not hold the whole server" in verdict.detail
    whole = evidence(coverage=Coverage(cluster=True))
    assert evaluate(rule, [whole], NOW, CLINIC, server).satisfied


def test_additive_statements_may_be_exempted() -> None:
    verdict = evaluate(replace(RULE, unless_additive=True), [], NOW, CLINIC, ADDITIVE)
    assert (verdict.satisfied, verdict.how) == (True, "no backup needed: nothing is destroyed")
    assert not evaluate(RULE, [], NOW, CLINIC, ADDITIVE).satisfied
    assert not evaluate(replace(RULE, unless_additive=True), [], NOW, CLINIC).satisfied


def test_the_record_says_which_backup_and_what_was_stored() -> None:
    verdict = evaluate(RULE, [stored(age=60, sha256="ab12")], NOW, CLINIC)
    assert verdict.how == (
        "backup b60 of 2026-03-01T11:59:00Z, verified 2026-03-01T12:00:00Z, sha256 ab12"
    )


def foreign(provider: str, age: float, **fields: object) -> Evidence:
    taken_at = NOW - timedelta(seconds=age)
    found = Evidence("f1", provider, taken_at, Verification.EXISTS)
    return replace(found, **fields)  # type: ignore[arg-type]


def test_the_nearest_miss_of_each_provider_is_told() -> None:
    verdict = evaluate(
        replace(RULE, min_verification=Verification.TOOL),
        [
            foreign("rest", 10, flaw="it failed"),
            foreign("rest", 20),
            foreign("barman", 60, note="barman verify-backup is under way"),
            stored(age=7200),
        ],
        NOW,
        CLINIC,
    )
    assert not verdict.satisfied
    assert verdict.detail == (
        "Needed for: dropping clinic.claims. "
        "Backup f1 of rest does not count: it failed. "
        "Backup f1 of barman does not count: it was not proven as far as the rule asks (tool) "
        "(barman verify-backup is under way). "
        "Backup b7200 does not count: it is 2 h old."
    )


def test_the_newest_that_counts_is_taken_whosever_it_is() -> None:
    rule = replace(RULE, min_verification=Verification.EXISTS)
    verdict = evaluate(rule, [stored(age=100), foreign("rest", 50)], NOW, CLINIC)
    assert verdict.backup is not None
    assert verdict.backup.provider == "rest"
    assert verdict.how == "backup f1 of rest of 2026-03-01T11:59:10Z, not verified"
    verdict = evaluate(rule, [stored(age=100), foreign("rest", 150)], NOW, CLINIC)
    assert verdict.backup_id == "b100"


def test_the_hint_is_for_those_whose_backups_count() -> None:
    rule = replace(RULE, providers=("rest", "barman"))
    assert evaluate(rule, [], NOW, CLINIC).hint == (
        "Make a backup with rest or barman, and try again."
    )
    rule = replace(RULE, providers=("rest", "pg_dump"))
    assert evaluate(rule, [], NOW, CLINIC).hint == "Run: dbguard backup now --database clinic"


@pytest.mark.parametrize(
    ("kind", "name", "held"),
    [
        ("table", "clinic.patients", True),
        ("table", "clinic.claims", False),
        ("table", "billing.invoices", True),
        ("sequence", "clinic.patients", True),
        ("function", "clinic.patients", False),
        ("view", "clinic.patients", False),
    ],
)
def test_tables_by_name(kind: str, name: str, held: bool) -> None:
    coverage = Coverage(False, frozenset({"billing"}), tables=frozenset({"clinic.patients"}))
    long_ago = NOW - timedelta(days=1)
    assert coverage.holds(Affected(kind, 7, name.partition(".")[0], name, long_ago)) is held
