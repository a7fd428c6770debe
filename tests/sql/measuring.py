"""How far analysis and a real server agree over many queries: recall, precision, refusals.

The server is asked in batches. Each query is parsed and described (its origins are
RowDescription's), then becomes the subquery of a temporary view, and one look at pg_depend tells
what all views of the batch depend on. The subquery lets queries in that no view can be made of
(two output columns of one name, a result of type record); the stored rule keeps every column that
the query mentions all the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import psycopg

from dbguard.errors import StatementError, UndefinedName
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import RelationKind, SessionView, Snapshot

from .node_tree import whole_rows
from .oracle import Pair, Server

BATCH = 100

_VIEWS = """
FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
"""
_MINE = "v.relnamespace = pg_my_temp_schema() AND v.relname LIKE 'oracle_view_%'"
_NUMBER = "substr(v.relname, 13)::int"
_DEPENDENCIES = f"""
SELECT {_NUMBER}, d.refobjid::bigint, d.refobjsubid
{_VIEWS} JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
WHERE {_MINE} AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
"""
_RULES = f"""
SELECT {_NUMBER}, r.ev_action::text {_VIEWS}
WHERE {_MINE} AND r.ev_action::text LIKE '%:varattno 0 %'
"""

_NAMES = ("42703", "42P01")
"""Undefined column and table."""

_WIDE = (RelationKind.COMPOSITE_TYPE,)
"""A field of a composite value depends on the type's column, which holds no data."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the server says of one query."""

    query: str
    error: tuple[str, str] | None = None
    """SQLSTATE and message, when it rejects the query."""
    pairs: frozenset[Pair] = frozenset()
    """(relation, column) that a view of it depends on; column 0 when on none in particular."""
    whole: frozenset[Pair] = frozenset()
    """What it reads by whole rows, column 0 for a relation's all: pg_depend names no column."""
    outputs: tuple[tuple[str, Pair], ...] = ()
    """Name and origin of each output column."""


def ask(server: Server, queries: Sequence[str]) -> list[Expectation]:
    """What the server says of each of `queries`, which have to be single statements."""
    described = [_described(server, query) for query in queries]
    low = server.connection.pgconn
    low.exec_(b"BEGIN")
    try:
        for i, found in enumerate(described):
            if found.error is None:
                described[i] = _made(low, i, found)
        pairs: dict[int, set[Pair]] = {}
        for number, relation, column in server.connection.execute(_DEPENDENCIES.encode()):
            pairs.setdefault(number, set()).add((relation, column))
        rules = dict(server.connection.execute(_RULES.encode()).fetchall())
    finally:
        low.exec_(b"ROLLBACK")
    return [
        Expectation(
            found.query,
            found.error,
            frozenset(pairs.get(i, ())),
            whole_rows(rules[i]) if i in rules else frozenset(),
            found.outputs,
        )
        for i, found in enumerate(described)
    ]


def _described(server: Server, query: str) -> Expectation:
    low = server.connection.pgconn
    parsed = low.prepare(b"", query.encode())
    if parsed.status != psycopg.pq.ExecStatus.COMMAND_OK:
        return Expectation(query, _error(parsed))
    return Expectation(query, outputs=tuple(server.outputs(b"")))


def _made(low: psycopg.pq.abc.PGconn, number: int, found: Expectation) -> Expectation:
    view = f"CREATE TEMP VIEW oracle_view_{number} AS SELECT 1 FROM ({found.query}\n) AS oracle_q"
    low.exec_(b"SAVEPOINT s")
    made = low.exec_(view.encode())
    if made.status == psycopg.pq.ExecStatus.COMMAND_OK:
        low.exec_(b"RELEASE s")
        return found
    low.exec_(b"ROLLBACK TO s")
    return Expectation(found.query, _error(made))


def _error(result: psycopg.pq.abc.PGresult) -> tuple[str, str]:
    fields = psycopg.pq.DiagnosticField
    return (
        (result.error_field(fields.SQLSTATE) or b"").decode(),
        (result.error_field(fields.MESSAGE_PRIMARY) or b"").decode(),
    )


@dataclass(slots=True)
class Tally:
    """Sums over queries; tallies of several processes add up."""

    queries: int = 0
    valid: int = 0
    """Accepted by the server."""
    expected: int = 0
    """Columns that the server names."""
    found: int = 0
    """Columns that analysis names, of valid queries that it understood."""
    both: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Valid queries that analysis refuses, by reason."""
    rejected: Counter[str] = field(default_factory=Counter)
    """SQLSTATEs of queries that the server rejects."""
    wrong: list[str] = field(default_factory=list)
    """Differences in words, each with its query."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.queries + other.queries,
            self.valid + other.valid,
            self.expected + other.expected,
            self.found + other.found,
            self.both + other.both,
            self.refused + other.refused,
            self.rejected + other.rejected,
            self.wrong + other.wrong,
        )

    @classmethod
    def of(cls, text: str) -> Tally:
        """A tally from what `as_json` made of it."""
        figures = json.loads(text)
        counters = {name: Counter(figures[name]) for name in ("refused", "rejected")}
        return cls(**{**figures, **counters})

    def as_json(self) -> str:
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)})

    @property
    def recall(self) -> float:
        return self.both / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        return self.both / self.found if self.found else 1.0

    @property
    def understood(self) -> float:
        return 1 - self.refused.total() / self.valid if self.valid else 1.0

    def __str__(self) -> str:
        return (
            f"{self.queries} queries, {self.valid} valid, {self.expected} columns, "
            f"recall {self.recall:.6f}, precision {self.precision:.6f}, "
            f"understood {self.understood:.4%}"
            + "".join(f"\n    refused {n} times: {why}" for why, n in self.refused.most_common())
        )


def measure(server: Server, snapshot: Snapshot, queries: Sequence[str]) -> Tally:
    """Compare analysis and server over all of `queries`."""
    tally = Tally()
    view = server.view()
    for start in range(0, len(queries), BATCH):
        for expectation in ask(server, queries[start : start + BATCH]):
            judge(expectation, snapshot, view, tally)
    return tally


def judge(
    expectation: Expectation, snapshot: Snapshot, view: SessionView, tally: Tally
) -> StatementFacts | None:
    """Compare analysis and server for one query; the facts, if analysis understood it."""
    tally.queries += 1
    query = expectation.query
    try:
        readings = analyze(query, snapshot, view, DEFAULT_LIMITS)
    except StatementError as error:
        if expectation.error is None:
            tally.valid += 1
            tally.refused[f"{type(error).__name__}: {error.message}"] += 1
            tally.wrong.append(f"refused ({error.message}):\n{query}")
        else:
            tally.rejected[expectation.error[0]] += 1
            if isinstance(error, UndefinedName) and _differs(error, expectation.error):
                told = f"{error.code} {error.message} instead of {' '.join(expectation.error)}"
                tally.wrong.append(f"error {told}:\n{query}")
        return None
    if expectation.error is not None:
        tally.rejected[expectation.error[0]] += 1
        return None
    tally.valid += 1
    (reading,) = readings
    facts = reading.facts
    if facts.opaque:
        tally.refused[f"opaque: {facts.opaque[0].construct}"] += 1
        tally.wrong.append(f"opaque ({facts.opaque[0].construct}):\n{query}")
        return None
    for difference in _differences(facts, expectation, snapshot, tally):
        tally.wrong.append(f"{difference}:\n{query}")
    return facts


def _differs(error: UndefinedName, expected: tuple[str, str]) -> bool:
    """Whether the server speaks of another name; of several mistakes, it may find another first."""
    code, message = expected
    return code in _NAMES and (error.code, error.message) != (code, message)


def _differences(
    facts: StatementFacts, expectation: Expectation, snapshot: Snapshot, tally: Tally
) -> Iterator[str]:
    known = snapshot.relation_by_oid
    expected = {p for p in expectation.pairs if known[p[0]].kind not in _WIDE}
    columns = {pair for pair in expected if pair[1] != 0}
    columns |= {pair for pair in expectation.whole if pair[1] != 0}
    whole = (oid for oid, number in expectation.whole if number == 0)
    columns |= {(oid, c.number) for oid in whole for c in known[oid].columns}
    found = {(c.column.relation, c.column.number) for c in facts.columns}
    # the server's own catalogs are pinned: nothing is noted for them
    found = {pair for pair in found if known[pair[0]].schema != "pg_catalog"}
    tally.expected += len(columns)
    tally.found += len(found)
    tally.both += len(columns & found)
    if missed := columns - found:
        yield "missed " + _shown(missed, snapshot)
    if surplus := found - columns:
        yield "surplus " + _shown(surplus, snapshot)
    relations = {r.relation for r in facts.relations}
    if lost := {oid for oid, _ in expected} - relations:
        yield "missed relations " + ", ".join(sorted(known[oid].name for oid in lost))
    ours = tuple(
        (o.name, (o.origin.relation, o.origin.number) if o.origin else (0, 0))
        for o in facts.outputs
    )
    # a whole row has its table as origin, and no column
    theirs = tuple((n, p if p[1] else (0, 0)) for n, p in expectation.outputs)
    if ours != theirs:
        yield f"outputs {_odd(ours, theirs)}"


def _odd(ours: Sequence[object], theirs: Sequence[object]) -> str:
    pairs = zip([*ours, *[None] * len(theirs)], [*theirs, *[None] * len(ours)], strict=False)
    mine, server = next(p for p in pairs if p[0] != p[1])
    return f"{mine} instead of {server}"


def _shown(pairs: set[Pair], snapshot: Snapshot) -> str:
    names = []
    for oid, number in pairs:
        relation = snapshot.relation_by_oid[oid]
        column = relation.column(number)
        names.append(f"{relation.schema}.{relation.name}.{column.name if column else number}")
    return ", ".join(sorted(names))
