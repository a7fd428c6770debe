"""Where one statement of a text ends and the next begins, told by the scanner alone.

For texts that the grammar rejects as a whole: what stands beside a mistake can still be read. It
decides nothing; a text that is to run is only ever taken apart by the grammar.
"""

from __future__ import annotations

from dbguard.errors import SyntaxRefused

from . import referee


def split(text: str) -> tuple[str, ...]:
    """The statements of `text` without their semicolons, empty ones left out.

    Semicolons in parentheses (CREATE RULE) and in BEGIN ATOMIC … END separate nothing, as in
    psql. A text that cannot be scanned, or holds NUL, stays whole.
    """
    try:
        raw = text.encode("utf-8")
        tokens = () if "\0" in text else referee.scan(text)
    except (UnicodeEncodeError, SyntaxRefused):
        return (text,)
    found: list[str] = []
    start, last, before = -1, 0, ""
    parentheses = blocks = 0
    for token in tokens:
        if token.is_comment:
            continue
        match token.kind:
            case "ASCII_40":
                parentheses += 1
            case "ASCII_41":
                parentheses = max(0, parentheses - 1)
            case "ATOMIC" if before == "BEGIN_P":
                blocks += 1
            case "CASE" if blocks:
                blocks += 1
            case "END_P" if blocks:
                blocks -= 1
        if token.kind == "ASCII_59" and not parentheses and not blocks:
            if start >= 0:
                found.append(raw[start:last].decode("utf-8"))
            start = -1
        elif start < 0:
            start = token.start
        last, before = token.end, token.kind
    if start >= 0:
        found.append(raw[start:last].decode("utf-8"))
    return tuple(found) or (text,)
