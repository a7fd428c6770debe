"""A walk through the demo, as clients would take it, that checks what it sees.

Each *step* does one thing and returns a *finding*: what was done, what came back, and whether
that is what dbguard promises. Steps run in order; a later one may rest on an earlier one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from dbguard.audit.keys import public_path
from dbguard.demo.environment import Demo
from dbguard.demo.people import DATABASE, PASSWORD
from dbguard.errors import ConfigurationError, DbguardError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.taking import BackupContext, take_backup
from dbguard.report import Report, build_from
from dbguard.report.trail import Range
from dbguard.verification.findings import NoTrail, UnusableInput
from dbguard.verification.inputs import load_keys
from dbguard.verification.trail import verify

REFUSED = "42501"
"""SQLSTATE of a refusal by policy."""

DDL = "CREATE TABLE clinic.tour_visitors (id bigint PRIMARY KEY, came_at timestamptz)"
UNBOUNDED = "UPDATE clinic.patients SET phone = NULL"
PATIENTS = (
    "SELECT id, mrn, first_name, ssn, dob, city, zip FROM clinic.patients ORDER BY id LIMIT 5"
)
WHOLE_ROW = "SELECT row_to_json(p)::text AS patient FROM clinic.patients p ORDER BY id LIMIT 3"
AGGREGATE = (
    "SELECT icd10, count(*) AS diagnoses FROM clinic.diagnoses GROUP BY icd10 "
    "ORDER BY diagnoses DESC, icd10 LIMIT 3"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step showed."""

    title: str
    command: str
    """What a person would type to do the same."""
    ok: bool
    shown: str
    """One or more lines: rows, an error, a summary."""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Tour:
    """Where the walk goes."""

    demo: Demo
    port: int
    environ: Mapping[str, str]
    """Of this process, for pg_dump and pg_restore."""
    clock: Callable[[], dt.datetime]

    def dsn(self, user: str) -> str:
        """Connection URL through the proxy."""
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    @asynccontextmanager
    async def through(self, user: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection through dbguard."""
        connection = await asyncpg.connect(self.dsn(user), timeout=20)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    @asynccontextmanager
    async def direct(self) -> AsyncIterator[asyncpg.Connection]:
        """A superuser's connection past dbguard, to know what is really there."""
        connection = await asyncpg.connect(self.demo.server.dsn(database=DATABASE), timeout=20)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)


Step = Callable[[Tour], Awaitable[Finding]]


async def walk(tour: Tour) -> AsyncIterator[Finding]:
    """Take all steps; findings as they come. An unexpected error is a finding that is not ok."""
    for step in STEPS:
        try:
            yield await step(tour)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            code = getattr(error, "sqlstate", None) or type(error).__name__
            yield Finding(_title(step), "", ok=False, shown=f"unexpected: {code} {error}")
        except DbguardError as error:
            parts = (error.message, error.detail, error.hint)
            yield Finding(_title(step), "", ok=False, shown="\n".join(filter(None, parts)))


def check_fresh(demo: Demo) -> None:
    """The tour shows a refusal for want of a backup: raises if there is one already."""
    registry = BackupRegistry(demo.settings.state.path)
    if registry.all(DATABASE):
        raise ConfigurationError(
            f"{demo.directory} already holds backups, and the tour begins without one",
            hint="Add --reset, or leave --directory out: then the tour makes a folder of its own.",
        )


async def masked_rows(tour: Tour) -> Finding:
    """An analyst reads patients and gets masked data"""
    async with tour.through("analyst") as connection:
        masked = await connection.fetch(PATIENTS)
    async with tour.direct() as connection:
        real = await connection.fetch(PATIENTS)
    ok = len(masked) == len(real) == 5
    for seen, true in zip(masked, real, strict=True):
        ok = ok and seen["id"] == true["id"]
        ok = ok and all(seen[c] != true[c] for c in ("mrn", "first_name", "ssn", "city"))
        ok = ok and seen["ssn"] == "***-**-" + true["ssn"][-4:]
        ok = ok and (seen["dob"].month, seen["dob"].day) == (1, 1)
        ok = ok and seen["zip"] in (true["zip"][:3], "000")
    return _rows(masked_rows, "analyst", PATIENTS, masked, ok)


async def whole_rows(tour: Tour) -> Finding:
    """Whole rows as JSON are masked too: the query runs on masked data"""
    async with tour.through("analyst") as connection:
        masked = await connection.fetch(WHOLE_ROW)
    async with tour.direct() as connection:
        secrets = await connection.fetch(
            "SELECT ssn, mrn, last_name, email, dob::text FROM clinic.patients ORDER BY id LIMIT 3"
        )
    text = "\n".join(row["patient"] for row in masked)
    ok = len(masked) == 3 and not any(f'"{value}"' in text for row in secrets for value in row)
    return _rows(whole_rows, "analyst", WHOLE_ROW, masked, ok)


async def counting(tour: Tour) -> Finding:
    """What is not protected comes as it is"""
    async with tour.through("analyst") as connection:
        seen = await connection.fetch(AGGREGATE)
    async with tour.direct() as connection:
        true = await connection.fetch(AGGREGATE)
    return _rows(counting, "analyst", AGGREGATE, seen, bool(seen) and seen == true)


async def raw_rows(tour: Tour) -> Finding:
    """A clinician reads the same patients and gets the real data"""
    async with tour.through("clinician") as connection:
        seen = await connection.fetch(PATIENTS)
    async with tour.direct() as connection:
        true = await connection.fetch(PATIENTS)
    return _rows(raw_rows, "clinician", PATIENTS, seen, seen == true)


async def refused_write(tour: Tour) -> Finding:
    """An UPDATE without WHERE is refused"""
    async with tour.direct() as connection:
        count = "SELECT count(*) FROM clinic.patients WHERE phone IS NULL"
        before = await connection.fetchval(count)
        finding = await _refused(tour, refused_write, "clinician", UNBOUNDED, ("where",))
        unchanged = before == await connection.fetchval(count)
    return finding if unchanged else _failed(finding, "but rows have changed")


async def refused_ddl(tour: Tour) -> Finding:
    """DDL in production is refused while no proven backup exists"""
    return await _refused(tour, refused_ddl, "dba", DDL, ("backup",))


async def backup(tour: Tour) -> Finding:
    """A backup is made, restored into a scratch database and compared"""
    settings = tour.demo.settings
    assert settings.backup is not None
    assert settings.backup.dsn is not None
    made = await take_backup(
        DATABASE,
        BackupContext(
            access=ServerAccess(settings.backup.dsn.get_secret_value()),
            directory=settings.backup.directory,
            registry=BackupRegistry(settings.state.path),
            clock=tour.clock,
            environ=tour.environ,
            binaries=settings.backup.binaries,
        ),
    )
    ok = made.verified_at is not None and made.path is not None and made.path.is_file()
    shown = f"backup {made.id}: {made.counts.rows:,} rows restored and compared, {made.path}"
    command = f"dbguard backup now --config {tour.demo.config} --database {DATABASE}"
    return Finding(_title(backup), command, ok, shown)


async def allowed_ddl(tour: Tour) -> Finding:
    """With the backup, the same DDL runs"""
    async with tour.through("dba") as connection:
        tag = await connection.execute(DDL)
    async with tour.direct() as connection:
        made = await connection.fetchval("SELECT to_regclass('clinic.tour_visitors') IS NOT NULL")
    return Finding(_title(allowed_ddl), _psql("dba", DDL), bool(made), tag)


async def reporting(tour: Tour) -> Finding:
    """The report shows what was blocked and what was masked"""
    report = build_from(tour.demo.settings.audit.directory, Range())
    rules = {count.name for count in report.blocked.by_rule}
    ok = (
        report.blocked.count == 2
        and {"no-unbounded-writes", "ddl-needs-backup"} <= rules
        and report.masked.count >= 2
    )
    shown = f"{report.blocked.count} blocked, {report.masked.count} masked"
    command = f"dbguard report --config {tour.demo.config}"
    return Finding(_title(reporting), command, ok, shown, report=report)


async def verifying(tour: Tour) -> Finding:
    """The audit trail is verified: nothing was changed, removed or put in between"""
    command = f"dbguard audit verify --config {tour.demo.config}"
    try:
        audit = tour.demo.settings.audit
        result = verify(audit.directory, keys=load_keys([public_path(audit.signing_key)]))
    except (NoTrail, UnusableInput) as error:
        return Finding(_title(verifying), command, ok=False, shown=str(error))
    problems = "; ".join(map(str, result.findings))
    shown = problems or f"{result.records} records in {result.segments} segment(s), chain intact"
    if signed := result.chains[0].signed_through:
        shown += f", signed up to record {signed}"
    return Finding(_title(verifying), command, result.ok and result.records > 0, shown)


STEPS: tuple[Step, ...] = (
    masked_rows,
    whole_rows,
    counting,
    raw_rows,
    refused_write,
    refused_ddl,
    backup,
    allowed_ddl,
    reporting,
    verifying,
)


async def _refused(
    tour: Tour, step: Step, user: str, statement: str, words: Sequence[str]
) -> Finding:
    """Try a statement that has to be refused by the policy, with these words in the reason."""
    command = _psql(user, statement)
    async with tour.through(user) as connection:
        try:
            tag = await connection.execute(statement)
        except asyncpg.PostgresError as error:
            text = str(error)  # with detail and hint
            ok = error.sqlstate == REFUSED and all(word in text.lower() for word in words)
            return Finding(_title(step), command, ok, f"ERROR {error.sqlstate}: {text}")
        return Finding(_title(step), command, ok=False, shown=f"it ran: {tag}")


def _failed(finding: Finding, why: str) -> Finding:
    return Finding(finding.title, finding.command, ok=False, shown=f"{finding.shown}\n{why}")


def _rows(
    step: Step, user: str, statement: str, records: Sequence[asyncpg.Record], ok: bool
) -> Finding:
    header = tuple(records[0].keys()) if records else ()
    rows = tuple(tuple(str(value) for value in record) for record in records)
    shown = f"{len(records)} rows"
    return Finding(_title(step), _psql(user, statement), ok, shown, header, rows)


def _psql(user: str, statement: str) -> str:
    return f'dbguard psql {user} -c "{statement}"'


def _title(step: Step) -> str:
    return (step.__doc__ or "").strip()
