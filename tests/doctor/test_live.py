"""The command on a careless server, and on one where its role may see little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from dbguard.cli.app import app

pytestmark = pytest.mark.pg

CARELESS = """
CREATE ROLE doctor_super SUPERUSER LOGIN;
CREATE ROLE doctor_stream LOGIN REPLICATION BYPASSRLS;
CREATE ROLE doctor_files LOGIN IN ROLE pg_read_server_files;
SET password_encryption = 'md5';
CREATE ROLE doctor_old LOGIN PASSWORD 'old';
CREATE ROLE doctor_unbound BYPASSRLS;
CREATE ROLE doctor_member LOGIN CREATEROLE IN ROLE doctor_super, doctor_unbound;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO doctor_old;
GRANT EXECUTE ON FUNCTION pg_catalog.lo_export(oid, text) TO PUBLIC;
CREATE LANGUAGE doctor_tongue HANDLER plpgsql_call_handler;
CREATE FOREIGN DATA WRAPPER doctor_wrapper;
CREATE SERVER doctor_branch FOREIGN DATA WRAPPER doctor_wrapper;
CREATE TABLE t (n int);
CREATE PUBLICATION doctor_rows FOR TABLE t
"""
ROLES = (
    "doctor_member",
    "doctor_unbound",
    "doctor_super",
    "doctor_stream",
    "doctor_files",
    "doctor_old",
)


def doctor(folder: Path, dsn: str) -> tuple[int, str]:
    config = folder / "dbguard.yaml"
    config.write_text(f'catalog: {{dsn: "{dsn}"}}\n', "utf-8")
    result = CliRunner().invoke(app, ["doctor", "--config", str(config)])
    return result.exit_code, result.output


def test_a_careless_server(pg_server: Any, pg_database: Any, tmp_path: Path) -> None:
    try:
        pg_database.execute(CARELESS)
        code, shown = doctor(tmp_path, pg_database.dsn())
        assert code == 1
        for words in (
            "weak: role doctor_super",
            "open: role doctor_stream",
            "May start replication",
            "Is not bound by row security",
            "As a member of pg_read_server_files",
            "weak: role doctor_old",
            "weak: role doctor_member",
            "Can become superuser doctor_super by SET ROLE",
            "Can become doctor_unbound by SET ROLE",
            "May make roles that can log in past dbguard",
            "doctor_old may run pg_read_file(text)",
            "Everybody may run lo_export(oid,text)",
            "Language doctor_tongue is not trusted",
            "Foreign server doctor_branch (doctor_wrapper)",
            "Publication doctor_rows",
        ):
            assert words in shown, words
        assert "pg_hba_file_rules" not in shown, "a superuser may read it"
        assert "demo" not in shown
    finally:
        pg_database.drop()
        for role in ROLES:
            pg_server.execute(f"DROP ROLE IF EXISTS {role}")


def test_the_superuser_that_initdb_made(pg_server: Any, tmp_path: Path) -> None:
    """PostgreSQL refuses to take that away from 16 on, so nobody is told to."""
    name = pg_server.superuser
    if pg_server.version >= 160000:
        with pytest.raises(psycopg.Error, match="must have the SUPERUSER attribute"):
            pg_server.execute(f'ALTER ROLE "{name}" NOSUPERUSER')
    _, shown = doctor(tmp_path, pg_server.dsn())
    assert f'ALTER ROLE "{name}" NOLOGIN;' in shown
    assert f'ALTER ROLE "{name}" NOSUPERUSER' not in shown


def test_a_role_that_may_see_little(pg_database: Any, tmp_path: Path) -> None:
    pg_database.create_user("onlooker")
    code, shown = doctor(tmp_path, pg_database.dsn("onlooker"))
    assert code == 1
    assert "unseen: pg_hba.conf (could not be looked at)" in shown
    lines = [line.strip() for line in shown.splitlines() if line.startswith("    GRANT ")]
    assert 'GRANT pg_read_all_stats TO "onlooker";' in lines
    for line in lines:
        pg_database.execute(line)
    code, shown = doctor(tmp_path, pg_database.dsn("onlooker"))
    assert "unseen:" not in shown


def test_a_server_that_is_away(tmp_path: Path) -> None:
    code, shown = doctor(tmp_path, "postgresql://dbguard:hidden@127.0.0.1:1/postgres")
    assert code == 2
    assert "the server cannot be looked at" in shown
    assert "hidden" not in shown
    assert "Traceback" not in shown
