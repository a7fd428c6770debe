"""Type names and operators: code of the user's own may hide behind both."""

from __future__ import annotations

from dbguard.sql.functions import is_trusted_extension, takes
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import TypeInfo

from .context import Context, strings

_HARMLESS_KINDS = frozenset("cderm")
"""Composites, domains, enums, ranges: made of other types, no code of their own."""

_ALIASES = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}
"""format_type's names of the types that the grammar spells otherwise."""


_SYSTEM_TYPES_TEXT = """
    bit bool box bpchar bytea char cid cidr circle date daterange float4 float8 inet int2 int4
    int4multirange int4range int8 int8multirange int8range interval json jsonb jsonpath line lseg
    macaddr macaddr8 money name nummultirange numeric numrange oid path pg_lsn point polygon
    regclass regcollation regconfig regdatabase regdictionary regnamespace regoper regoperator
    regproc regprocedure regrole regtype text tid time timestamp timestamptz timetz tsmultirange
    tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit varchar xid xid8 xml
"""
_SYSTEM_TYPES = frozenset(_SYSTEM_TYPES_TEXT.split())
"""Types of pg_catalog that a text can be cast to; the snapshot holds only other ones."""


def is_cast(ctx: Context, names: list[str]) -> bool:
    """Whether a call with one argument is a cast: no function of that name takes one, and a type
    has that name (FUNCDETAIL_COERCION in parse_func.c)."""
    *qualifiers, name = names
    if len(qualifiers) > 1 or ctx.names.uncertain:
        return False
    schemas = qualifiers or ctx.names.path
    for function in ctx.snapshot.functions_by_name.get(name, ()):
        if function.schema in schemas and takes(function, 1):
            return False
    if any(info.schema in schemas for info in ctx.snapshot.types_by_name.get(name, ())):
        return True
    return "pg_catalog" in schemas and name in _SYSTEM_TYPES


def note_type(ctx: Context, fields: Node) -> str | None:
    """Note a type name; returns format_type's spelling where it is known."""
    names = strings(fields.get("names"))
    if not names:
        return None
    suffix = "[]" if fields.get("arrayBounds") else ""
    schema = names[-2] if len(names) > 1 else None
    name = names[-1]
    if schema == "pg_catalog":
        return _ALIASES.get(name, name) + suffix
    if (info := _find(ctx, schema, name)) is not None:
        if info.kind not in _HARMLESS_KINDS and not is_trusted_extension(info.extension):
            ctx.ledger.note(f'type "{name}"', ctx.position(fields.get("location", 0)))
        ctx.ledger.run_hidden(info.code)
        return f"{info.schema}.{info.name}{suffix}"
    if (relation := ctx.find_relation(schema, name)) is not None:
        ctx.ledger.run_hidden(relation.read_code)
        return f"{relation.schema}.{relation.name}{suffix}"
    if fields.get("pct_type"):
        return None
    return _ALIASES.get(name, name) + suffix if schema is None else None


def _find(ctx: Context, schema: str | None, name: str) -> TypeInfo | None:
    for candidate in (schema,) if schema is not None else ctx.names.path:
        for info in ctx.snapshot.types_by_name.get(name, ()):
            if info.schema == candidate:
                return info
    return None


def note_operator(ctx: Context, names: list[str], location: int) -> None:
    """Note an operator that somebody other than PostgreSQL or a known extension defined."""
    if not names:
        return
    *qualifiers, symbol = names
    candidates = ctx.snapshot.operators_by_name.get(symbol)
    if not candidates:
        return
    schemas = qualifiers[-1:] or ctx.names.path
    for operator in candidates:
        if operator.schema in schemas and not is_trusted_extension(operator.extension):
            ctx.ledger.note(f"operator {symbol}", ctx.position(location) if location else None)
            return


def note_operators(ctx: Context, fields: Node) -> None:
    """Note what an A_Expr stands for."""
    kind = fields.get("kind", "AEXPR_OP")
    location = fields.get("location", 0)
    if "BETWEEN" in kind:
        for symbol in ("<=", ">="):
            note_operator(ctx, [symbol], location)
    elif kind in ("AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT", "AEXPR_NULLIF"):
        note_operator(ctx, ["="], location)
    else:
        note_operator(ctx, strings(fields.get("name")), location)
