"""What must hold of every mutant that analysis accepts. Each oracle says what is wrong, or ""."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg

from dbguard.engine.plan import Plan
from dbguard.errors import StatementError
from dbguard.policy.decision import ErrorTexts
from dbguard.sql import referee
from dbguard.sql.facts import EffectKind, FunctionTrust
from dbguard.sql.fingerprint import fingerprint
from dbguard.sql.redact import REDACTED_LENGTH, redact
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import RelationKind

from .worlds import Field, hits

MARK = "zqx"
NUMBER = "7351"

_TRANSACTION = (
    EffectKind.BEGIN,
    EffectKind.COMMIT,
    EffectKind.ROLLBACK,
    EffectKind.SAVEPOINT,
    EffectKind.RELEASE,
    EffectKind.ROLLBACK_TO,
)


def storable(text: str) -> str:
    """The redacted text holds no literal and no comment; what is not meaning is no fingerprint."""
    tokens = referee.scan(text)
    raw = text.encode()
    if any(t.kind in ("UESCAPE", "PARAM", "SET") for t in tokens):
        return ""  # the escape character is a literal that has to stay
    marked: list[str] = []
    dressed: list[str] = []
    last = 0
    for number, token in enumerate(tokens):
        gap = raw[last : token.start].decode()
        last = token.end
        source = raw[token.start : token.end].decode()
        if token.is_comment:
            marked.append(gap + source)
            dressed.append(gap + source)
            continue
        literal = source
        if token.kind == "SCONST":
            literal = f"'{MARK}{number}'"
        elif token.kind in ("ICONST", "FCONST"):
            literal = f"{NUMBER}{number:04}"
        marked.append(gap + literal)
        plain = source.isascii() and source.isalpha() and token.kind != "SCONST"
        filler = f"{gap}/* {MARK} {NUMBER}0 */" if gap.strip(" ") == "" and gap else gap
        dressed.append(filler + (source.swapcase() if plain else source))
    stored = redact(text)
    kept = redact("".join(marked))
    if MARK in kept.lower() or NUMBER in kept:
        return "a literal is stored"
    other = redact("".join(dressed))
    if MARK in other.lower() or NUMBER in other:
        return "a comment is stored"
    if (
        len(stored) < REDACTED_LENGTH - 4
        and len({fingerprint(x) for x in (stored, kept, other)}) > 1
    ):
        return "the fingerprint depends on literals, comments or case"
    return ""


def complete(field: Field, text: str, readings: tuple[Reading, ...]) -> str:
    """Every column reference is in the facts, or of something that the statement itself names."""
    for statement, reading in zip(referee.parse(text), readings, strict=True):
        unknown = any(f.trust is FunctionTrust.UNKNOWN for f in reading.facts.functions)
        if unknown or reading.facts.opaque or statement.tag not in _RESOLVED:
            continue  # what an unknown function returns is unknown, and refused to masked users
        known = {c.column.column for c in reading.facts.columns}
        own = {*_own_names(statement.node), "old", "new", "excluded"}
        called = {f.name for f in reading.facts.functions}
        for function in field.world.snapshot.functions:
            if function.name in called:
                own.update(function.result_columns)
        for parts in _references(statement.node):
            named = [p for p in parts if p != "*"]
            if not named or known.intersection(named) or own.intersection(named[-2:]):
                continue
            if field.accepts(text):  # columns of a row whose type is not known need not exist
                return f"column reference {'.'.join(parts)} is in no fact"
    return ""


_RESOLVED = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_NAMING = (
    "aliasname", "ctename", "name", "relname", "sval", "search_seq_column", "cycle_mark_column",
    "cycle_path_column", "colname",
)  # fmt: skip


def _own_names(node: Any) -> Iterator[str]:
    """Every name in the statement that is not part of a column reference: aliases, relations,
    WITH queries, functions."""
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            yield from (str(item[k]) for k in _NAMING if isinstance(item.get(k), str))
            pending.extend(v for k, v in item.items() if k not in ("ColumnRef", "A_Const"))


def _references(node: Any) -> Iterator[list[str]]:
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            if "ColumnRef" in item:
                fields = item["ColumnRef"]["fields"]
                yield [f["String"].get("sval", "") if "String" in f else "*" for f in fields]
            pending.extend(item.values())


def recalled(field: Field, text: str, readings: tuple[Reading, ...]) -> str | None:
    """A view of the query depends on no column that the facts lack; None if no view can be made."""
    (reading,) = readings
    try:
        if reading.facts.statement_tag == "SelectStmt":
            expected = field.server.dependencies(text)
        elif field.world.snapshot.server_version >= 150_000:
            expected = field.server.body_dependencies(text)
        else:
            return None
    except (psycopg.Error, AssertionError):
        return None
    snapshot = field.world.snapshot
    pairs = {
        pair
        for pair in expected
        if (relation := snapshot.relation_by_oid.get(pair[0])) is not None
        and relation.kind is not RelationKind.COMPOSITE_TYPE
        and relation.schema not in ("pg_catalog", "information_schema")
    }
    reached = {r.relation for r in reading.facts.relations}
    by_type = _row_types(field, text, reading)
    columns = {(c.column.relation, c.column.number) for c in reading.facts.columns}
    excluded = {c.column.relation for c in reading.facts.columns if not c.maskable}
    for oid, number in sorted(pairs):
        if oid in by_type:
            continue
        relation = snapshot.relation_by_oid[oid]
        if oid not in reached:
            return f"relation {relation.schema}.{relation.name} is missed"
        upsert = "CONFLICT" in text.upper() and oid in excluded
        if number > 0 and (oid, number) not in columns and not upsert:
            named = relation.column(number)
            return f"column {relation.name}.{named.name if named else number} is missed"
    return ""


def _row_types(field: Field, text: str, reading: Reading) -> set[int]:
    """Relations whose row type a function, a column or a cast of the statement has, and those that
    a literal names (`'clinic.patients'::regclass`): a view depends on them although it does not
    read them."""
    snapshot = field.world.snapshot
    called = {(f.schema, f.name) for f in reading.facts.functions}
    types = {f.result for f in snapshot.functions if (f.schema, f.name) in called}
    for use in reading.facts.relations:
        relation = snapshot.relation_by_oid.get(use.relation)
        types.update(c.base_type for c in relation.columns if relation) if relation else None
    types = {t.removesuffix("[]") for t in types}
    named = set(_type_names(referee.parse(text)[0].node))
    return {
        r.oid
        for r in snapshot.relations
        if f"{r.schema}.{r.name}" in types or any(r.name in name for name in named)
    }


def _type_names(node: Any) -> Iterator[str]:
    """Names of types, and literals."""
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            if "typeName" in item:
                yield from (n["String"]["sval"] for n in item["typeName"].get("names", ()))
            if "A_Const" in item and "sval" in item["A_Const"]:
                yield item["A_Const"]["sval"].get("sval", "")
            pending.extend(item.values())


def executes(plan: Plan) -> bool:
    """Whether the plan may be tried out inside a transaction of the test's own."""
    return plan.refusal is None and not plan.has_effect(*_TRANSACTION)


def masked(field: Field, plan: Plan, rng: random.Random) -> str:
    """No mark comes back, neither as data nor in a message that would be shown."""
    data, told = field.run(plan.text, rng)
    if found := hits(field.marks, data):
        return f"restricted values in the result: {len(found)} kinds"
    shown = not any(s.decision.error_texts is ErrorTexts.WITHHOLD for s in plan.statements)
    if shown and (found := hits(field.marks, told)):
        return f"restricted values in messages: {len(found)} kinds"
    return ""


def within(plan: Plan) -> str:
    """The text to send holds restricted relations only inside derived tables."""
    if plan.positions is None:
        return ""
    try:
        referee.parse(plan.text)
    except StatementError:
        return "the rewritten text is no SQL"
    return ""
