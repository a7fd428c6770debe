"""A query's columns according to the server: those that a view of it depends on."""

from __future__ import annotations

from collections.abc import Iterator

from psql_session import Session

from dbguard.sql.facts import StatementFacts
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import Snapshot

Pair = tuple[int, int]

_DEPENDENCIES = """
    SELECT d.refobjid::int, d.refobjsubid, c.relname, c.relkind FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) d.objid
      AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.refobjid
    WHERE r.ev_class OPERATOR(pg_catalog.=) 'pg_temp.dbguard_oracle'::pg_catalog.regclass
      AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refobjid OPERATOR(pg_catalog.<>) r.ev_class
"""
_FIRST_RECORDED = 16384
"""Dependencies on what initdb made are not recorded (FirstNormalObjectId in transam.h)."""
_COMPOSITE = b"c"


class ViewColumns:
    """Compares query after query, and counts."""

    def __init__(self) -> None:
        self.compared = self.impossible = 0
        self.expected = self.found = self.missed = self.surplus = self.missed_relations = 0

    def compare(self, session: Session, query: str, reading: Reading) -> Iterator[str]:
        """What differs, in words."""
        answer = self._dependencies(session, query)
        if answer is None:
            self.impossible += 1
            return
        self.compared += 1
        snapshot, _ = session.catalog(())
        facts = reading.facts
        excused = _row_types(query, facts, snapshot)
        expected = {p for p in answer if p[0] not in excused}
        named = {p for p in expected if p[1] != 0}
        ours = {(c.column.relation, c.column.number) for c in facts.columns}
        relations = {r.relation for r in facts.relations}
        self.expected += len(named)
        self.found += len(named & ours)
        if missed := named - ours:
            self.missed += len(missed)
            yield f"missed {self._names(session, missed)}"
        # a constant of type regclass is a dependency, too
        constants = {p for p in expected if p[1] == 0 and f"{answer[p]}'" in query.lower()}
        if unseen := {oid for oid, _ in expected - constants} - relations:
            self.missed_relations += len(unseen)
            yield f"missed relations {self._names(session, {(oid, 0) for oid in unseen})}"
        # of a whole row, only the relation is recorded
        whole = {s.relation for s in reading.relations if s.whole}
        whole |= {oid for oid, number in answer if number == 0}
        recorded = {p for p in ours if p[0] >= _FIRST_RECORDED and p[0] not in whole | excused}
        if surplus := recorded - expected:
            self.surplus += len(surplus)
            yield f"surplus {self._names(session, surplus)}"

    def summary(self) -> str:
        recall = self.found / self.expected if self.expected else 1.0
        precision = self.found / (self.found + self.surplus) if self.found else 1.0
        return (
            f"views: {self.compared} compared, {self.impossible} impossible; "
            f"{self.expected} columns, {self.missed} missed (recall {recall:.5f}), "
            f"{self.surplus} surplus (precision {precision:.5f}), "
            f"{self.missed_relations} relations missed"
        )

    def _dependencies(self, session: Session, query: str) -> dict[Pair, str] | None:
        """The pairs, each with the relation's name."""
        count = session.output_columns(query)
        if count is None:
            return None
        listed = f" ({', '.join(f'c{i}' for i in range(count))})" if count else ""
        view = f"CREATE TEMP VIEW dbguard_oracle{listed} AS {query}"
        answers = session.try_out([view, _DEPENDENCIES])
        if not answers:
            return None
        rows = answers[1]
        return {
            (int(oid or b"0"), int(number or b"0")): (name or b"").decode()
            for oid, number, name, kind in (
                (
                    rows.get_value(i, 0),
                    rows.get_value(i, 1),
                    rows.get_value(i, 2),
                    rows.get_value(i, 3),
                )
                for i in range(rows.ntuples)
            )
            if kind != _COMPOSITE
        }

    def _names(self, session: Session, pairs: set[Pair]) -> str:
        relations = session.catalog(())[0].relation_by_oid
        shown = []
        for oid, number in sorted(pairs):
            relation = relations.get(oid)
            column = relation.column(number) if relation else None
            shown.append(
                f"{relation.name if relation else oid}.{column.name if column else number}"
            )
        return ", ".join(shown)


def _row_types(query: str, facts: StatementFacts, snapshot: Snapshot) -> set[int]:
    """Relations of which only the row type is used, by a function's result, a column or a cast:
    no rows of theirs are read for that, but dependencies are recorded."""
    types = {
        f.result
        for use in facts.functions
        for f in snapshot.functions_by_name.get(use.name, ())
        if f.schema == use.schema
    }
    for used in facts.columns:
        relation = snapshot.relation_by_oid.get(used.column.relation)
        column = relation.column(used.column.number) if relation else None
        types |= {column.type_name.removesuffix("[]")} if column else set()
    read = {r.relation for r in facts.relations}
    return {
        r.oid
        for r in snapshot.relations
        if r.oid not in read
        and (f"{r.schema}.{r.name}" in types or f"::{r.name}" in query or f"as {r.name})" in query)
    }
