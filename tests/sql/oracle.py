"""What a real server says about a query: a view's pg_depend, and RowDescription's origins."""

from __future__ import annotations

from pathlib import Path

import psycopg

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot
from dbguard.sql.snapshot import SessionView, Snapshot

CORPUS = Path(__file__).parent / "corpus"
PATH = "clinic, public"

GIVES_ROWS = ("someone()", "everyone()")
"""Functions that return clinic.patients: a view depends on the row type's columns although it
does not read the table."""

Pair = tuple[int, int]


def corpus_queries() -> list[str]:
    """The paragraphs of queries.sql, comments left out."""
    text = (CORPUS / "queries.sql").read_text()
    paragraphs = [p.strip() for p in text.split("\n\n")]
    return ["\n".join(x for x in p.splitlines() if not x.startswith("--")) for p in paragraphs if p]


class Server:
    """One database made from the corpus schema."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)

    def close(self) -> None:
        self.connection.close()

    def build(self) -> None:
        self.connection.execute((CORPUS / "schema.sql").read_text().encode())
        self.enter()

    def enter(self) -> None:
        """Set this session's search_path."""
        self.connection.execute(f"SET search_path = {PATH}".encode())

    def snapshot(self) -> Snapshot:
        with self.connection.transaction():
            self.connection.execute("SET LOCAL search_path = ''")
            row = self.connection.execute(f"SELECT ({SNAPSHOT_QUERY})::text".encode()).fetchone()
        assert row is not None
        return parse_snapshot(row[0], 1)

    def view(self) -> SessionView:
        row = self.connection.execute("SELECT current_user, current_schemas(true)").fetchone()
        assert row is not None
        return SessionView(row[0], tuple(row[1]))

    def has_xml(self) -> bool:
        try:
            self.connection.execute("SELECT '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            return False
        return True

    def dependencies(self, query: str) -> set[Pair]:
        """(relation, column) pairs that a view of `query` depends on."""
        names = ", ".join(f"c{i}" for i in range(len(self.origins(query))))
        listed = f" ({names})" if names else ""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(f"CREATE TEMP VIEW oracle{listed} AS {query}".encode())
            rows = self.connection.execute(
                "SELECT d.refobjid::int, d.refobjsubid FROM pg_depend d"
                " JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass"
                " WHERE r.ev_class = 'oracle'::regclass AND d.refclassid = 'pg_class'::regclass"
                " AND d.refobjid <> r.ev_class"
            ).fetchall()
        return {(r[0], r[1]) for r in rows}

    def body_dependencies(self, statement: str) -> set[Pair]:
        """The pairs that an SQL function with `statement` as its body depends on."""
        with self.connection.transaction(force_rollback=True):
            body = f"BEGIN ATOMIC {statement}; SELECT; END"
            self.connection.execute(f"CREATE FUNCTION oracle_body() RETURNS void {body}".encode())
            rows = self.connection.execute(
                "SELECT refobjid::int, refobjsubid FROM pg_depend"
                " WHERE classid = 'pg_proc'::regclass AND objid = 'oracle_body'::regproc"
                " AND refclassid = 'pg_class'::regclass"
            ).fetchall()
        return {(r[0], r[1]) for r in rows}

    def origins(self, query: str) -> list[tuple[str, Pair]]:
        """Name, table OID and attribute number of each output column."""
        connection = self.connection.pgconn
        result = connection.prepare(b"oracle", query.encode())
        assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message
        outputs = self.outputs(b"oracle")
        connection.exec_(b"DEALLOCATE oracle")
        return outputs

    def outputs(self, prepared: bytes) -> list[tuple[str, Pair]]:
        """Name, table OID and attribute number of each column that a prepared statement gives."""
        described = self.connection.pgconn.describe_prepared(prepared)
        return [
            (
                (described.fname(i) or b"").decode(),
                (described.ftable(i), _signed(described.ftablecol(i))),
            )
            for i in range(described.nfields)
        ]


def _signed(number: int) -> int:
    """Attribute numbers travel as 16 bits; system columns are negative."""
    return number - 65536 if number > 32767 else number
