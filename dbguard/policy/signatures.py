"""Function signatures as rules declare them and as the catalog spells them."""

from __future__ import annotations

from dbguard.sql.names import fold


def parse_signature(text: str) -> str:
    """`text` in the catalog's spelling: `schema.name(type, type)`.

    Raises:
        ValueError: it has no schema, no name or no argument list.
    """
    name, parenthesis, rest = text.strip().partition("(")
    schema, _, function = name.strip().partition(".")
    if not parenthesis or not rest.endswith(")") or not schema or not function:
        raise ValueError(f"{text!r} is not a function signature")
    arguments = [_type(a) for a in _arguments(rest[:-1])] if rest[:-1].strip() else []
    if not all(arguments):
        raise ValueError(f"{text!r} has an empty argument")
    return f"{_name(schema)}.{_name(function)}({', '.join(arguments)})"


def _arguments(text: str) -> list[str]:
    """Split at commas outside parentheses: `numeric(12,2), integer`."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


_SHORT = {
    "bool": "boolean",
    "char": "character",
    "decimal": "numeric",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
    "varchar": "character varying",
}
"""What people write, and what format_type() says."""


def _type(text: str) -> str:
    """One type, without a length: functions have none."""
    words = " ".join(text.split())
    if '"' in words:
        return words
    before, opened, rest = fold(words).partition("(")
    plain = before.rstrip() + rest.partition(")")[2] if opened else before
    plain = plain.removeprefix("variadic ")
    element = plain.removesuffix("[]")
    return _SHORT.get(element, element) + plain[len(element) :]


def _name(text: str) -> str:
    if text.startswith('"') and text.endswith('"') and len(text) > 2:
        return text[1:-1].replace('""', '"')
    return fold(text)
