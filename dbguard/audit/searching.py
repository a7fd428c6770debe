"""Records that fit criteria, newest first.

The index of a sealed segment says which frames are worth reading; of those, only lines that hold
the bytes of what is asked for are parsed; what is parsed is compared exactly. Each step only
leaves out what cannot fit.

An outcome is found by its own members (session, SQLSTATE, time) and, where outcomes are asked for
by kind or SQLSTATE, by those of its decision.
"""

from __future__ import annotations

import fnmatch
import heapq
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from dbguard.audit.blocks import Block, blocks
from dbguard.audit.finding import Finder
from dbguard.audit.index import SegmentIndex
from dbguard.audit.lines import Place, decoded, place_of
from dbguard.audit.reading import Selection, Stored, frames_between, store, time_of
from dbguard.audit.records import RecordKind
from dbguard.audit.terms import Term, terms_of
from dbguard.audit.trails import Chain, chains, segments

_OWN: Final = frozenset({Term.KIND, Term.SESSION, Term.SQLSTATE})
"""What an outcome can be found by itself."""
_PATTERN: Final = re.compile(r"[*?\[]")
_RUN: Final = re.compile(r"[^*?\[\]]+")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One of `values` must be among the record's terms of these kinds.

    A value may be a pattern as shells have them (`*`, `?`, `[…]`).
    """

    terms: frozenset[Term]
    values: tuple[str, ...]

    def test(self) -> Callable[[str], bool]:
        exact = frozenset(value for value in self.values if not _PATTERN.search(value))
        patterns = [
            re.compile(fnmatch.translate(value)).match
            for value in self.values
            if value not in exact
        ]
        if not patterns:
            return exact.__contains__
        return lambda value: value in exact or any(fits(value) for fits in patterns)

    def needle(self) -> bytes:
        """Bytes that the line of every record that fits holds; empty when there are none."""
        if len(self.values) != 1:
            return b""
        value = self.values[0]
        if not _PATTERN.search(value):
            quoted = orjson.dumps(value)
            term = next(iter(self.terms)) if len(self.terms) == 1 else None
            named = term in (Term.KIND, Term.DECISION, Term.SESSION, Term.SQLSTATE)
            return b'"%b":%b' % (str(term).encode(), quoted) if named else quoted
        if "[" in value:
            return b""
        return orjson.dumps(max(_RUN.findall(value), key=len, default=""))[1:-1]


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for: all of it must fit."""

    words: tuple[str, ...] = ()
    """Each stands in the redacted text, or in an event's fields; in any case of letters."""
    criteria: tuple[Criterion, ...] = ()
    period: Selection = field(default_factory=Selection)
    """Its times and `after` count."""

    @property
    def joined(self) -> bool:
        """Outcomes are asked for: they are found by their decisions as well."""
        return any(
            criterion.terms == {Term.SQLSTATE}
            or (criterion.terms == {Term.KIND} and criterion.values == (RecordKind.OUTCOME,))
            for criterion in self.criteria
        )


def of_kinds(period: Selection) -> Search:
    """The search for a selection's times and kinds."""
    kinds = tuple(kind.value for kind in period.kinds)
    if not kinds:
        return Search(period=period)
    return Search((), (Criterion(frozenset({Term.KIND}), kinds),), period)


Progress = Callable[[int], None]
"""Told the bytes of a segment's file when it is done with."""


def _unheard(_bytes: int) -> None: ...


def search(
    directory: Path, wanted: Search, *, index: bool = True, progress: Progress = _unheard
) -> Iterator[Stored]:
    """The records that fit, newest first. Raises ConfigurationError as reading does.

    Without `index`, every frame is read whatever the indexes say.
    """
    found = [
        _found(chain, _Pass(chain, wanted, index=index), progress) for chain in chains(directory)
    ]
    return heapq.merge(*found, key=time_of, reverse=True)


def count(
    directory: Path, wanted: Search, *, index: bool = True, progress: Progress = _unheard
) -> int:
    """How many records fit. Raises ConfigurationError as reading does."""
    return sum(
        sum(1 for _ in _Pass(chain, wanted, index=index).places(progress))
        for chain in chains(directory)
    )


def _found(chain: Chain, going: _Pass, progress: Progress) -> Iterator[Stored]:
    for place in going.places(progress):
        yield store(chain, place, decoded(place))


class _Pass:
    """One pass over a chain, backward."""

    def __init__(self, chain: Chain, wanted: Search, *, index: bool) -> None:
        self._chain = chain
        self._wanted = wanted
        self._frames_of = self._frames if index else None
        joined = wanted.joined
        self._own = [one for one in wanted.criteria if not joined or one.terms & _OWN]
        self._theirs = [one for one in wanted.criteria if one not in self._own]
        """Criteria that an outcome's decision has to meet."""
        own_words = () if joined else wanted.words
        self._tests = [(one.terms, one.test()) for one in self._own]
        self._tests += [(frozenset({Term.TEXT}), _holds(word)) for word in own_words]
        self._decision_tests = [(one.terms, one.test()) for one in self._theirs]
        if joined:
            self._decision_tests += [
                (frozenset({Term.TEXT}), _holds(word)) for word in wanted.words
            ]
            self._tests.append((frozenset({Term.KIND}), RecordKind.OUTCOME.value.__eq__))
        self._needles = [needle for one in self._own if (needle := one.needle())]
        self._needles.sort(key=lambda needle: (needle.startswith(b'"kind'), -len(needle)))
        self._lowered = [needle for word in own_words if (needle := _lowered(word))]
        self._finder = Finder(chain)

    def places(self, progress: Progress) -> Iterator[Place]:
        found = segments(self._chain.folder)
        for segment in reversed(found):
            for block in blocks(segment, self._frames_of, backward=True):
                torn = segment is found[-1]
                places = [
                    place
                    for position, line in self._candidates(block)
                    if line.endswith(b"\n") or not torn
                    if self._fits(place := place_of(block, position, line), block)
                ]
                yield from reversed(places)
            progress(segment.size)

    def _frames(self, index: SegmentIndex) -> int:
        bits = frames_between(index, self._wanted.period)
        for terms, test in self._tests:
            if not bits:
                break
            found = 0
            for term in terms:
                found |= index.where(term, test)
            bits &= found
        return bits

    def _candidates(self, block: Block) -> Iterator[tuple[int, bytes]]:
        """The block's lines that hold all needles, with their positions."""
        data = block.data
        searched = data.lower() if self._lowered else data
        driver = self._lowered[0] if self._lowered else self._needles[0] if self._needles else b""
        position = 0
        while position < len(data):
            hit = searched.find(driver, position) if driver else position
            if hit < 0:
                return
            begin = data.rfind(b"\n", 0, hit) + 1
            end = data.find(b"\n", hit) + 1 or len(data)
            line = data[begin:end]
            if all(needle in line for needle in self._needles) and (
                len(self._lowered) < 2 or all(one in searched[begin:end] for one in self._lowered)
            ):
                yield begin, line
            position = end

    def _fits(self, place: Place, block: Block) -> bool:
        period = self._wanted.period
        if (
            place.sequence <= period.after
            or (period.since is not None and place.time < period.since)
            or (period.until is not None and place.time >= period.until)
            or not _meets(place.members, self._tests)
        ):
            return False
        if not self._decision_tests:
            return True
        number = place.members.get("decision")
        if not isinstance(number, int):
            return False
        members = self._finder.members(number, block)
        return members is not None and _meets(members, self._decision_tests)


_Test = tuple[frozenset[Term], Callable[[str], bool]]


def _meets(members: Mapping[str, object], tests: list[_Test]) -> bool:
    if not tests:
        return True
    terms = list(terms_of(members))
    return all(any(term in kinds and test(value) for term, value in terms) for kinds, test in tests)


def _holds(word: str) -> Callable[[str], bool]:
    return partial(_within, word.lower())


def _within(word: str, text: str) -> bool:
    return word in text.lower()


def _lowered(word: str) -> bytes:
    """The word as it stands in a line in lower case; empty where that is not so simple."""
    return orjson.dumps(word.lower())[1:-1].lower() if word.isascii() else b""
