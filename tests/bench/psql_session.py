"""The session that regression scripts run in, and the catalog as it sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
from catalog_reading import OWN_QUERY, Catalog
from psycopg import conninfo
from psycopg.pq import ExecStatus, PGconn, PGresult, TransactionStatus

from dbguard.catalog.loading import SNAPSHOT_QUERY
from dbguard.sql.snapshot import SessionView, Snapshot

_ACCEPTED = (
    ExecStatus.COMMAND_OK,
    ExecStatus.TUPLES_OK,
    ExecStatus.EMPTY_QUERY,
    ExecStatus.SINGLE_TUPLE,
)
_WITHOUT_NAMES = frozenset(("TransactionStmt", "VariableSetStmt", "VariableShowStmt"))
_CALM = """
    SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0; SET LOCAL enable_hashjoin = on;
    SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on;
    SET LOCAL enable_indexscan = on; SET LOCAL enable_hashagg = on; SET LOCAL enable_nestloop = on;
    SET LOCAL enable_material = on; SET LOCAL quote_all_identifiers = off;
    SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0
"""


@dataclass(frozen=True, slots=True)
class Result:
    accepted: bool
    first_row: dict[str, str] = field(default_factory=dict)
    cells: tuple[str, ...] = ()


class Session:
    """A connection like psql's: simple query protocol only."""

    def __init__(self, dsn: str) -> None:
        self._given = conninfo.conninfo_to_dict(dsn)
        self._database = str(self._given.get("dbname", "postgres"))
        self._user = str(self._given.get("user", "postgres"))
        self._connection: PGconn | None = None
        self._catalog: Catalog | None = None
        self._document = ""
        self._snapshot: Snapshot | None = None
        self._view: SessionView | None = None
        self.stale = True
        """Names may mean something else than they did when the catalog was read."""

    def create_database(self, name: str) -> None:
        with psycopg.connect(conninfo.make_conninfo(**self._given), autocommit=True) as made:
            made.execute(f"DROP DATABASE IF EXISTS {name}".encode())
            made.execute(f"CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C'".encode())
            for setting in (
                *("lc_messages TO 'C'", "lc_monetary TO 'C'", "lc_numeric TO 'C'"),
                *("lc_time TO 'C'", "bytea_output TO 'hex'"),
                "timezone_abbreviations TO 'Default'",
            ):
                made.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        self._database = name

    def connect(self, database: str = "-", user: str = "-", *_: str) -> None:
        """A new connection; `-` keeps what was."""
        if self._connection is not None:
            self._connection.finish()
        owner = str(self._given.get("user", "postgres"))
        changes = {
            "dbname": self._database if database in ("-", "") else database,
            "user": owner if (database, user) == ("-", "-") else user,
            "options": "-c intervalstyle=postgres_verbose -c datestyle=postgres,mdy"
            " -c timezone=America/Los_Angeles",
        }
        if user == "-" and database != "-":
            changes["user"] = self._user
        self._user = changes["user"]
        target = conninfo.make_conninfo(**{**self._given, **changes})
        self._connection = PGconn.connect(target.encode())
        self._connection.notice_handler = lambda notice: None
        self.stale = True

    @property
    def status(self) -> TransactionStatus:
        assert self._connection is not None
        return TransactionStatus(self._connection.transaction_status)

    def can_try(self) -> bool:
        """Whether something may be tried out and taken back."""
        return self.status in (TransactionStatus.IDLE, TransactionStatus.INTRANS)

    def begin_if_idle(self, tags: Sequence[str]) -> None:
        if self.status is TransactionStatus.IDLE and tags and tags[0] != "TransactionStmt":
            self._send("BEGIN")

    def catalog(self, tags: Sequence[str]) -> tuple[Snapshot, SessionView]:
        """The catalog and the path as the statement to come will find them."""
        needed = self._snapshot is None or not _WITHOUT_NAMES.issuperset(tags)
        if needed and self.can_try():
            with_catalog = self.stale or self._snapshot is None
            if self._catalog is None:
                self._catalog = Catalog(_text(self.try_out([SNAPSHOT_QUERY], calm=True)[0]))
            found = self.try_out([OWN_QUERY] if with_catalog else [], calm=True)
            if found:
                document = _text(found[0])
                if document != self._document or self._snapshot is None:
                    self._document, self._snapshot = document, self._catalog.with_own(document)
                self.stale = False
            named = self._send("SELECT current_user, current_schemas(true)::text[]::text")
            if named is not None and named.status == ExecStatus.TUPLES_OK:
                path = (named.get_value(0, 1) or b"{}").decode().strip("{}").split(",")
                user = (named.get_value(0, 0) or b"").decode()
                self._view = SessionView(user, tuple(p.strip('"') for p in path if p))
        assert self._snapshot is not None
        return self._snapshot, self._view or SessionView(self._user, ("pg_catalog", "public"))

    def try_out(self, texts: Sequence[str], *, calm: bool = False) -> list[PGresult]:
        """Answers to `texts`, whose effects are taken back; none if one of them fails."""
        if not texts:
            return []
        inside = self.status is TransactionStatus.INTRANS
        self._send("SAVEPOINT dbguard_try" if inside else "BEGIN")
        if calm:
            self._send(_CALM)
        answers = [self._send(text) for text in texts]
        if inside:
            self._send("ROLLBACK TO dbguard_try; RELEASE dbguard_try")
        else:
            self._send("ROLLBACK")
        found = [a for a in answers if a is not None and a.status in _ACCEPTED]
        return found if len(found) == len(texts) else []

    def _send(self, text: str) -> PGresult | None:
        assert self._connection is not None
        return self._connection.exec_(text.encode("utf-8", "surrogateescape"))

    def output_columns(self, text: str) -> int | None:
        """How many columns a query has; None when it cannot be prepared."""
        assert self._connection is not None
        inside = self.status is TransactionStatus.INTRANS
        self._send("SAVEPOINT dbguard_try" if inside else "BEGIN")
        count = None
        prepared = self._connection.prepare(b"dbguard_count", text.encode())
        if prepared.status == ExecStatus.COMMAND_OK:
            count = self._connection.describe_prepared(b"dbguard_count").nfields
            self._send("DEALLOCATE dbguard_count")
        self._send("ROLLBACK TO dbguard_try; RELEASE dbguard_try" if inside else "ROLLBACK")
        return count

    def execute(self, text: str, data: Iterator[str]) -> Result:
        """Run a statement; rows for COPY FROM STDIN come from `data`."""
        assert self._connection is not None
        connection = self._connection
        connection.send_query(text.encode("utf-8", "surrogateescape"))
        accepted = True
        last: PGresult | None = None
        while (result := connection.get_result()) is not None:
            if result.status == ExecStatus.COPY_IN:
                for row in data:
                    connection.put_copy_data(row.encode("utf-8", "surrogateescape"))
                connection.put_copy_end()
            elif result.status == ExecStatus.COPY_OUT:
                while connection.get_copy_data(0)[0] > 0:
                    pass
            elif result.status in _ACCEPTED:
                last = result
            else:
                accepted = False
        if connection.status != 0:
            self.connect()
        if accepted and last is not None and last.status == ExecStatus.TUPLES_OK and last.ntuples:
            names = [(last.fname(i) or b"").decode() for i in range(last.nfields)]
            cells = [last.get_value(r, c) for r in range(last.ntuples) for c in range(last.nfields)]
            row = dict(zip(names, cells[: len(names)], strict=True))
            return Result(
                True,
                {n: v.decode("utf-8", "replace") for n, v in row.items() if v is not None},
                tuple(c.decode("utf-8", "replace") for c in cells if c is not None),
            )
        return Result(accepted)


def _text(result: PGresult) -> str:
    return (result.get_value(0, 0) or b"").decode("utf-8")
