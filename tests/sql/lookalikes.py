"""Texts that differ from others in the values of literals, for tests of what looks through them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, zip_longest

from dbguard.sql import referee
from dbguard.sql.shape import BIGINT, COMMENT, INTEGER, NUMERIC, STRING, Shape

TRACE = "00-{:032x}-{:016x}-01"
_NASTY = (
    "", "x", "''", "--", "/*", "*/", "$$", "$a$", '"', ";", "\n", "\t", "E''", "U&''", "ü", "日本",
    "\u00a0", "%", "_", "1", "NULL", "clinic.patients", "ssn", "select", "'' OR ''1''=''1",
    "-- x\n", "/*+ SeqScan(t) */", "2020-01-01", "{1,2}", "0", "?", ":a", "true", " ", "''''",
    "canary",
)  # fmt: skip


def literal(mark: str, rng: random.Random) -> str:
    """Any literal of this class, as it is written."""
    if mark == INTEGER:
        return str(
            rng.choice((0, 1, 7, 99, 12345, 999_999_999, 2_147_483_647, rng.randrange(1 << 31)))
        )
    if mark == BIGINT:
        return str(rng.choice((2_147_483_649, 3_000_000_000, (1 << 63) - 1)))
    if mark == NUMERIC:
        return rng.choice(("0.0", "1.5", "99999999999999999999.5", f"{rng.randrange(1000)}.25"))
    if mark == STRING:
        return "'" + "".join(rng.choices(_NASTY, k=rng.randrange(4))) + "'"
    assert mark == COMMENT
    trace = TRACE.format(rng.randrange(1, 1 << 128), rng.randrange(1, 1 << 64))
    route = rng.choice(("/patients", "/labs", "a b"))
    return rng.choice((f"/*traceparent='{trace}'*/", f"/*route='{route}',traceparent='{trace}'*/"))


def marks(shape: Shape) -> list[str]:
    """The class of each of its literals."""
    return [c for c in shape.blank if c in (INTEGER, BIGINT, NUMERIC, STRING, COMMENT)]


def text_of(shape: Shape, literals: list[str] | None = None) -> str:
    """The text of this shape with these literals, or with its own."""
    given = shape.literals if literals is None else literals
    return "".join(chain.from_iterable(zip_longest(shape.between, given, fillvalue="")))


def other_text(shape: Shape, rng: random.Random, kept: frozenset[int] = frozenset()) -> str:
    """A text of the same shape, which keeps those of its literals."""
    wanted = enumerate(zip(marks(shape), shape.literals, strict=True))
    return text_of(shape, [old if i in kept else literal(mark, rng) for i, (mark, old) in wanted])


def places(shape: Shape) -> Iterator[tuple[int, int]]:
    """Where its literals begin and end, in bytes."""
    at = 0
    for i, between in enumerate(shape.between[:-1]):
        at += len(between.encode())
        end = at + len(shape.literals[i].encode())
        yield at, end
        at = end


_KINDS = {"ICONST": INTEGER, "SCONST": STRING}


def class_of(raw: bytes, token: referee.Token) -> str | None:
    """The class of a token that is a literal, by PostgreSQL's scanner and make_const."""
    if token.kind != "FCONST":
        return _KINDS.get(token.kind)
    written = raw[token.start : token.end].decode()
    return BIGINT if written.isdigit() and int(written) < 1 << 63 else NUMERIC
