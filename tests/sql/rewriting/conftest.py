"""A clinical database whose restricted values all carry a mark that must never come through."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import psycopg
import pytest

from dbguard.catalog.loading import load_snapshot
from dbguard.masking.expressions import mask_expression
from dbguard.policy.decision import Mask, MaskKind
from dbguard.sql.analysis import analyze
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.names import quote
from dbguard.sql.rewrite import Rewritten, rewrite
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import SessionView, Snapshot
from dbguard.sql.verify import verify

DDL = r"""
CREATE SCHEMA clinic;
CREATE SCHEMA other;
CREATE TYPE clinic.sex AS ENUM ('canaryf', 'canarym');
CREATE DOMAIN clinic.mrn AS varchar(16) NOT NULL CHECK (VALUE <> '');
CREATE TYPE clinic.address AS (street text, city text);
CREATE TABLE clinic.providers (id int PRIMARY KEY, name text NOT NULL, dept varchar(20));
CREATE TABLE clinic.patients (
    id int PRIMARY KEY, mrn clinic.mrn, ssn varchar(11), name text COLLATE "C", dob date,
    zip char(5), age int, balance numeric(10,2), ext uuid, doc jsonb, sex clinic.sex,
    tags text[], note text, seen timestamptz(0), bin bytea, raw json, home clinic.address,
    provider_id int REFERENCES clinic.providers, gone text,
    twice int GENERATED ALWAYS AS (id * 2) STORED,
    lowered text GENERATED ALWAYS AS (lower(ssn)) STORED
);
ALTER TABLE clinic.patients DROP COLUMN gone;
CREATE UNIQUE INDEX ON clinic.patients (mrn);
CREATE TABLE clinic.visits (
    id int PRIMARY KEY, patient_id int REFERENCES clinic.patients, at date, cost numeric(8,2),
    remark text
);
CREATE TABLE other.patients (id int PRIMARY KEY, ssn text, dept text);
CREATE TABLE clinic."Odd Täble" (id int PRIMARY KEY, "Se""cret" text, "t" text);
CREATE VIEW clinic.overview AS SELECT id, ssn, name, provider_id FROM clinic.patients;
CREATE MATERIALIZED VIEW clinic.frozen AS SELECT id, ssn, provider_id FROM clinic.patients;
CREATE TABLE clinic.events (id int, at date, body text) PARTITION BY RANGE (at);
CREATE TABLE clinic.events_2024 PARTITION OF clinic.events
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE clinic.people (id int PRIMARY KEY, secret text);
CREATE TABLE clinic.staff (badge int) INHERITS (clinic.people);
CREATE TABLE clinic.scratch (id int, body text);
CREATE TABLE clinic.many (id int PRIMARY KEY, grp int, at date, secret text);
CREATE INDEX ON clinic.many (grp);

INSERT INTO clinic.many SELECT n, n % 500, date '2020-01-01' + n % 900, 'canary ' || n
    FROM generate_series(1, 30000) n;
INSERT INTO clinic.providers SELECT n, 'Dr ' || n, 'dept ' || n % 3 FROM generate_series(1, 5) n;
INSERT INTO clinic.patients (id, mrn, ssn, name, dob, zip, age, balance, ext, doc, sex, tags, note,
        seen, bin, raw, home, provider_id)
    SELECT n, 'CANARY' || to_char(n, 'FM0000'), '987-65-' || to_char(n, 'FM0000'),
        'Canary Person ' || n, date '1920-11-23' + n * 365 * 3, '99' || to_char(n, 'FM000'),
        (80 + n % 20), 771234.01 + n, '0caca0ca-0caa-4caa-8caa-0000000000aa'::uuid,
        jsonb_build_object('k', 'canary ' || n), 'canaryf', ARRAY['canary', 'x' || n],
        'canary note ' || n, '2023-11-23 17:17:17+00', 'canary'::bytea,
        json_build_object('k', 'canary ' || n),
        ROW('canary street', 'canary city')::clinic.address, 1 + n % 5
    FROM generate_series(1, 40) n;
INSERT INTO clinic.patients (id, mrn) VALUES (41, 'CANARY0041');
INSERT INTO clinic.visits SELECT n, 1 + n % 40, date '2024-01-01' + n, n * 10, 'canary remark'
    FROM generate_series(1, 100) n;
INSERT INTO other.patients SELECT n, 'canary other ' || n, 'd' || n FROM generate_series(1, 5) n;
INSERT INTO clinic."Odd Täble" VALUES (1, 'canary odd', 'canary t'), (2, NULL, 'canary t');
REFRESH MATERIALIZED VIEW clinic.frozen;
INSERT INTO clinic.events SELECT n, date '2024-02-01' + n, 'canary event'
    FROM generate_series(1, 9) n;
INSERT INTO clinic.people VALUES (1, 'canary person');
INSERT INTO clinic.staff VALUES (2, 'canary staff', 17);
INSERT INTO clinic.scratch VALUES (1, 'one'), (2, 'two'), (3, 'three');
ANALYZE;
"""

CANARIES = (
    b"canary", b"987-65", b"987", b"771234", b"7712", b"11-23", b"1123", b"99001", b"99040",
    b"0caca0ca", b"\x0c\xac\xa0\xca", b"17:17", b"63616e617279", b"\xac\x63",
)  # fmt: skip
"""Parts of raw values, lower case; the last ones are binary and hexadecimal forms."""

NULL = Mask(MaskKind.NULL)
REDACT = Mask(MaskKind.REDACT, fill="[redacted]")
MASKS: dict[str, dict[str, Mask]] = {
    "clinic.patients": {
        "mrn": Mask(MaskKind.KEEP_LAST, keep=4, fill="MRN-"),
        "ssn": Mask(MaskKind.KEEP_LAST, keep=4, fill="***-**-"),
        "name": REDACT,
        "dob": Mask(MaskKind.YEAR, floor_year=1934),
        "zip": Mask(MaskKind.ZIP3, restricted=("036",)),
        "age": Mask(MaskKind.AGE_CAP, keep=90),
        "balance": NULL,
        "ext": NULL,
        "doc": NULL,
        "sex": NULL,
        "tags": NULL,
        "note": REDACT,
        "seen": Mask(MaskKind.YEAR),
        "bin": REDACT,
        "raw": NULL,
        "home": NULL,
        "lowered": NULL,
    },
    "clinic.many": {"at": Mask(MaskKind.YEAR), "secret": REDACT},
    "clinic.visits": {"remark": REDACT},
    "other.patients": {"ssn": REDACT},
    'clinic."Odd Täble"': {'Se"cret': REDACT, "t": NULL},
    "clinic.overview": {"ssn": REDACT, "name": REDACT},
    "clinic.frozen": {"ssn": REDACT},
    "clinic.events": {"body": REDACT},
    "clinic.events_2024": {"body": REDACT},
    "clinic.people": {"secret": REDACT},
    "clinic.staff": {"secret": REDACT},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one text: all of it, as bytes."""

    names: tuple[str, ...] = ()
    types: tuple[tuple[int, int], ...] = ()
    """Type OID and typmod of each column."""
    rows: tuple[tuple[bytes | None, ...], ...] = ()
    errors: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def leaks(self) -> list[bytes]:
        """The marks found anywhere in the answer."""
        told = [*self.errors, *self.notices, *self.names]
        seen = b"\n".join(t.encode() for t in told)
        seen += b"\n".join(v for row in self.rows for v in row if v is not None)
        return [mark for mark in CANARIES if mark in seen.lower()]


@dataclass
class Clinic:
    """The database, its snapshot and the masks of somebody who may see nothing raw."""

    database: Any
    snapshot: Snapshot
    search_path: tuple[str, ...] = ("pg_catalog", "clinic", "public")
    masks: dict[int, dict[int, str]] = field(default_factory=dict)

    def read(self, text: str) -> tuple[Reading, ...]:
        view = SessionView("postgres", self.search_path)
        return analyze(text, self.snapshot, view, DEFAULT_LIMITS)

    def rewritten(self, text: str, *, used_only: bool = False) -> Rewritten:
        """`text` as dbguard would send it, proven; masks only for columns that the facts name
        with `used_only`."""
        readings = self.read(text)
        masks = self.masks
        if used_only:
            names = {
                (c.column.relation, c.column.number) for r in readings for c in r.facts.columns
            }
            masks = {o: {n: m for n, m in f.items() if (o, n) in names} for o, f in masks.items()}
        result = rewrite(text, readings, masks, self.snapshot)
        verify(text, result, readings, masks, self.snapshot)
        return result

    def run(self, text: str, *, binary: bool = False) -> Answer:
        """Send `text` and take back everything the server says; nothing stays changed."""
        notices: list[str] = []
        path = ", ".join(s for s in self.search_path if s != "pg_catalog")
        with closing(psycopg.connect(self.database.dsn(), autocommit=True)) as connection:
            connection.add_notice_handler(
                lambda d: notices.append(f"{d.message_primary} {d.message_detail}")
            )
            low = connection.pgconn
            low.exec_(f"SET search_path = {path}; SET timezone = 'UTC'; BEGIN".encode())
            if text.lstrip().upper().startswith("COPY"):
                return _copied(connection, text, notices)
            raw = text.encode()
            result = low.exec_params(raw, [], result_format=1) if binary else low.exec_(raw)
            errors = [result.error_message.decode()] if result.error_message else []
            count = range(result.nfields)
            return Answer(
                tuple((result.fname(i) or b"").decode() for i in count),
                tuple((result.ftype(i), result.fmod(i)) for i in count),
                tuple(tuple(result.get_value(r, i) for i in count) for r in range(result.ntuples)),
                tuple(errors),
                tuple(notices),
            )


def _copied(connection: Any, text: str, notices: list[str]) -> Answer:
    try:
        with connection.cursor().copy(text) as copy:
            return Answer(rows=tuple((bytes(row),) for row in copy), notices=tuple(notices))
    except psycopg.Error as error:
        return Answer(errors=(str(error),), notices=tuple(notices))


def masks_for(snapshot: Snapshot) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    for relation in snapshot.relations:
        name = relation.name if relation.name.islower() else quote(relation.name)
        for column, mask in MASKS.get(f"{relation.schema}.{name}", {}).items():
            masked = relation.column_by_name[column]
            text = mask_expression(mask, masked, f"t.{quote(column)}")
            found.setdefault(relation.oid, {})[masked.number] = text
    return found


async def _snapshot(dsn: str) -> Snapshot:
    connection = await asyncpg.connect(dsn)
    try:
        return await load_snapshot(connection, 1)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def clinic(pg_server: Any) -> Iterator[Clinic]:
    database = pg_server.create_database()
    database.execute(DDL)
    with ThreadPoolExecutor(1) as pool:
        snapshot = pool.submit(asyncio.run, _snapshot(database.dsn())).result()
    made = Clinic(database, snapshot)
    made.masks = masks_for(snapshot)
    assert len(made.masks) == len(MASKS)
    yield made
    database.drop()
