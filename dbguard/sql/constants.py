"""Long runs of constants, left out of what sqlglot is given to read.

PostgreSQL's own scanner says what is a constant, so no name is lost with them; and a name that
sqlglot would see there and the referee does not, PostgreSQL does not see either. sqlglot takes 7
seconds for a megabyte of numbers (measured), two thirds of a bulk statement's analysis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .referee import Token

_WORTHWHILE = 10_000
"""Bytes of text below which sqlglot is as quick with all of it."""
_FEW = 50
"""Items of a list, or rows, that are left as they are."""
_CONSTANTS = frozenset(
    ("ICONST", "FCONST", "SCONST", "PARAM", "NULL_P", "TRUE_P", "FALSE_P", "DEFAULT")
)
_SIGNS = frozenset(("ASCII_43", "ASCII_45"))
_CLOSERS = {"ASCII_40": "ASCII_41", "ASCII_91": "ASCII_93"}
_COMMA = "ASCII_44"


def blanked(text: str, raw: bytes, tokens: Sequence[Token], offset: int) -> str:
    """`text` with blanks for most of each long run of constants; every character keeps its place.

    `raw` is the text's UTF-8, `tokens` PostgreSQL's, whose places count from `offset` bytes before
    the text.
    """
    if len(raw) < _WORTHWHILE:
        return text
    parts = []
    done = 0
    for first, behind in _runs(tokens):
        start, end = tokens[first].start - offset, tokens[behind - 1].end - offset
        parts.append(raw[done:start].decode("utf-8"))
        cut = raw[start:end]
        parts.append(" " * (len(cut) if cut.isascii() else len(cut.decode("utf-8"))))
        done = end
    parts.append(raw[done:].decode("utf-8"))
    return "".join(parts)


def count_constants(tokens: Sequence[Token]) -> int:
    """How many of `tokens`, comments apart, stand in long runs and cost analysis little."""
    return sum(behind - first for first, behind in _runs(tokens))


def _runs(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """What can be left out, most items of long lists and most of many rows: index of the first
    token and of the one behind the last."""
    index, count = 0, len(tokens)
    while index < count:
        if tokens[index].kind not in _CLOSERS:
            index += 1
            continue
        found = _list_at(tokens, index)
        if found is None:
            index += 1
            continue
        behind, items, second = found
        rows, end = 1, behind
        while end + 1 < count and tokens[end].kind == _COMMA and tokens[end + 1].kind == "ASCII_40":
            following = _list_at(tokens, end + 1)
            if following is None:
                break
            rows, end = rows + 1, following[0]
        if rows > _FEW:
            yield behind, end
        elif items > _FEW:
            yield second, behind - 1
            end = behind
        index = end


def _list_at(tokens: Sequence[Token], opening: int) -> tuple[int, int, int] | None:
    """Of a list of nothing but constants: the index behind it, how many there are, and the index
    of the comma behind the first."""
    closer = _CLOSERS[tokens[opening].kind]
    index, count, items, second = opening + 1, len(tokens), 0, opening
    while index < count:
        if tokens[index].kind in _SIGNS:
            index += 1
        if index + 1 >= count or tokens[index].kind not in _CONSTANTS:
            return None
        items, index = items + 1, index + 1
        if tokens[index].kind == "TYPECAST" and index + 2 < count:
            index += 2  # a name of more than one word ends the list
        kind = tokens[index].kind
        if kind == closer:
            return index + 1, items, second
        if kind != _COMMA:
            return None
        if items == 1:
            second = index
        index += 1
    return None
