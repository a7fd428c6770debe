"""Function references: which function, what it may reach, and what it gives back."""

from __future__ import annotations

from dbguard.sql.facts import EffectKind, FunctionTrust, SessionEffect
from dbguard.sql.functions import FunctionReference, refer, takes
from dbguard.sql.reaching import RUNS_TEXTS

from .context import Context
from .earlier import DOUBT
from .result_types import overload_type, polymorphic_type
from .values import CallRow, Value, computed


def is_function(ctx: Context, name: str) -> bool:
    """Whether any visible function has this name, whatever its arguments."""
    path = ctx.names.path
    return any(f.schema in path for f in ctx.snapshot.functions_by_name.get(name, ()))


_ROW_ARGUMENTS = frozenset(
    {
        "any",
        '"any"',
        "record",
        "anyelement",
        "anynonarray",
        "anycompatible",
        "anycompatiblenonarray",
    }
)


def takes_row(ctx: Context, name: str) -> bool:
    """Whether a visible function of this name can be called with a row alone.

    Otherwise `name(row)` is a column (ParseFuncOrColumn); nothing is cast to or from rows
    implicitly.
    """
    path = ctx.names.path
    return any(
        function.schema in path
        and takes(function, 1)
        and (not function.arguments or _is_row_type(ctx, function.arguments[0]))
        for function in ctx.snapshot.functions_by_name.get(name, ())
    )


def _is_row_type(ctx: Context, argument: str) -> bool:
    # any composite counts: it may be the row type of an inheritance parent
    return argument in _ROW_ARGUMENTS or ctx.ledger.composite(argument) is not None


def note_call(
    ctx: Context,
    names: list[str],
    count: int,
    location: int,
    *,
    pinnable: bool = True,
) -> FunctionReference:
    """Resolve a function name and note what it may reach.

    `pinnable` is False where no `pg_catalog.` can be written in front (`p.lower`).
    """
    *qualifiers, name = names
    ctx.ledger.seen.add(("function", location))
    if ctx.names.uncertain and not qualifiers:
        ctx.ledger.note(DOUBT, ctx.position(location))
    if len(qualifiers) > 1:
        qualifiers = qualifiers[-1:]
    schema = qualifiers[0] if qualifiers else None
    found = refer(ctx.snapshot, ctx.names.path, schema, name, count)
    if found.pin:
        if pinnable and schema is None:
            ctx.ledger.calls[location] = None
        elif schema is None:
            ctx.ledger.note(f'function "{name}"', ctx.position(location))
    if found.shows_definition:
        if pinnable:
            ctx.ledger.definitions[location] = name
        else:
            ctx.ledger.note(f'function "{name}" in this notation', ctx.position(location))
    ctx.ledger.functions.setdefault(found.use)
    ctx.ledger.behind.discard(found.use)
    unseen = found.use.trust is FunctionTrust.UNKNOWN and found.use.volatile
    if unseen or (found.use.name in RUNS_TEXTS and found.use.trust is FunctionTrust.REACHES):
        ctx.ledger.effect(SessionEffect(EffectKind.PATH))
    return found


def call_by_notation(ctx: Context, name: str, argument: Value, location: int) -> Value:
    """`item.function`: a call with the whole row as its argument."""
    found = note_call(ctx, [name], 1, location, pinnable=False)
    return result_of(ctx, found, [argument])


def result_of(ctx: Context, found: FunctionReference, arguments: list[Value]) -> Value:
    """The value of a call."""
    type_name = found.result
    if found.use.name == "unnest" and len(arguments) == 1:
        (array,) = arguments
        name = array.type_name or ""
        element = name[:-2] if name.endswith("[]") else _ELEMENTS.get(name)
        row = ctx.ledger.composite(element) if element else array.row
        return computed(arguments, element, row)
    if type_name is None:
        if found.use.name in _LIKE_FIRST_ARGUMENT and arguments:
            return computed(arguments, arguments[0].type_name, arguments[0].row)
        type_name = overload_type(found.candidates, arguments)
        if type_name is None or type_name == "record" or type_name.startswith("any"):
            type_name = polymorphic_type(found.candidates, arguments)
    if type_name is None:
        listed = {f.result_columns for f in found.candidates}
        names = listed.pop() if len(listed) == 1 else ()
        row = CallRow(names, computed(arguments)) if len(names) > 1 else None
        return computed(arguments, None, row)
    return computed(arguments, type_name, ctx.ledger.composite(type_name))


_ELEMENTS = {"int2vector": "int2", "oidvector": "oid", "tsvector": "tsvector"}
"""Types without brackets that unnest() takes apart."""

_LIKE_FIRST_ARGUMENT = frozenset(
    {
        "json_populate_record",
        "json_populate_recordset",
        "jsonb_populate_record",
        "jsonb_populate_recordset",
        "min",
        "max",
        "coalesce",
        "first_value",
        "last_value",
        "nth_value",
        "lag",
        "lead",
        "any_value",
    }
)
"""Polymorphic functions that give back a value of their first argument's type."""
