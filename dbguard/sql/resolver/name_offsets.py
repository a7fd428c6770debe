"""Where DROP, COMMENT and SECURITY LABEL name their relations: the tree does not say."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.referee import scan

from .context import Context

_KIND_WORDS: Mapping[str, int] = {
    "table": 1,
    "view": 1,
    "sequence": 1,
    "column": 1,
    "matview": 2,
    "foreign_table": 2,
}
"""Keywords between DROP (or ON) and the name; other kinds name their relation behind ON."""


def relation_offsets(ctx: Context, kind: str, count: int) -> list[int | None]:
    """Byte offsets of the names of `count` relations; None for all when they cannot be told."""
    start, end = ctx.extent
    words = [
        t
        for t in scan(ctx.raw.decode("utf-8"))
        if not t.is_comment and start <= t.start and t.end <= end
    ]
    kinds = [t.kind for t in words]
    position = 1 if kinds[0] == "DROP" else kinds.index("ON") + 1
    if kind in _KIND_WORDS:
        position += _KIND_WORDS[kind]
    else:
        position = kinds.index("ON", position) + 1
    if kinds[position : position + 2] == ["IF_P", "EXISTS"]:
        position += 2
    found = [words[position].start]
    if kinds[0] == "DROP":
        found += [
            words[i + 1].start for i in range(position, len(words) - 1) if kinds[i] == "ASCII_44"
        ]
    return [*found] if len(found) == count else [None] * count
