"""What an ORM's test suite does: DDL, and a statement behind it that needs to know what it did."""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import psycopg
from measuring.processes import cpu_seconds
from measuring.proxies import dbguard
from rich.console import Console
from rich.table import Table

from dbguard.demo.binaries import find_binaries
from dbguard.demo.server import EmbeddedServer

MADE = "CREATE TABLE x (a int PRIMARY KEY, b text)"
GONE = "DROP TABLE IF EXISTS x"
KINDS = {
    "table": [MADE, "SELECT b FROM x", GONE],
    "column added": [MADE, "ALTER TABLE x ADD COLUMN c int", "SELECT c FROM x", GONE],
    "column dropped": [MADE, "ALTER TABLE x DROP COLUMN b", "SELECT a FROM x", GONE],
    "column renamed": [MADE, "ALTER TABLE x RENAME COLUMN b TO c", "SELECT c FROM x", GONE],
    "table renamed": [MADE, "ALTER TABLE x RENAME TO y", "SELECT b FROM y", "DROP TABLE y"],
    "type changed": [MADE, "ALTER TABLE x ALTER COLUMN a TYPE bigint", "SELECT a FROM x", GONE],
    "not null": [MADE, "ALTER TABLE x ALTER COLUMN b SET NOT NULL", "SELECT a FROM x", GONE],
    "default": [MADE, "ALTER TABLE x ALTER COLUMN b SET DEFAULT 'n'", "SELECT a FROM x", GONE],
    "constraint": [
        MADE,
        "ALTER TABLE x ADD CONSTRAINT u UNIQUE (b)",
        "SELECT a FROM x",
        "ALTER TABLE x DROP CONSTRAINT u",
        "SELECT a FROM x",
        GONE,
    ],
    "foreign key": [
        MADE,
        "CREATE TABLE y (a int REFERENCES x)",
        "SELECT a FROM y",
        "DROP TABLE y",
        GONE,
    ],
    "index": [MADE, "CREATE INDEX i ON x (b)", "SELECT a FROM x", "DROP INDEX i", GONE],
    "view": [MADE, "CREATE VIEW v AS SELECT a FROM x", "SELECT a FROM v", "DROP VIEW v", GONE],
    "sequence": ["CREATE SEQUENCE s", "SELECT nextval('s')", "DROP SEQUENCE s"],
    "type": ["CREATE TYPE e AS ENUM ('a', 'b')", "SELECT 'a'::e", "DROP TYPE e"],
    "function": [
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT f()",
        "DROP FUNCTION f()",
    ],
    "schema": [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (a int)",
        "SELECT a FROM s.t",
        "DROP SCHEMA s CASCADE",
    ],
    "comment": [MADE, "COMMENT ON TABLE x IS 'n'", "SELECT a FROM x", GONE],
    "truncated": [MADE, "TRUNCATE x", "SELECT a FROM x", GONE],
}


def seconds(connection: psycopg.Connection[tuple[object, ...]], texts: list[str]) -> float:
    began = time.perf_counter()
    for text in texts:
        connection.execute(text)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tables", type=int, default=200, help="other tables in the database")
    given = parser.parse_args()
    table = Table("what", "direct, ms", "dbguard, ms", "ratio", "CPU of dbguard, ms")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbguard-bench-")))
        folder.chmod(0o755)
        server = EmbeddedServer.create(
            folder / "server", password="bench", settings={}, binaries=find_binaries(None)
        )
        server.start()
        stack.callback(server.stop)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            for number in range(given.tables):
                connection.execute(f"CREATE TABLE other{number} (a int PRIMARY KEY, b text)")
        target = stack.enter_context(dbguard(folder / "proxy", server, "durable"))
        assert target.process is not None
        through = server.dsn().replace(f":{server.port}/", f":{target.port}/")
        sides = [
            stack.enter_context(psycopg.connect(dsn, autocommit=True))
            for dsn in (server.dsn(), through)
        ]
        for name, texts in KINDS.items():
            for side in sides:
                seconds(side, texts)
            took: list[list[float]] = [[], []]
            spent = cpu_seconds(target.process)
            for _ in range(given.rounds):
                for side, times in zip(sides, took, strict=True):
                    times.append(seconds(side, texts))
            cost = (cpu_seconds(target.process) - spent) / given.rounds
            direct, guarded = (median(times) * 1000 for times in took)
            ratio = f"{guarded / direct:.1f}"
            table.add_row(name, f"{direct:.1f}", f"{guarded:.1f}", ratio, f"{cost * 1000:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
