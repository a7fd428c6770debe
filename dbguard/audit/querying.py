"""Ad-hoc SQL over a trail: DuckDB reads the segments, plain or sealed, as they stand.

Nothing is loaded beforehand: a query streams through the files, and what it cannot hold in memory
goes to a temporary directory. Unless files are allowed, one SELECT can be run, and it can read the
segments and nothing else. (A file that may be read may be written too, as DuckDB has it, so
statements that write are refused before they run.)
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar

from dbguard.audit.records import RecordKind
from dbguard.audit.trails import chains, segments
from dbguard.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "1GB"
"""What DuckDB may take before it goes to disk."""
FETCHED: Final = 1000
"""Rows at a time."""
_ATTEMPTS: Final = 3
"""A segment may be sealed between listing and opening it; not again and again."""

_COLUMNS: Final = {
    "seq": "UBIGINT",
    "time": "TIMESTAMP",
    "kind": "VARCHAR",
    "session": "VARCHAR",
    "principal_user": "VARCHAR",
    "principal_groups": "VARCHAR[]",
    "acting_as": "VARCHAR",
    "identity": "STRUCT(name VARCHAR, proof VARCHAR, roles VARCHAR[])",
    "database": "VARCHAR",
    "client_address": "VARCHAR",
    "application": "VARCHAR",
    "environment": "VARCHAR",
    "phase": "VARCHAR",
    "action": "VARCHAR",
    "wrapper": "VARCHAR",
    "relations": "VARCHAR[]",
    "columns": "STRUCT(name VARCHAR, uses VARCHAR[], tags VARCHAR[])[]",
    "decision": "VARCHAR",
    "rules": "VARCHAR[]",
    "reasons": "VARCHAR[]",
    "hints": "VARCHAR[]",
    "masked": 'STRUCT("column" VARCHAR, mask VARCHAR, rule VARCHAR)[]',
    "requirements": "VARCHAR[]",
    "text": "VARCHAR",
    "fingerprint": "VARCHAR",
    "statement": "VARCHAR",
    "rules_digest": "VARCHAR",
    "catalog_epoch": "BIGINT",
    "traceparent": "VARCHAR",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "command_tag": "VARCHAR",
    "rows": "BIGINT",
    "bytes": "BIGINT",
    "sqlstate": "VARCHAR",
    "duration_microseconds": "BIGINT",
    "fields": "MAP(VARCHAR, VARCHAR)",
}
_OF_OUTCOMES: Final = ("command_tag", "rows", "bytes", "sqlstate", "duration_microseconds")
_OF_ALL: Final = ("seq", "time", "session")
_NOT_OF_DECISIONS: Final = {*_OF_OUTCOMES, *_OF_ALL, "kind", "fields"}
_VIEWS: Final = f"""
CREATE TEMP VIEW decisions AS SELECT writer, {", ".join(_OF_ALL)},
    {", ".join(f'"{name}"' for name in _COLUMNS if name not in _NOT_OF_DECISIONS)}
    FROM records WHERE kind = '{RecordKind.DECISION}';
CREATE TEMP VIEW outcomes AS SELECT writer, {", ".join(_OF_ALL)},
    TRY_CAST(decision AS UBIGINT) AS decision, {", ".join(_OF_OUTCOMES)}
    FROM records WHERE kind = '{RecordKind.OUTCOME}';
CREATE TEMP VIEW events AS SELECT writer, {", ".join(_OF_ALL)}, kind, fields
    FROM records WHERE kind NOT IN ('{RecordKind.DECISION}', '{RecordKind.OUTCOME}');
"""  # noqa: S608
"""A record's `writer` is the name of the folder its segment is in, empty for the trail's own."""


class Answer:
    """The result of a query, read as it comes."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.names = tuple(str(column[0]) for column in connection.description or ())

    def rows(self) -> Iterator[Sequence[object]]:
        """Raises ConfigurationError when the query fails on the way."""
        while rows := _told(lambda: self._connection.fetchmany(FETCHED)):
            yield from rows


@contextlib.contextmanager
def query(directory: Path, text: str, *, files: bool = False) -> Iterator[Answer]:
    """Run SQL over the views `decisions`, `outcomes` and `events`.

    With `files` it may be any statement, and read and write whatever the user may.

    Raises ConfigurationError: DuckDB is not installed, the trail cannot be read or has no records,
    or the query is not one SELECT or fails.
    """
    module = _duckdb()
    if not files:
        statements = _told(lambda: module.extract_statements(text))
        if [statement.type for statement in statements] != [module.StatementType.SELECT]:
            raise ConfigurationError(
                "only one SELECT can be run over the trail",
                hint="Give --files to run anything, with access to all files that you have.",
            )
    with tempfile.TemporaryDirectory(prefix="dbguard-sql-") as scratch:
        for attempt in range(1, _ATTEMPTS + 1):
            connection = _connection(directory, Path(scratch), files=files)
            try:
                answer = _told(lambda: Answer(connection.execute(text)))  # noqa: B023
            except _SegmentGone:
                connection.close()
                if attempt == _ATTEMPTS:
                    raise
                continue
            try:
                yield answer
            finally:
                connection.close()
            return


class _SegmentGone(ConfigurationError):
    """A file was sealed or removed between being listed and being opened."""


def _connection(directory: Path, scratch: Path, *, files: bool) -> duckdb.DuckDBPyConnection:
    paths = _paths(directory)
    connection: duckdb.DuckDBPyConnection = _duckdb().connect(
        config={
            "memory_limit": MEMORY,
            "temp_directory": str(scratch),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    if not files:
        connection.execute(f"SET allowed_paths = {_list(paths)}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    columns = ", ".join(f"'{name}': {_text(kind)}" for name, kind in _COLUMNS.items())
    top = _text(str(directory.absolute()))
    # A line that the writer has not finished yet is an error of its own line only.
    connection.execute(
        f"""CREATE TEMP VIEW records AS SELECT *,
            CASE WHEN parse_dirpath(filename) = {top} THEN ''
            ELSE parse_filename(parse_dirpath(filename)) END AS writer
        FROM read_json({_list(paths)}, format = 'newline_delimited', ignore_errors = true,
            filename = true, columns = {{{columns}}}) WHERE seq IS NOT NULL"""  # noqa: S608
    )
    for statement in _VIEWS.split(";")[:-1]:
        connection.execute(statement)
    return connection


def _paths(directory: Path) -> list[str]:
    paths = [
        str(segment.path.absolute())
        for chain in chains(directory)
        for segment in segments(chain.folder)
        if segment.size
    ]
    if not paths:
        raise ConfigurationError(
            f"{directory}: the trail has no records yet",
            hint="Name the directory with --audit, or the settings file with --config.",
        )
    return paths


def _list(values: list[str]) -> str:
    return "[" + ", ".join(map(_text, values)) + "]"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_Result = TypeVar("_Result")


def _told(call: Callable[[], _Result]) -> _Result:
    """What `call` returns, or the database's complaint as ConfigurationError."""
    module = _duckdb()
    try:
        return call()
    except module.IOException as error:
        raise _SegmentGone(
            "a segment of the trail cannot be read", detail=str(error), hint="Run it again."
        ) from error
    except module.Error as error:
        raise ConfigurationError(
            "the query cannot be run",
            detail=str(error),
            hint="The views are decisions, outcomes and events.",
        ) from error


def _duckdb() -> ModuleType:
    try:
        import duckdb  # an extra, and slow to load
    except ImportError as error:
        raise ConfigurationError(
            "SQL over the trail needs DuckDB, which is not installed",
            hint="Run `pip install 'dbguard[sql]'`.",
        ) from error
    return duckdb
