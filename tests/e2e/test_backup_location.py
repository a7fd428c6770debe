"""DDL that waits for a backup which goes to a bucket, and what comes back from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.buckets import answering, error, s3_client, s3_server

from .proxies import ROOT, Guarded
from .test_taking import (
    PATIENCE,
    TAKING,
    backup_events,
    connect,
    create,
    nothing_left,
    until,
)

pytestmark = [pytest.mark.pg, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

KEY = "00" * 32


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    with s3_client(endpoint, "dumps") as made:
        yield made


@pytest.fixture
def far(guard: Any, pg_database: Any, endpoint: str, client: Any) -> Iterator[Guarded]:
    """A proxy that takes backups while clients wait, and keeps them in a bucket, encrypted."""
    pg_database.create_user("ddl_owner", options="LOGIN SUPERUSER")
    guarded: Guarded = guard(pg_database, rules=None, started=False)
    (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
    (guarded.folder / "backup.key").write_text(KEY)
    (guarded.folder / "s3.secret").write_text("s\n")
    location = (
        f'directory: backups, key: "file:backup.key", keep: {{count: 1}}, location: '
        f'{{url: "s3://dumps/clinic", endpoint: "{endpoint}", region: us-east-1, '
        f'access_key: k, secret_key: "file:s3.secret", timeout: 20s}}}}'
    )
    text = guarded.config.read_text("utf-8")
    assert "directory: backups}" in text
    guarded.config.write_text(text.replace("directory: backups}", location), "utf-8")
    guarded.start()
    yield guarded
    if guarded.process is not None and guarded.process.poll() is None:
        guarded.stop()
    nothing_left(guarded, pg_database)


def objects(client: Any) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket="dumps").get("Contents", [])]


def dbguard(guarded: Guarded, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dbguard", "backup", *words, "--config", "dbguard.yaml"],
        capture_output=True, text=True, check=False, cwd=guarded.folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_was_dropped_comes_back_from_the_bucket(
    far: Guarded, pg_database: Any, pg_server: Any, client: Any
) -> None:
    rows = "SELECT i, md5(i::text) AS m FROM generate_series(1, 200) i"
    create(pg_database, far, f"CREATE TABLE gone AS {rows}", "gone")
    before = pg_database.execute("SELECT * FROM gone ORDER BY i")
    notices: list[str] = []
    with closing(connect(far, notices)) as connection:
        connection.execute("DROP TABLE gone")
    assert pg_database.execute("SELECT to_regclass('gone')") == [(None,)]
    assert any("storing in its location" in notice for notice in notices)
    (name,) = objects(client)
    backup = name.removeprefix("clinic/").removesuffix(".dump.sealed")
    left = [p.name for p in (far.folder / "backups").iterdir() if p.name != ".lock"]
    assert left == []
    taken = next(r for r in far.records("backup") if r["fields"]["event"] == "taken")
    assert taken["fields"]["location"] == f"s3://dumps/{name}"

    (document,) = json.loads(dbguard(far, "list", "--json"))
    assert (document["state"], document["location"]) == ("verified", f"s3://dumps/{name}")
    assert f"s3://dumps/{name}" in dbguard(far, "show", backup)
    assert "is sound" in dbguard(far, "verify", backup)
    dry = dbguard(far, "restore", backup, "--table", "public.gone", "--dry-run")
    assert f"would check the SHA-256 of s3://dumps/{name}" in dry
    dbguard(far, "restore", backup, "--table", "public.gone")
    copy = f"gone_restored_{backup}"
    assert pg_database.execute(f"SELECT * FROM {copy} ORDER BY i") == before
    into = f"back_{backup}"
    dbguard(far, "restore", backup, "--into", into)
    dsn = pg_database.dsn().replace(pg_database.name, into)
    try:
        with psycopg.connect(dsn) as restored:
            assert restored.execute("SELECT * FROM gone ORDER BY i").fetchall() == before
    finally:
        pg_server.execute(f'DROP DATABASE "{into}"')

    dbguard(far, "now", "-d", pg_database.name)
    dbguard(far, "now", "-d", pg_database.name)
    assert len(objects(client)) == 3
    assert backup in dbguard(far, "prune", "--dry-run")
    assert len(objects(client)) == 3
    dbguard(far, "prune")
    assert len(objects(client)) == 1
    client.put_object(Bucket="dumps", Key=objects(client)[0], Body=b"something else")
    assert "file changed" in dbguard(far, "list", code=1)


def test_without_the_bucket_nothing_is_dropped(far: Guarded, pg_database: Any, client: Any) -> None:
    create(pg_database, far, "CREATE TABLE gone AS SELECT 1 AS i", "gone")
    client.delete_bucket(Bucket="dumps")
    with closing(connect(far)) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("DROP TABLE gone")
        diagnostics = caught.value.diag
        assert "no backup of database" in (diagnostics.message_primary or "")
        detail = diagnostics.message_detail or ""
        assert "s3://dumps/clinic: there is no such bucket." in detail
        assert connection.execute("SELECT count(*) FROM gone").fetchone() == (1,)
    assert backup_events(far) == ["begun", "failed"]
    client.create_bucket(Bucket="dumps")
    with closing(connect(far)) as connection:
        connection.execute("DROP TABLE gone")
    assert len(objects(client)) == 1


def test_what_was_changed_in_the_bucket_lets_nothing_through(
    far: Guarded, pg_database: Any, client: Any
) -> None:
    create(pg_database, far, "CREATE TABLE gone AS SELECT 1 AS i", "gone")
    with closing(connect(far)) as connection:
        connection.execute("ALTER TABLE gone SET (autovacuum_enabled = false)")
        dbguard(far, "now", "-d", pg_database.name)
        for name in objects(client):
            data = bytearray(client.get_object(Bucket="dumps", Key=name)["Body"].read())
            data[len(data) // 2] ^= 1
            client.put_object(Bucket="dumps", Key=name, Body=bytes(data))
        spoilt = objects(client)
        connection.execute("DROP TABLE gone")
    (new,) = set(objects(client)) - set(spoilt)
    found = [r for r in far.records("decision") if r["text"].startswith("DROP TABLE gone")]
    backup = new.removeprefix("clinic/").removesuffix(".dump.sealed")
    assert found[0]["requirements"][0].startswith(f"backup {backup} of ")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("SignatureDoesNotMatch", "the secret key is wrong"),
        ("", "it does not answer"),
    ],
)
def test_a_bucket_that_refuses_or_says_nothing(
    far: Guarded, pg_database: Any, code: str, reason: str
) -> None:
    """The statement is refused with the reason, and nobody else is held up meanwhile."""
    create(pg_database, far, "CREATE TABLE gone AS SELECT 1 AS i", "gone")
    far.stop()
    hang = None if code else threading.Event()
    with answering(403, error(code), hang) as endpoint:
        text = far.config.read_text("utf-8")
        text = re.sub(r"endpoint: \"[^\"]+\"", f'endpoint: "{endpoint}"', text)
        far.config.write_text(text.replace("timeout: 20s", "timeout: 3s"), "utf-8")
        far.start()
        ends: list[psycopg.Error] = []

        def drop() -> None:
            with closing(connect(far)) as connection:
                try:
                    connection.execute("DROP TABLE gone")
                except psycopg.Error as failure:
                    ends.append(failure)

        thread = threading.Thread(target=drop)
        thread.start()
        until(lambda: ends or "begun" in backup_events(far), "it waits for its backup")
        with closing(connect(far)) as other:
            assert other.execute("SELECT count(*) FROM gone").fetchone() == (1,)
        thread.join(PATIENCE)
        (failure,) = ends
        assert f"s3://dumps/clinic: {reason}." in (failure.diag.message_detail or "")
        far.stop()
    left = [p.name for p in (far.folder / "backups").iterdir() if p.name != ".lock"]
    assert left == []
    assert pg_database.execute("SELECT count(*) FROM gone") == [(1,)]
