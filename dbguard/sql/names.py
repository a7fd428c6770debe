"""Identifiers as PostgreSQL spells them (scansup.c, quote_identifier in ruleutils.c)."""

from __future__ import annotations

NAME_LIMIT = 63
"""NAMEDATALEN - 1: longer names are truncated to this many bytes."""


def quote(name: str) -> str:
    """Always quoted, so that no keyword list is needed."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant that reads the same whatever standard_conforming_strings is."""
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return f" E{quoted}" if "\\" in text else quoted


def truncate(name: str) -> str:
    """Cut to 63 bytes at a character border, as truncate_identifier does in UTF-8."""
    raw = name.encode("utf-8")
    return name if len(raw) <= NAME_LIMIT else raw[:NAME_LIMIT].decode("utf-8", "ignore")


def fold(name: str) -> str:
    """Downcase ASCII letters only, as PostgreSQL does for unquoted names in UTF-8."""
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in name)


def split_identifier_list(value: str) -> tuple[str, ...]:
    """Split a list of identifiers as varlena.c's SplitIdentifierString does."""
    names: list[str] = []
    index, length = 0, len(value)
    while index < length:
        while index < length and (value[index].isspace() or value[index] == ","):
            index += 1
        if index >= length:
            break
        if value[index] == '"':
            name, index = _quoted(value, index + 1)
        else:
            start = index
            while index < length and value[index] != "," and not value[index].isspace():
                index += 1
            name = value[start:index].lower()
        if name:
            names.append(name)
    return tuple(names)


def _quoted(value: str, index: int) -> tuple[str, int]:
    out: list[str] = []
    while index < len(value):
        if value[index] == '"':
            if value[index + 1 : index + 2] != '"':
                return "".join(out), index + 1
            index += 1
        out.append(value[index])
        index += 1
    return "".join(out), index
