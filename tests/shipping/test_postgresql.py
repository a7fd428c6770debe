"""Rows in PostgreSQL: added once, by a role that can do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trustme

from dbguard.setting_types import SecretSource
from dbguard.shipping.delivering import Delivery, GivenUp
from dbguard.shipping.making import make_destination
from dbguard.shipping.postgresql import TABLES
from dbguard.shipping.reading_back import (
    FetchError,
    checkpoint_lines,
    open_source,
    write_copy,
)
from dbguard.shipping_settings import DestinationSettings
from dbguard.verification.trail import verify
from tests.conftest import Database

from .places import QUICK, Said, Trail, decision, settings_of

pytestmark = pytest.mark.pg
PAGE = Path(__file__).parent.parent.parent / "docs" / "shipping.md"


def documented() -> str:
    """The statements that docs/shipping.md tells people to run."""
    found = re.search(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1].replace("'…'", "'ship'")


@pytest.fixture
def evidence(pg_database: Database) -> Iterator[Database]:
    """A database with the documented tables and role."""
    password = pg_database.server.password("dbguard_ship")
    pg_database.execute(documented().replace("'ship'", f"'{password}'"))
    yield pg_database
    pg_database.execute("DROP OWNED BY dbguard_ship CASCADE; DROP ROLE dbguard_ship")


def settings(database: Database, **members: object) -> DestinationSettings:
    dsn = SecretSource(database.dsn("dbguard_ship"))
    return settings_of(**({"type": "postgresql", "dsn": dsn, "schema_name": "evidence"} | members))


def shipping(trail: Trail, said: Said, database: Database, **members: object) -> Delivery:
    chosen = settings(database, **members)
    destination = make_destination(chosen, said)
    return Delivery(trail.directory, chosen, destination, said, pace=QUICK, by_hand=True)


def cursor(trail: Trail) -> Path:
    return trail.directory / "shipping" / "place.json"


async def test_rows_are_the_lines_once(
    trail: Trail, said: Said, evidence: Database, tmp_path: Path
) -> None:
    trail.add(40)
    trail.checkpoint(20)
    trail.checkpoint()
    await shipping(trail, said, evidence).run(once=True)
    found = evidence.execute("SELECT line FROM evidence.dbguard_audit ORDER BY seq")
    assert [str(line).encode() + b"\n" for (line,) in found] == trail.lines()
    assert evidence.execute("SELECT size FROM evidence.dbguard_checkpoints ORDER BY size") == [
        (20,),
        (trail.count,),
    ]
    cursor(trail).unlink()  # as if the process had been killed before it could be written
    trail.add(5)
    await shipping(trail, said, evidence).run(once=True)
    (count,) = evidence.execute("SELECT count(*), max(seq) FROM evidence.dbguard_audit")
    assert count == (trail.count, trail.count)
    assert said.entries == []

    reader = SecretSource(evidence.dsn())
    async with open_source(settings(evidence), reader) as source:
        lines = [line async for line in checkpoint_lines(source)]
        assert await write_copy(source, None, tmp_path / "copy") == trail.count
    assert b"".join(lines) == (trail.folder / "checkpoints.jsonl").read_bytes()
    (tmp_path / "elsewhere.jsonl").write_bytes(b"".join(lines))
    original, copy = (
        verify(directory, checkpoint_files=[tmp_path / "elsewhere.jsonl"])
        for directory in (trail.directory, tmp_path / "copy")
    )
    assert original == copy


async def test_the_role_can_neither_change_nor_read_what_it_wrote(
    trail: Trail, said: Said, evidence: Database
) -> None:
    trail.add(3)
    await shipping(trail, said, evidence).run(once=True)
    with psycopg.connect(evidence.dsn("dbguard_ship"), autocommit=True) as connection:
        for statement in (
            "UPDATE evidence.dbguard_audit SET line = ''",
            "DELETE FROM evidence.dbguard_audit",
            "TRUNCATE evidence.dbguard_audit",
            "DROP TABLE evidence.dbguard_audit",
            "SELECT line FROM evidence.dbguard_audit",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[call-overload]
    with pytest.raises(FetchError, match="SQLSTATE 42501"):
        async with open_source(settings(evidence)) as source:
            await write_copy(source, None, Path("nowhere"))


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("dbguard_audit", "SET hash = repeat('0', 64) WHERE seq = 2", "another record 2 of trail"),
        ("dbguard_checkpoints", "SET root = 'x'", "another checkpoint of tree size 5 of trail"),
    ],
)
async def test_a_fork_is_found(
    trail: Trail, said: Said, evidence: Database, table: str, change: str, words: str
) -> None:
    trail.add(5)
    trail.checkpoint()
    await shipping(trail, said, evidence).run(once=True)
    evidence.execute(f"UPDATE evidence.{table} {change}")
    cursor(trail).unlink()
    with pytest.raises(GivenUp, match=f"fork: evidence holds {words}"):
        await shipping(trail, said, evidence).run(once=True)
    assert said.events("error") == ["nothing goes to a destination"]


async def test_wrong_credentials_are_told_without_them(
    trail: Trail, said: Said, evidence: Database
) -> None:
    trail.add(1)
    right = evidence.server.password("dbguard_ship")
    wrong = evidence.dsn("dbguard_ship").replace(f":{right}@", ":wr0ng-s3cret@")
    with pytest.raises(GivenUp, match="does not let the role in") as caught:
        await shipping(trail, said, evidence, dsn=SecretSource(wrong)).run(once=True)
    for text in (str(caught.value), str(said), cursor(trail).read_text()):
        assert "wr0ng-s3cret" not in text
    await shipping(trail, said, evidence).run(once=True)


async def test_a_grant_is_missing(trail: Trail, said: Said, evidence: Database) -> None:
    trail.add(1)
    evidence.execute(
        "REVOKE SELECT (trail, writer, seq, hash) ON evidence.dbguard_audit FROM dbguard_ship;"
        "SELECT 1",
    )
    with pytest.raises(GivenUp, match=r"INSERT, and SELECT on \(trail, writer, seq, hash\)"):
        await shipping(trail, said, evidence).run(once=True)


async def test_a_server_that_cannot_do_tls(trail: Trail, said: Said, evidence: Database) -> None:
    trail.add(1)
    dsn = SecretSource(evidence.dsn("dbguard_ship") + "?sslmode=verify-full")
    with pytest.raises(GivenUp):
        await shipping(trail, said, evidence, dsn=dsn).run(once=True)


async def test_a_certificate_for_another_name_is_told(
    trail: Trail, said: Said, tmp_path: Path
) -> None:
    """Of whoever answers in the server's place, as far as TLS goes."""
    trail.add(1)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.example").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # SSLRequest
        writer.write(b"S")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await writer.start_tls(context)
            await reader.read(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dsn = f"postgresql://u:p@127.0.0.1:{port}/x?sslmode=verify-full&sslrootcert={tmp_path}/ca.crt"
    chosen = settings_of(type="postgresql", dsn=SecretSource(dsn))
    destination = make_destination(chosen, said)
    delivery = Delivery(trail.directory, chosen, destination, said, pace=QUICK, by_hand=True)
    with pytest.raises(GivenUp, match="its certificate is not to be trusted"):
        await delivery.run(once=True)
    server.close()


async def test_a_connection_that_is_lost_is_made_again(
    trail: Trail, said: Said, evidence: Database
) -> None:
    trail.add(5)
    chosen = settings(evidence)
    delivery = Delivery(trail.directory, chosen, make_destination(chosen, said), said, pace=QUICK)
    task = asyncio.create_task(delivery.run())
    for _ in range(3):
        trail.add(5)
        async with asyncio.timeout(90):
            while delivery.status().lag_records or not delivery.status().shipped:
                await asyncio.sleep(0.01)
        ended = evidence.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dbguard ship'"
        )
        assert ended == [(True,)]
    trail.add(5)
    async with asyncio.timeout(90):
        while delivery.status().lag_records:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert evidence.execute("SELECT count(*) FROM evidence.dbguard_audit") == [(trail.count,)]


async def test_a_large_record(trail: Trail, said: Said, evidence: Database) -> None:
    trail.add(3, lambda number: decision(number, text="x" * 2_000_000))
    await shipping(trail, said, evidence).run(once=True)
    (found,) = evidence.execute("SELECT count(*), min(length(line)) FROM evidence.dbguard_audit")
    assert found[0] == 3


async def test_tables_are_made_where_they_are_missing(
    trail: Trail, said: Said, evidence: Database
) -> None:
    trail.add(2)
    dsn = SecretSource(evidence.dsn())
    evidence.execute("CREATE SCHEMA made_here; SELECT 1")
    try:
        await shipping(trail, said, evidence, dsn=dsn, schema_name="made_here").run(once=True)
        assert evidence.execute("SELECT count(*) FROM made_here.dbguard_audit") == [(2,)]
    finally:
        evidence.execute("DROP SCHEMA made_here CASCADE; SELECT 1")
    assert said.events() == ["the role that ships may change what it has shipped"]


def test_the_page_shows_the_same_tables() -> None:
    made = TABLES.format(schema="evidence").replace("IF NOT EXISTS ", "").strip()
    assert made in documented()
