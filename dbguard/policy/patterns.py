"""Patterns that name tables and columns in rules files.

Parts are separated by dots and folded to lower case as PostgreSQL folds names; `*` stands for
any characters, `?` for one. A part in double quotes is taken literally, dots, stars and case
included; a double quote in it is written twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbguard.sql.names import fold

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema", "pg_toast"})
"""Reached only by patterns that spell their schema out: `*.*.name` means the user's tables."""

_NO_WILDCARDS = frozenset("{}[]()|,")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of two parts (schema.table) or three (schema.table.column)."""

    text: str
    parts: tuple[re.Pattern[str], ...]
    literal_schema: bool
    names_table: bool
    """Schema and table are spelled out."""

    def matches(self, *names: str) -> bool:
        """Whether the names, schema first, one for each part, match."""
        rest = zip(self.parts[2:], names[2:], strict=True)
        return self.covers_table(*names[:2]) and all(p.fullmatch(n) for p, n in rest)

    def covers_table(self, schema: str, table: str) -> bool:
        """Whether the first two parts match."""
        if schema in SYSTEM_SCHEMAS and not self.literal_schema:
            return False
        return bool(self.parts[0].fullmatch(schema) and self.parts[1].fullmatch(table))

    def __str__(self) -> str:
        return self.text


def parse_pattern(text: str, parts: int) -> Pattern:
    """Compile `text`, which must have `parts` parts.

    Raises:
        ValueError: it has another number of parts, an empty one, an open quote, or what would be
            a choice of names elsewhere and would match nothing here.
    """
    split = _split(text)
    if len(split) != parts:
        shape = "schema.table" if parts == 2 else "schema.table.column"
        raise ValueError(f"pattern {text!r} has {len(split)} parts, not {parts} ({shape})")
    for part, literal in split:
        if not literal and (found := sorted(_NO_WILDCARDS & set(part))):
            raise ValueError(
                f"pattern {text!r} has {found[0]!r}, which stands for nothing here: write one "
                "pattern for each name, or the part in double quotes if its name has that"
            )
    if not all(part for part, _ in split):
        raise ValueError(f"pattern {text!r} has an empty part")
    compiled = tuple(re.compile(_expression(part, literal), re.DOTALL) for part, literal in split)
    spelled = [literal or not {"*", "?"} & set(part) for part, literal in split]
    return Pattern(text, compiled, spelled[0], spelled[0] and spelled[1])


def _split(text: str) -> list[tuple[str, bool]]:
    """Parts with whether each was quoted."""
    parts: list[tuple[str, bool]] = []
    at = 0
    while True:
        if text[at : at + 1] == '"':
            part, at = _quoted(text, at + 1)
            parts.append((part, True))
            if text[at : at + 1] not in ("", "."):
                raise ValueError(f"pattern {text!r} goes on behind a closing quote")
        else:
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            if '"' in text[at:end]:
                raise ValueError(f"pattern {text!r} has a quote inside a part")
            parts.append((fold(text[at:end]), False))
            at = end
        if at >= len(text):
            return parts
        at += 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    part = ""
    while True:
        end = text.find('"', at)
        if end < 0:
            raise ValueError(f"pattern {text!r} has an open quote")
        part += text[at:end]
        if text[end + 1 : end + 2] != '"':
            return part, end + 1
        part += '"'
        at = end + 2


def _expression(part: str, literal: bool) -> str:
    if literal:
        return re.escape(part)
    wild = {"*": ".*", "?": "."}
    return "".join(wild.get(c) or re.escape(c) for c in part)
