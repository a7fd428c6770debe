"""Other spellings of a query that sqlglot rejects.

A spelling is used only if the referee makes the same tree of it as of the client's text, so it
means the same to PostgreSQL; it serves the comparison only and is never sent anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import postgast
from postgast.errors import PgQueryError

from dbguard.errors import StatementError

from . import referee
from .innerquery import Query, without_locations


def analysis_texts(query: Query, raw: bytes) -> Iterator[str]:
    """Spellings of `query` to try, the closest to the client's first."""
    text = raw[query.start : query.end].decode("utf-8")
    wanted = without_locations(query.node)
    tried = {text}
    for other in _spellings(text):
        if other not in tried and _means(other, query.tag, wanted):
            yield other
        tried.add(other)


def _spellings(text: str) -> Iterator[str]:
    yield _spelled_operators(text)
    try:
        deparsed = postgast.deparse(postgast.parse(text))
    except (PgQueryError, ValueError):
        return
    yield deparsed
    yield _spelled_operators(deparsed)


def _means(text: str, tag: str, wanted: object) -> bool:
    try:
        parsed = referee.parse(text)
    except StatementError:
        return False
    return len(parsed) == 1 and parsed[0].tag == tag and without_locations(parsed[0].node) == wanted


_KNOWN_OPERATORS = frozenset("|| -> ->> #> #>> @> <@ && & | # ~ << >> ~* !~ !~* ? @@".split())  # noqa: SIM905


def _spelled_operators(text: str) -> str:
    """`a <-> b` as `a OPERATOR(<->) b`."""
    raw = text.encode("utf-8")
    out: list[bytes] = []
    last = 0
    before = ""
    for token in referee.scan(text):
        if token.is_comment:
            continue
        source = raw[token.start : token.end].decode("utf-8")
        if token.kind == "Op" and source not in _KNOWN_OPERATORS and before != "OPERATOR(":
            out += [raw[last : token.start], f" OPERATOR({source}) ".encode()]
            last = token.end
        before = "OPERATOR(" if before == "OPERATOR" and source == "(" else source.upper()
    out.append(raw[last:])
    return b"".join(out).decode("utf-8")
