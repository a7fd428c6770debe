"""Identifiers as PostgreSQL spells them (scansup.c, quote_identifier in ruleutils.c)."""

from __future__ import annotations

NAME_LIMIT = 63
"""NAMEDATALEN - 1: longer names are truncated to this many bytes."""


def quote(name: str) -> str:
    """Always quoted, so that no keyword list is needed."""
    return '"' + name.replace('"', '""') + '"'


def truncate(name: str) -> str:
    """Cut to 63 bytes at a character border, as truncate_identifier does in UTF-8."""
    raw = name.encode("utf-8")
    return name if len(raw) <= NAME_LIMIT else raw[:NAME_LIMIT].decode("utf-8", "ignore")


def fold(name: str) -> str:
    """Downcase ASCII letters only, as PostgreSQL does for unquoted names in UTF-8."""
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in name)
