"""One name for all statements of one shape.

Two statements that differ in literals, comments, white space, letter case of unquoted words, or
the length of an IN list or of a VALUES list have the same fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from .names import fold

DIGITS = 16
"""Hex digits of a fingerprint: 64 bits; a clash among a million shapes has odds of 1 in 37
million."""

_PUNCTUATION = frozenset("(),;.[]")
_WORD_ENDS = _PUNCTUATION | {" ", '"'}
_CLOSING = {"(": ")", "[": "]"}


def fingerprint(redacted: str) -> str:
    """Fingerprint of a text that `redact` made: 16 hex digits."""
    shape = " ".join(_collapsed(list(_words(redacted))))
    return hashlib.sha256(shape.encode("utf-8")).hexdigest()[:DIGITS]


def _words(redacted: str) -> Iterator[str]:
    """Words with unquoted letters folded and parameters as placeholders."""
    position, length = 0, len(redacted)
    while position < length:
        character = redacted[position]
        start = position
        position += 1
        if character == " ":
            continue
        if character == '"':
            end = redacted.find('"', position)
            position = length if end < 0 else end + 1
        elif character not in _PUNCTUATION:
            while position < length and redacted[position] not in _WORD_ENDS:
                position += 1
        word = fold(redacted[start:position]) if character != '"' else redacted[start:position]
        yield "?" if word.startswith("$") and word[1:].isdigit() else word


def _collapsed(words: Sequence[str]) -> list[str]:
    """`words` with lists after IN, VALUES and ARRAY shortened to their distinct leading item."""
    out: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        before = out[-1] if out else ""
        if (word == "(" and before == "in") or (word == "[" and before == "array"):
            end = _closing(words, position)
            inner = _collapsed(words[position + 1 : end])
            items = _items(inner)
            out += [word, *(items[0] if _all_alike(items) else inner)]
            position = end
        elif word == "(" and before == "values":
            position = _rows(words, position, out)
        else:
            out.append(word)
            position += 1
    return out


def _rows(words: Sequence[str], position: int, out: list[str]) -> int:
    """Append the rows of a VALUES list that differ from the row before; return the end."""
    last: list[str] | None = None
    while position < len(words) and words[position] == "(":
        end = _closing(words, position)
        row = ["(", *_collapsed(words[position + 1 : end]), ")"]
        if row != last:
            out += [*([","] if last else []), *row]
        last = row
        position = end + 1
        if words[position : position + 2] != [",", "("]:
            break
        position += 1
    return min(position, len(words))


def _closing(words: Sequence[str], opening: int) -> int:
    """Index of the bracket that closes the one at `opening`; the end if the text is cut off."""
    open_, close = words[opening], _CLOSING[words[opening]]
    depth = 0
    for index in range(opening, len(words)):
        depth += (words[index] == open_) - (words[index] == close)
        if depth == 0:
            return index
    return len(words)


def _items(words: Sequence[str]) -> list[list[str]]:
    items: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word in _CLOSING) - (word in _CLOSING.values())
        if word == "," and depth == 0:
            items.append([])
        elif not (word in ("-", "+") and not items[-1]):
            items[-1].append(word)
    return items


def _all_alike(items: Sequence[Sequence[str]]) -> bool:
    return all(item == items[0] for item in items)
