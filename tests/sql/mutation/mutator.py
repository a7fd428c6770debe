"""Texts made from valid statements: close enough to valid that both parsers have to think.

Works on the referee's tokens. *Operands* are token ranges of whole primary expressions, found by
the places of expression nodes in the referee's tree, so that what is put in their place is mostly
valid as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbguard.errors import StatementError
from dbguard.sql import referee

GAPS = (
    " ",
    "\n",
    "\t",
    "  ",
    "\f",
    "/**/",
    "/* ssn, */",
    " -- FROM x\n",
    "/* /* ' */ \" */",
    "\r\n",
)


def _lines(name: str) -> tuple[str, ...]:
    text = (Path(__file__).parent / f"{name}.txt").read_text("utf-8")
    return tuple(text.splitlines())


KEYWORDS = _lines("keywords")

OPERATORS = _lines("operators")

WRAPS = _lines("wraps")
RELATIONS = _lines("relations")

FRAMES = _lines("frames")

LONG = "patients_" * 9
_EXPRESSION_NODES = """
    ColumnRef FuncCall A_Const SubLink CaseExpr TypeCast A_ArrayExpr RowExpr ParamRef
    CoalesceExpr SQLValueFunction A_Indirection
"""
_EXPRESSIONS = frozenset(_EXPRESSION_NODES.split())
_PAIRS = {"ASCII_40": "ASCII_41", "ASCII_91": "ASCII_93", "CASE": "END_P"}
_LITERALS = ("SCONST", "USCONST")


@dataclass(frozen=True, slots=True)
class Word:
    """A token: what stands there, and what the referee calls it."""

    kind: str
    text: str


@dataclass
class Source:
    """A statement in tokens, with the ranges of its primary expressions."""

    words: list[Word]
    operands: list[tuple[int, int]] = field(default_factory=list)


def words_of(text: str) -> list[Word]:
    raw = text.encode()
    return [
        Word(t.kind, raw[t.start : t.end].decode()) for t in referee.scan(text) if not t.is_comment
    ]


def source_of(text: str) -> Source | None:
    """`text` in tokens; None when the referee cannot read it."""
    try:
        tokens = [t for t in referee.scan(text) if not t.is_comment]
        statements = referee.parse(text)
    except StatementError:
        return None
    raw = text.encode()
    source = Source([Word(t.kind, raw[t.start : t.end].decode()) for t in tokens])
    places = {t.start: i for i, t in enumerate(tokens)}
    starts = {places[p] for s in statements for p in _places(s.node) if p in places}
    source.operands = [(start, end_of_operand(source.words, start)) for start in sorted(starts)]
    return source


def _places(node: Any) -> Iterator[int]:
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            for key, inner in item.items():
                if key in _EXPRESSIONS:
                    yield inner.get("location", 0)
                pending.append(inner)
        elif isinstance(item, list):
            pending.extend(item)


def end_of_operand(words: Sequence[Word], start: int) -> int:
    """Index behind the primary expression that begins at `start`."""
    at = _closed(words, start)
    while at < len(words):
        kind = words[at].kind
        if kind in ("ASCII_46", "TYPECAST"):
            at = _closed(words, at + 1) if at + 1 < len(words) else at + 1
        elif kind in ("ASCII_40", "ASCII_91"):
            at = _closed(words, at)
        else:
            break
    return min(at, len(words))


def _closed(words: Sequence[Word], at: int) -> int:
    """Index behind the token at `at`, or behind the bracket it opens."""
    if at >= len(words) or words[at].kind not in _PAIRS:
        return at + 1
    opening, depth = words[at].kind, 0
    for index in range(at, len(words)):
        depth += (words[index].kind == opening) - (words[index].kind == _PAIRS[opening])
        if depth == 0:
            return index + 1
    return len(words)


class Mutator:
    """Makes mutants of `texts`, with `names` as names of the world's columns and relations."""

    def __init__(self, rng: random.Random, texts: Sequence[str], names: Sequence[str]) -> None:
        self._rng = rng
        self._texts = [t for t in texts if source_of(t) is not None]
        self._names = names
        self._classes: dict[str, list[str]] = {}
        for text in self._texts:
            for word in words_of(text):
                self._classes.setdefault(word.kind, []).append(word.text)
        self._classes["IDENT"] = [*self._classes.get("IDENT", ()), *names]

    def mutant(self) -> str:
        rng = self._rng
        text = rng.choice(self._texts)
        if rng.random() < 0.2:
            text = self._framed(text)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
            source = source_of(text)
            if source is None or not source.words:
                return text
            change = rng.choices(self._CHANGES, self._WEIGHTS)[0]
            words = change(self, source)
            text = self._joined(words)
            if rng.random() < 0.1:
                text = self._framed(text)
        return text

    def _framed(self, text: str) -> str:
        frame = self._rng.choice(FRAMES)
        other = self._rng.choice(self._texts) if self._rng.random() < 0.5 else text
        inner = text.rstrip().rstrip(";")
        return frame.replace("{}", inner, 1).replace("{}", other.rstrip().rstrip(";"))

    def _joined(self, words: Sequence[str]) -> str:
        """Words with gaps between: seldom other ones than blanks."""
        rng = self._rng
        if rng.random() < 0.85:
            return " ".join(words)
        out = []
        for word in words:
            out += [word, rng.choice(GAPS) if rng.random() < 0.2 else " "]
        return "".join(out)

    # ---- changes: source to words

    def _delete(self, source: Source) -> list[str]:
        words = [w.text for w in source.words]
        del words[self._rng.randrange(len(words))]
        return words

    def _duplicate(self, source: Source) -> list[str]:
        words = [w.text for w in source.words]
        at = self._rng.randrange(len(words))
        behind = min(len(words), at + self._rng.choice((1, 1, 2, 3)))
        return words[:behind] + words[at:behind] + words[behind:]

    def _swap(self, source: Source) -> list[str]:
        words = [w.text for w in source.words]
        one = self._rng.randrange(len(words))
        two = min(one + 1, len(words) - 1) if self._rng.random() < 0.6 else self._any(words)
        words[one], words[two] = words[two], words[one]
        return words

    def _any(self, words: Sequence[object]) -> int:
        return self._rng.randrange(len(words))

    def _replace(self, source: Source) -> list[str]:
        words = [w.text for w in source.words]
        at = self._any(words)
        words[at] = self._rng.choice(self._classes.get(source.words[at].kind, [words[at]]))
        return words

    def _rename(self, source: Source) -> list[str]:
        """A name becomes another name of the world."""
        words = [w.text for w in source.words]
        named = [i for i, w in enumerate(source.words) if w.kind == "IDENT"]
        if named:
            words[self._rng.choice(named)] = self._rng.choice(self._names)
        return words

    def _insert(self, source: Source) -> list[str]:
        words = [w.text for w in source.words]
        pool = self._rng.choice((KEYWORDS, OPERATORS, ["(", ")", "[", "]", "*", "1", "''", "NULL"]))
        words.insert(self._any(words), self._rng.choice(pool))
        return words

    def _spell(self, source: Source) -> list[str]:
        """The same names and literals, written in other ways (and now and then others)."""
        return [self._respelled(w) if self._rng.random() < 0.3 else w.text for w in source.words]

    def _respelled(self, word: Word) -> str:
        rng, text = self._rng, word.text
        if word.kind in _LITERALS and text.startswith("'") and "\\" not in text:
            inner = text[1:-1]
            plain = inner.replace("''", "'")
            ways = [
                f"E'{inner}'",
                f"U&'{inner}'",
                f"N'{inner}'",
                f"$q${plain}$q$",
                f"$${plain}$$",
                f"U&'{inner}' UESCAPE '!'",
                f"'{inner}'\n'{inner}'",
                f"E'\\'{inner}'",
            ]
            return rng.choice(ways)
        if word.kind == "ICONST":
            return rng.choice(
                (f"{text}.0", f"0x{text}", f"{text}e0", f"+{text}", f"{text}_0", "$1")
            )
        if word.kind == "IDENT" and not text.startswith('"'):
            name = text.lower()
            escaped = f"\\{ord(name[0]):04x}{name[1:]}"
            strange = name[0] + "\u0131" + name[1:]
            return rng.choice(
                (text.upper(), text.title(), f'"{name}"', f'"{text.upper()}"', f'U&"{escaped}"',
                 f'U&"{escaped.replace(chr(92), "!")}" UESCAPE \'!\'', strange,
                 f'"{name} "', LONG + name,
                 f'"{LONG}{name}"', f'"{name}."', f'"a""{name}"', name + "\u00a0")
            )  # fmt: skip
        if text.isalpha():
            return rng.choice((text.lower(), text.upper(), text.title(), f'"{text.lower()}"'))
        return text

    def _wrap(self, source: Source) -> list[str]:
        return self._over_operand(source, lambda operand: self._rng.choice(WRAPS))

    def _splice(self, source: Source) -> list[str]:
        """An expression of another statement in place of one of this."""
        other = source_of(self._rng.choice(self._texts))
        if other is None or not other.operands:
            return [w.text for w in source.words]
        first, behind = self._rng.choice(other.operands)
        spliced = " ".join(w.text for w in other.words[first:behind])
        how = self._rng.choice(
            ("{0}", "({0})", "(SELECT {0})", "{1} = {0}", "{0}, {1}", "({1}, {0})")
        )
        return self._over_operand(source, lambda operand: how.format(spliced, operand))

    def _subquery(self, source: Source) -> list[str]:
        inner = self._rng.choice(self._texts).rstrip().rstrip(";")
        ways = (f"({inner})", f"EXISTS ({inner})", f"ARRAY({inner})", f"{{}} IN ({inner})",
                f"(SELECT x::text FROM ({inner}) x LIMIT 1)")  # fmt: skip
        return self._over_operand(source, lambda operand: self._rng.choice(ways))

    def _function_of(self, source: Source) -> list[str]:
        """`p.ssn` as `ssn(p)`, `(p).ssn`, `p.*`, `p`; `f(x)` as `x.f`, `(x).f`."""

        def change(operand: str) -> str:
            table, dot, column = operand.rpartition(" . ")
            if dot:
                ways = [f"{column} ({table})", f"({table}).{column}", f"{table}.*", table,
                        f"({table}.*).{column}", f"{column}", f"clinic.{table}.{column}",
                        f"({table}).*", f'"{column}"({table})']  # fmt: skip
                return self._rng.choice(ways)
            name, paren, rest = operand.partition(" ( ")
            if paren and name.isidentifier():
                inner = rest.rpartition(" )")[0]
                return self._rng.choice((f"({inner}).{name}", f"pg_catalog.{name}({inner})",
                                         f'"{name}"({inner})', f"{name}(VARIADIC {inner})",
                                         f"{name}(DISTINCT {inner})",
                                         f"{name}(a => {inner})"))  # fmt: skip
            return f"({operand}).*"

        return self._over_operand(source, change)

    def _operator(self, source: Source) -> list[str]:
        words = [w.text for w in source.words]
        found = [i for i, w in enumerate(words) if w in OPERATORS and w not in (".", ",", ";", "*")]
        if not found:
            return self._insert(source)
        at = self._rng.choice(found)
        words[at] = self._rng.choice(
            (
                f"OPERATOR(pg_catalog.{words[at]})",
                self._rng.choice(OPERATORS),
                "OPERATOR(pg_catalog.=)",
            )
        )
        return words

    def _relation(self, source: Source) -> list[str]:
        """What stands behind FROM or JOIN, in another form."""
        words = [w.text for w in source.words]
        places = [
            i + 1
            for i, w in enumerate(source.words[:-1])
            if w.kind in ("FROM", "JOIN", "USING", "INTO") and source.words[i + 1].kind == "IDENT"
        ]
        if not places:
            return self._rename(source)
        at = self._rng.choice(places)
        behind = at + 1
        while behind + 1 < len(words) and words[behind] == ".":
            behind += 2
        name = " ".join(words[at:behind])
        made = self._rng.choice(RELATIONS)
        return [*words[:at], made.replace("{}", name), *words[behind:]]

    def _over_operand(self, source: Source, change: Callable[[str], str]) -> list[str]:
        words = [w.text for w in source.words]
        if not source.operands:
            return words
        first, behind = self._rng.choice(source.operands)
        operand = " ".join(words[first:behind])
        made = change(operand).replace("{}", operand)
        return [*words[:first], made, *words[behind:]]

    _CHANGES = (_delete, _duplicate, _swap, _replace, _rename, _insert, _spell, _wrap, _splice,
                _subquery, _function_of, _operator, _relation)  # fmt: skip
    _WEIGHTS = (2, 2, 2, 3, 5, 4, 5, 10, 8, 4, 6, 3, 5)
