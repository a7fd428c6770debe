"""The command on a careless server, and on one where its role may see little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
CREATE FOREIGN DATA WRAPPER doctor_wrapper;
CREATE SERVER doctor_branch FOREIGN DATA WRAPPER doctor_wrapper;
CREATE TABLE t (n int);
CREATE PUBLICATION doctor_rows FOR TABLE t
"""
ROLES = ("doctor_super", "doctor_stream", "doctor_files", "doctor_old")


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
