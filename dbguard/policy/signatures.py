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


def _type(text: str) -> str:
    words = " ".join(text.split())
    return words if '"' in words else fold(words)


def _name(text: str) -> str:
    if text.startswith('"') and text.endswith('"') and len(text) > 2:
        return text[1:-1].replace('""', '"')
    return fold(text)
