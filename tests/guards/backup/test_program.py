"""What a failing program says is shown only where it cannot quote a row."""

from __future__ import annotations

import pytest

from dbguard.guards.backup.access import ServerAccess, quote_identifier
from dbguard.guards.backup.program import explain, only_unknown_timeout
from dbguard.sql.names import literal

WITHHELD = "its messages are withheld, since they may quote data"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", WITHHELD),
        (
            "pg_dump: error: query failed: ERROR:  permission denied for table patients\n"
            "pg_dump: detail: Query was: LOCK TABLE clinic.patients",
            "permission denied for table patients",
        ),
        (
            "pg_dump: error: could not write to output file: No space left on device",
            "could not write to output file: No space left on device",
        ),
        (
            "pg_restore: while PROCESSING TOC:\n"
            "pg_restore: from TOC entry 3456; 0 16403 TABLE DATA clinic patients postgres\n"
            'pg_restore: error: COPY failed for table "patients": ERROR:  duplicate key\n'
            "DETAIL:  Key (ssn)=(123-45-6789) already exists.",
            f"at TABLE DATA clinic patients postgres; {WITHHELD}",
        ),
        (
            'pg_restore: error: could not execute query: ERROR:  invalid input: "permission '
            'denied for 123-45-6789"',
            WITHHELD,
        ),
        ("CONTEXT:  COPY patients, line 1: permission denied for 123-45-6789", WITHHELD),
        ("permission denied for 123-45-6789", WITHHELD),
        (
            'pg_restore: error: could not execute query: ERROR:  extension "x" is not available',
            'extension "x" is not available',
        ),
    ],
)
def test_explain(said: str, shown: str) -> None:
    assert explain(said) == shown


@pytest.mark.parametrize(
    ("dsn", "url", "password"),
    [
        ("postgresql://u:p%40ss@h:1/db", "postgresql://u@h:1/x%20y", "p@ss"),
        ("postgres://u@h/db", "postgresql://u@h/x%20y", None),
        ("postgresql://h?user=u&password=p", "postgresql://h/x%20y?user=u", "p"),
        (
            "postgresql://u:p@[::1]:5/db?sslmode=verify-full&sslrootcert=/a b&sslpassword=q",
            "postgresql://u@[::1]:5/x%20y?sslmode=verify-full&sslrootcert=%2Fa%20b",
            "p",
        ),
        ("postgresql:///db?host=/run/pg&dbname=z", "postgresql:///x%20y?host=%2Frun%2Fpg", None),
    ],
)
def test_command_line_has_no_secret(dsn: str, url: str, password: str | None) -> None:
    access = ServerAccess(dsn)
    assert access.command_line_url("x y") == url
    assert access.password == password
    assert repr(access) == "ServerAccess(…)"


def test_quoting() -> None:
    assert quote_identifier('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\'b") == " E'a\\\\''b'"


SET_FAILED = (
    "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "
    '"transaction_timeout"\nCommand was: SET transaction_timeout = 0;\n'
)
IGNORED = "pg_restore: warning: errors ignored on restore: {}\n"


@pytest.mark.parametrize(
    ("said", "harmless"),
    [
        (SET_FAILED + IGNORED.format(1), True),
        (SET_FAILED, False),
        (SET_FAILED + IGNORED.format(2), False),
        (SET_FAILED + "pg_restore: error: another\n" + IGNORED.format(2), False),
        (SET_FAILED + "pg_restore: error: another\n" + IGNORED.format(1), False),
        ("pg_restore: error: another\n" + IGNORED.format(1), False),
        ("", False),
    ],
)
def test_the_one_error_of_an_older_server(said: str, harmless: bool) -> None:
    assert only_unknown_timeout(said) is harmless
