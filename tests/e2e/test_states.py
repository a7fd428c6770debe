"""After a refusal, clients' notion of the transaction and pipeline state stays right."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.pq import TransactionStatus

from .proxies import Guarded

pytestmark = pytest.mark.pg

REFUSED = "UPDATE clinic.patients SET ssn = 'x' WHERE id = 1"


def test_commit_after_a_refusal_answers_rollback(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst")) as connection:
        connection.execute("CREATE TEMP TABLE mine (a int) ON COMMIT PRESERVE ROWS")
        connection.commit()
        connection.execute("INSERT INTO mine VALUES (1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(REFUSED)
        assert "clinic.patients.ssn" in str(caught.value.diag.message_primary)
        assert "rule" in str(caught.value.diag.message_detail)
        assert caught.value.diag.message_hint
        assert connection.info.transaction_status == TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
        assert connection.info.transaction_status == TransactionStatus.IDLE
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (0,)


def test_a_savepoint_survives_a_refusal(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst")) as connection:
        connection.execute("SELECT 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(REFUSED)
        assert connection.info.transaction_status == TransactionStatus.INTRANS
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_outside_a_transaction_the_session_goes_on(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst", autocommit=True)) as connection:
        for _ in range(3):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(REFUSED)
            assert connection.info.transaction_status == TransactionStatus.IDLE
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_refusal_in_a_pipeline_skips_to_the_sync(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst", autocommit=True)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline() as pipeline:
            first = connection.execute("SELECT 1")
            refused = connection.execute(REFUSED)
            skipped = connection.execute("SELECT 3")
            pipeline.sync()
        assert first.fetchone() == (1,)
        for cursor in (refused, skipped):
            with pytest.raises(psycopg.Error):
                cursor.fetchone()
        assert connection.info.transaction_status == TransactionStatus.IDLE
        with connection.pipeline():
            assert connection.execute("SELECT 4").fetchone() == (4,)


async def test_asyncpg_keeps_its_state(clinic: Guarded) -> None:
    connection = await asyncpg.connect(clinic.dsn("analyst"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("SELECT 1")
                await connection.execute(REFUSED)
        assert not connection.is_in_transaction()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(REFUSED)
        assert await connection.fetchval("SELECT 5") == 5
        async with connection.transaction():
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.fetch(REFUSED)
            assert await connection.fetchval("SELECT 6") == 6
    finally:
        await connection.close()


async def test_a_statement_prepared_before_the_rules_of_names_changed(clinic: Guarded) -> None:
    connection = await asyncpg.connect(clinic.dsn("analyst"))
    try:
        await connection.execute("SET search_path = clinic")
        statement = await connection.prepare("SELECT ssn FROM patients WHERE id = $1")
        assert (await statement.fetchval(1)).startswith("***-**-")
        await connection.execute("CREATE TEMP TABLE patients AS SELECT 1::bigint AS id, 'own' ssn")
        assert await statement.fetchval(1) == "own"
        await connection.execute("DROP TABLE pg_temp.patients")
        assert (await statement.fetchval(1)).startswith("***-**-")
    finally:
        await connection.close()


def test_prepared_statements_through_both_doors(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst", autocommit=True)) as connection:
        connection.execute("PREPARE q(bigint) AS SELECT ssn FROM clinic.patients WHERE id = $1")
        (row,) = connection.execute("EXECUTE q(1)").fetchall()
        assert row[0].startswith("***-**-")
        connection.execute("DEALLOCATE ALL")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            connection.execute("EXECUTE q(1)")


def test_notices_and_notifications_pass(clinic: Guarded) -> None:
    with closing(clinic.connect("dba", autocommit=True)) as connection:
        notices: list[Any] = []
        connection.add_notice_handler(lambda d: notices.append(d.message_primary))
        connection.execute("COMMIT")
        assert notices == ["there is no transaction in progress"]
        connection.execute("LISTEN c")
        connection.execute("NOTIFY c, 'hello'")
        (note,) = connection.notifies(timeout=5, stop_after=1)
        assert note.payload == "hello"
