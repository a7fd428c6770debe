"""Copies of classified values: reported, and kept from those who see the originals masked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.wire import frontend

from .canaries import canaries, leaks
from .protocol_client import Client, values
from .proxies import HIPAA, Guarded, relayed

pytestmark = pytest.mark.pg

FILLING = {
    "create table as": ["CREATE TABLE clinic.copy{n} AS SELECT id, ssn AS a FROM clinic.patients"],
    "column list": ["CREATE TABLE clinic.copy{n} (id, a) AS SELECT id, ssn FROM clinic.patients"],
    "select into": ["SELECT id, ssn AS a INTO clinic.copy{n} FROM clinic.patients"],
    "insert": [
        "CREATE TABLE clinic.copy{n} (id int, a text)",
        "INSERT INTO clinic.copy{n} SELECT id, ssn FROM clinic.patients",
    ],
    "update": [
        "CREATE TABLE clinic.copy{n} AS SELECT id FROM clinic.patients",
        "ALTER TABLE clinic.copy{n} ADD COLUMN a text",
        "UPDATE clinic.copy{n} c SET a = p.ssn FROM clinic.patients p WHERE p.id = c.id",
    ],
    "computed": [
        "CREATE TABLE clinic.copy{n} (id int, a text)",
        "INSERT INTO clinic.copy{n} SELECT id, upper(ssn || first_name) FROM clinic.patients",
    ],
    "with a cte": [
        "CREATE TABLE clinic.copy{n} (id int, a text)",
        "WITH x AS (SELECT id, ssn FROM clinic.patients) "
        "INSERT INTO clinic.copy{n} SELECT * FROM x",
    ],
    "execute": [
        "PREPARE q{n} AS SELECT id, ssn AS a FROM clinic.patients",
        "CREATE TABLE clinic.copy{n} AS EXECUTE q{n}",
    ],
    "temporary table": [
        "CREATE TEMP TABLE between{n} AS SELECT id, ssn FROM clinic.patients",
        "CREATE TABLE clinic.copy{n} AS SELECT id, ssn AS a FROM between{n}",
    ],
    "temporary table, filled": [
        "CREATE TEMP TABLE between{n} (id int, a text)",
        "SELECT * FROM between{n}",
        "INSERT INTO between{n} SELECT id, ssn FROM clinic.patients",
        "CREATE TABLE clinic.copy{n} AS SELECT id, a FROM between{n}",
    ],
    "temporary table, renamed": [
        "CREATE TEMP TABLE before{n} AS SELECT id, ssn FROM clinic.patients",
        "ALTER TABLE before{n} RENAME TO between{n}",
        "CREATE TABLE clinic.copy{n} AS SELECT id, ssn AS a FROM between{n}",
    ],
    "temporary table, filled and renamed": [
        "CREATE TEMP TABLE before{n} (id int, a text)",
        "INSERT INTO before{n} SELECT id, ssn FROM clinic.patients",
        "ALTER TABLE before{n} RENAME TO between{n}",
        "CREATE TABLE clinic.copy{n} AS SELECT id, a FROM between{n}",
    ],
    "temporary table, renamed in the same text": [
        "CREATE TEMP TABLE before{n} AS SELECT id, ssn FROM clinic.patients;"
        "ALTER TABLE before{n} RENAME TO between{n}",
        "CREATE TABLE clinic.copy{n} AS SELECT id, ssn AS a FROM between{n}",
    ],
    "copy of a copy": [
        "CREATE TABLE clinic.first{n} AS SELECT id, ssn AS a FROM clinic.patients",
        "CREATE TABLE clinic.copy{n} AS SELECT * FROM clinic.first{n}",
    ],
    "through a view": [
        "CREATE TABLE clinic.copy{n} (id int, a text)",
        "CREATE VIEW clinic.window{n} AS SELECT id, a AS b FROM clinic.copy{n}",
        "INSERT INTO clinic.window{n} SELECT id, ssn FROM clinic.patients",
    ],
    "in a transaction, renamed": [
        "BEGIN",
        "CREATE TABLE clinic.before{n} AS SELECT id, ssn AS a FROM clinic.patients",
        "ALTER TABLE clinic.before{n} RENAME TO copy{n}",
        "COMMIT",
    ],
    "renamed in the same text": [
        "CREATE TABLE clinic.before{n} AS SELECT id, ssn AS b FROM clinic.patients; "
        "ALTER TABLE clinic.before{n} RENAME COLUMN b TO a; "
        "ALTER TABLE clinic.before{n} RENAME TO between{n}; "
        "ALTER TABLE clinic.between{n} RENAME TO copy{n}",
    ],
    "moved in the same text": [
        "CREATE TABLE public.copy{n} (id int, a text);"
        "INSERT INTO public.copy{n} SELECT id, ssn FROM clinic.patients;"
        "ALTER TABLE public.copy{n} SET SCHEMA clinic",
    ],
    "in place of another": [
        "CREATE TABLE clinic.copy{n} (id int, a text)",
        "DROP TABLE clinic.copy{n}; "
        "CREATE TABLE clinic.copy{n} AS SELECT id, ssn AS a FROM clinic.patients",
    ],
    "renamed later": [
        "CREATE TABLE clinic.before{n} AS SELECT id, ssn AS b FROM clinic.patients",
        "ALTER TABLE clinic.before{n} RENAME TO copy{n}",
        "ALTER TABLE clinic.copy{n} RENAME COLUMN b TO a",
    ],
    "retyped": [
        "ALTER TABLE clinic.patients ADD COLUMN a{n} text",
        "ALTER TABLE clinic.patients ALTER COLUMN a{n} TYPE text USING ssn",
        "CREATE VIEW clinic.copy{n} AS SELECT id, a{n} AS a FROM clinic.patients",
    ],
    "same table": [
        "ALTER TABLE clinic.patients ADD COLUMN a{n} text",
        "UPDATE clinic.patients SET a{n} = ssn WHERE id > 0",
        "CREATE VIEW clinic.copy{n} AS SELECT id, a{n} AS a FROM clinic.patients",
    ],
    "materialized": [
        "CREATE TABLE clinic.first{n} AS SELECT id, ssn AS b FROM clinic.patients",
        "CREATE MATERIALIZED VIEW clinic.copy{n} AS SELECT id, lower(b) AS a FROM clinic.first{n}",
    ],
    "moved to another schema": [
        "CREATE TABLE public.copy{n} AS SELECT id, ssn AS a FROM clinic.patients",
        "ALTER TABLE public.copy{n} SET SCHEMA clinic",
    ],
}
MERGE = [
    "CREATE TABLE clinic.copy{n} (id int, a text)",
    "MERGE INTO clinic.copy{n} c USING clinic.patients p ON p.id = c.id "
    "WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.ssn)",
]


def open_rules(folder: Path) -> Path:
    """The shipped policy, where what nobody classified is free for all and DDL needs no backup."""
    rules = folder / "open"
    rules.mkdir()
    for file in HIPAA.glob("*.yaml"):
        if not file.name.endswith(".cases.yaml"):
            (rules / file.name).write_text(file.read_text("utf-8"), "utf-8")
    return rules


@pytest.fixture
def guarded(guard: Any, clinic_database: Any, tmp_path: Path) -> Guarded:
    return guard(  # type: ignore[no-any-return]
        clinic_database,
        rules=open_rules(tmp_path),
        environment="development",
        durability="buffered",
    )


def test_copies_are_refused(guarded: Guarded, clinic_database: Any) -> None:
    values = canaries(clinic_database)
    ways = dict(FILLING)
    if clinic_database.server.version >= 150000:
        ways["merge"] = MERGE
    for n, statements in enumerate(ways.values()):
        with closing(guarded.connect("dba", autocommit=True)) as dba:
            for statement in statements:
                dba.execute(statement.format(n=n))
            assert dba.execute(f"SELECT count(a) FROM clinic.copy{n}").fetchall() != [(0,)]
    clinic_database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO analysts")
    with relayed(guarded) as relay:
        dsn = guarded.dsn("analyst").replace(str(guarded.port), str(relay.port))
        with closing(psycopg.connect(dsn, autocommit=True)) as analyst:
            for n, how in enumerate(ways):
                _is_refused(analyst, f"clinic.copy{n}", how)
        assert not leaks(bytes(relay.received), values)
    drift = [record["fields"] for record in guarded.records("drift")]
    assert any("phi" in fields["tags"] for fields in drift)
    assert all(fields["user"] == "dba" for fields in drift if "user" in fields)


PIPELINES = {
    "one transaction": [
        "CREATE TABLE clinic.before{n} AS SELECT id, ssn AS a FROM clinic.patients",
        "ALTER TABLE clinic.before{n} RENAME TO copy{n}",
    ],
    "renamed by a statement prepared before": [
        "PREPARE p AS SELECT id, ssn AS a FROM clinic.patients",
        "CREATE TABLE clinic.before{n} AS EXECUTE p",
        "ALTER TABLE clinic.before{n} RENAME TO between{n}",
        "CREATE TABLE clinic.before{n} (id int)",
        "DROP TABLE clinic.before{n}",
        "ALTER TABLE clinic.between{n} RENAME TO copy{n}",
    ],
    "rolled back to a savepoint": [
        "BEGIN",
        "CREATE TABLE clinic.before{n} (id int, a text)",
        "SAVEPOINT s",
        "ALTER TABLE clinic.before{n} RENAME TO other{n}",
        "ROLLBACK TO s",
        "INSERT INTO clinic.before{n} SELECT id, ssn FROM clinic.patients",
        "ALTER TABLE clinic.before{n} RENAME TO copy{n}",
        "COMMIT",
    ],
}


def test_copies_of_a_pipeline_are_refused(guarded: Guarded, clinic_database: Any) -> None:
    with closing(guarded.connect("dba", autocommit=True)) as dba:
        for n, statements in enumerate(PIPELINES.values()):
            with dba.pipeline():
                for statement in statements:
                    dba.execute(statement.format(n=n))
            assert dba.execute(f"SELECT count(a) FROM clinic.copy{n}").fetchall() != [(0,)]
    clinic_database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO analysts")
    with closing(guarded.connect("analyst", autocommit=True)) as analyst:
        for n, how in enumerate(PIPELINES):
            _is_refused(analyst, f"clinic.copy{n}", how)


def test_ddl_elsewhere_does_not_undo_a_pipeline(guarded: Guarded, clinic_database: Any) -> None:
    """What it made is not in the catalog yet when that is read for the others' sake."""

    def run(text: str) -> tuple[frontend.FrontendMessage, ...]:
        return (
            frontend.Parse(b"", text.encode(), ()),
            frontend.Bind(b"", b"", values()),
            frontend.Execute(b"", 0),
        )

    with (
        Client(guarded.port, timeout=60) as client,
        closing(guarded.connect("dba", autocommit=True)) as other,
    ):
        client.log_in("dba", guarded.database)
        made = "CREATE TABLE clinic.before AS SELECT id, ssn AS a FROM clinic.patients"
        client.send(*run(made), frontend.Flush())
        while client.message()[:1] != b"C":
            pass
        other.execute("CREATE TABLE clinic.elsewhere (id int)")
        other.execute("ALTER TABLE clinic.elsewhere RENAME TO there")
        client.send(*run("ALTER TABLE clinic.before RENAME TO behind"), frontend.Sync())
        assert [m[:1] for m in client.until_ready()] == [b"1", b"2", b"C", b"Z"]
    clinic_database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO analysts")
    with closing(guarded.connect("analyst", autocommit=True)) as analyst:
        _is_refused(analyst, "clinic.behind", "renamed in a pipeline")


def _is_refused(analyst: Any, copy: str, how: str) -> None:
    for text in (
        f"SELECT a FROM {copy}",
        f"SELECT * FROM {copy}",
        f"TABLE {copy}",
        f"SELECT c FROM {copy} c",
        f"SELECT id FROM {copy} WHERE a LIKE '1%'",
        f"SELECT row_to_json(c) FROM {copy} c",
        f"COPY (SELECT a FROM {copy}) TO STDOUT",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            analyst.execute(text)
        message = str(refused.value)
        assert f"{copy}.a" in message, how
        assert "filled from clinic.patients" in message, how
        assert "under classification" in message, how
    assert analyst.execute(f"SELECT count(id) FROM {copy}").fetchall(), how


def test_drift_outlives_a_restart_and_ends_with_the_rules(
    guarded: Guarded, clinic_database: Any
) -> None:
    with closing(guarded.connect("dba", autocommit=True)) as dba:
        dba.execute("CREATE TABLE public.a AS SELECT id, ssn AS x, dob AS y FROM clinic.patients")
        dba.execute("CREATE TABLE public.b AS SELECT id, ssn AS x FROM clinic.patients")
        dba.execute("DROP TABLE public.b")
        dba.execute("CREATE TABLE public.b (id int, x text)")
    clinic_database.execute("GRANT SELECT ON public.a, public.b TO analysts")
    rules = guarded.folder.parent / "open" / "more.yaml"
    guarded.stop()
    guarded.start()
    with closing(guarded.connect("analyst", autocommit=True)) as analyst:
        for column in ("x", "y"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="filled from clinic"):
                analyst.execute(f"SELECT {column} FROM public.a")
        # another table of the same name, which holds nothing
        assert analyst.execute("SELECT x FROM public.b").fetchall() == []
    with closing(guarded.connect("clinician", autocommit=True)) as clinician:
        clinic_database.execute("GRANT SELECT ON public.a TO clinicians")
        assert clinician.execute("SELECT x, y FROM public.a LIMIT 1").fetchall()
    guarded.stop()
    rules.write_text(
        "classification: [{tag: phi.ssn, columns: [public.a.x]}]\ndeclassified: [public.a.y]\n",
        "utf-8",
    )
    guarded.start()
    with closing(guarded.connect("analyst", autocommit=True)) as analyst:
        (row,) = analyst.execute("SELECT x, y FROM public.a WHERE id = 1").fetchall()
        assert row[0].startswith("***-**-")
        assert row[1] is not None
    report = guarded.run("report", "--config", str(guarded.config), COLUMNS="200")
    assert "Drift" in report.stdout
    assert "public.a.x" in report.stdout


def test_what_a_session_does_with_its_own_copies_is_its_own_business(
    guarded: Guarded, clinic_database: Any
) -> None:
    with closing(guarded.connect("clinician", autocommit=True)) as clinician:
        clinician.execute("CREATE TEMP TABLE mine AS SELECT id, ssn AS a FROM clinic.patients")
        assert clinician.execute("SELECT a FROM mine LIMIT 1").fetchall()
        clinician.execute("UPDATE mine SET a = p.ssn FROM clinic.patients p WHERE p.id = mine.id")
        assert clinician.execute("SELECT max(a) FROM mine").fetchall()
    with closing(guarded.connect("analyst", autocommit=True)) as analyst:
        analyst.execute("CREATE TEMP TABLE mine AS SELECT id, ssn AS a FROM clinic.patients")
        (row,) = analyst.execute("SELECT a FROM mine WHERE id = 1").fetchall()
        assert row[0].startswith("***-**-")
    assert not guarded.records("drift")


def test_honest_loading_goes_on(guarded: Guarded, clinic_database: Any) -> None:
    """A job may go on to fill and to read what it filled; others read the other columns."""
    clinic_database.execute(
        "CREATE TABLE public.report (id int, a text, n int);"
        "GRANT ALL ON public.report TO clinicians, analysts"
    )
    text = "INSERT INTO public.report SELECT id, ssn, %s FROM clinic.patients"
    with closing(guarded.connect("clinician", autocommit=True)) as clinician:
        clinician.prepare_threshold = 0
        for number in range(3):
            clinician.execute(text, [number])
        assert clinician.execute("SELECT count(DISTINCT a) FROM public.report").fetchall()
        clinician.execute("UPDATE public.report SET a = a || 'x' WHERE n = 1")
        clinician.execute("DELETE FROM public.report WHERE n = 2")
    with closing(guarded.connect("analyst", autocommit=True)) as analyst:
        assert analyst.execute("SELECT n, count(*) FROM public.report GROUP BY n").fetchall()
        analyst.execute("INSERT INTO public.report VALUES (1, 'mine', 9)")
        analyst.execute("UPDATE public.report SET n = 10, a = 'yours' WHERE n = 9")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"public\.report\.a"):
            analyst.execute("DELETE FROM public.report WHERE a = 'yours' RETURNING n")
    assert len(guarded.records("drift")) == 1


def test_what_was_not_done_is_not_drift(guarded: Guarded, clinic_database: Any) -> None:
    with closing(guarded.connect("dba", autocommit=True)) as dba:
        dba.execute("EXPLAIN CREATE TABLE public.plain AS SELECT ssn FROM clinic.patients")
        dba.execute("CREATE TABLE public.none AS SELECT ssn AS a FROM clinic.patients WITH NO DATA")
        dba.execute("PREPARE never AS INSERT INTO public.none SELECT ssn FROM clinic.patients")
        dba.execute("CREATE TABLE public.counts AS SELECT count(ssn) AS a FROM clinic.patients")
        dba.execute("CREATE TABLE public.kinds AS SELECT id AS a FROM clinic.patients")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            dba.execute("CREATE TABLE pg_catalog.x AS SELECT ssn AS a FROM clinic.patients")
        dba.execute("BEGIN")
        dba.execute("CREATE TABLE public.undone AS SELECT ssn AS a FROM clinic.patients")
        dba.execute("ROLLBACK")
        dba.execute("CREATE TABLE public.undone (a text)")
        clinic_database.execute("CREATE TABLE public.there (a text); GRANT ALL ON there TO dbas")
        dba.execute("SELECT a FROM public.there")
        with pytest.raises(psycopg.errors.DuplicateTable):
            dba.execute("CREATE TABLE public.there AS SELECT ssn AS a FROM clinic.patients")
        dba.execute(
            "CREATE TABLE IF NOT EXISTS public.there AS SELECT ssn AS a FROM clinic.patients"
        )
        clinic_database.execute(
            "GRANT SELECT ON public.none, public.counts, public.kinds, public.undone, public.there"
            " TO analysts"
        )
        with closing(guarded.connect("analyst", autocommit=True)) as analyst:
            for table in ("none", "counts", "kinds", "undone", "there"):
                analyst.execute(f"SELECT a FROM public.{table}")
