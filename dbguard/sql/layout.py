"""Where names, aliases and clauses begin and end among a text's tokens.

Everything is asked for by the position of a token that analysis knows; a layout that
PostgreSQL's grammar does not allow there raises NotUnderstood rather than being guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbguard.errors import NotUnderstood

from . import referee
from .sites import RelationSite

_CONSTANTS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST"})
_OPEN, _CLOSE, _STAR, _DOT = "ASCII_40", "ASCII_41", "ASCII_42", "ASCII_46"


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of tokens: index of the first, and of the one behind the last."""

    first: int
    behind: int


class Layout:
    """The tokens of one text, without its comments."""

    def __init__(self, text: str) -> None:
        self.raw = text.encode("utf-8")
        self._tokens = [t for t in referee.scan(text) if not t.is_comment]
        self._index = {t.start: i for i, t in enumerate(self._tokens)}

    def unexpected(self, offset: int) -> NotUnderstood:
        return NotUnderstood(
            "dbguard cannot tell where a name in this statement begins and ends",
            hint="Write the relation as schema.name, with nothing unusual around it.",
            position=referee.character_position(self.raw, offset),
        )

    def at(self, offset: int) -> int:
        """Index of the token that starts at `offset`."""
        index = self._index.get(offset)
        if index is None:
            raise self.unexpected(offset)
        return index

    def kind(self, index: int) -> str:
        """Kind of the token with this index; empty beyond either end of the text."""
        return self._tokens[index].kind if 0 <= index < len(self._tokens) else ""

    def start(self, index: int) -> int:
        return self._tokens[index].start

    def holds(self, kind: str, first: int, end: int) -> bool:
        """Whether a token of this kind stands between token `first` and byte offset `end`."""
        return any(t.kind == kind for t in self._tokens[first:] if t.end <= end)

    def end(self, extent: Extent) -> int:
        """Byte offset behind the extent's last token."""
        return self._tokens[extent.behind - 1].end

    def span(self, extent: Extent) -> str:
        """The text of an extent, comments inside it included."""
        return self.raw[self.start(extent.first) : self.end(extent)].decode("utf-8")

    def parts(self, first: int) -> list[Extent]:
        """The parts of the dotted name that starts with token `first`; a star may be the last."""
        found = [self._part(first)]
        while self.kind(found[-1].behind) == _DOT:
            behind = found[-1].behind + 1
            if self.kind(behind) == _STAR:
                return [*found, Extent(behind, behind + 1)]
            found.append(self._part(behind))
        return found

    def _part(self, index: int) -> Extent:
        if not self._is_word(index):
            raise self._unexpected_at(index)
        if self.kind(index) != "UIDENT" or self.kind(index + 1) != "UESCAPE":
            return Extent(index, index + 1)
        if self.kind(index + 2) != "SCONST":
            raise self._unexpected_at(index)
        return Extent(index, index + 3)

    def _is_word(self, index: int) -> bool:
        if not self.kind(index) or self.kind(index) in _CONSTANTS:
            return False
        first = self.raw[self._tokens[index].start : self._tokens[index].start + 1]
        return first.isalpha() or first in (b"_", b'"') or first >= b"\x80"

    def _unexpected_at(self, index: int) -> NotUnderstood:
        offset = self.start(index) if self.kind(index) else len(self.raw)
        return self.unexpected(offset)

    def name(self, site: RelationSite) -> Extent:
        """The relation's name alone, as far as it is qualified."""
        parts = self.parts(self.at(site.start))
        if (len(parts) > 1) != site.qualified or len(parts) > 3:
            raise self.unexpected(site.start)
        if self.kind(parts[-1].first) == _STAR:
            raise self.unexpected(site.start)
        return Extent(parts[0].first, parts[-1].behind)

    def relation(self, site: RelationSite) -> Extent:
        """The name with what says whether descendants belong to it: ONLY x, ONLY (x), x *."""
        name = self.name(site)
        before = self.kind(name.first - 1)
        if site.inherits:
            if before == "ONLY" or (before == _OPEN and self.kind(name.first - 2) == "ONLY"):
                raise self.unexpected(site.start)
            star = self.kind(name.behind) == _STAR
            return Extent(name.first, name.behind + star)
        if before == "ONLY":
            return Extent(name.first - 1, name.behind)
        in_parentheses = before == _OPEN and self.kind(name.behind) == _CLOSE
        if in_parentheses and self.kind(name.first - 2) == "ONLY":
            return Extent(name.first - 2, name.behind + 1)
        raise self.unexpected(site.start)

    def alias(self, site: RelationSite, after: int) -> Extent:
        """`[AS] p [(a, b)]` from token `after` on; empty when the site has no alias."""
        if site.alias is None:
            if self.kind(after) == "AS":
                raise self.unexpected(site.start)
            return Extent(after, after)
        name = self._part(after + 1 if self.kind(after) == "AS" else after)
        if site.has_column_aliases:
            return Extent(after, self.parentheses(name.behind).behind)
        return Extent(after, name.behind)

    def sample(self, after: int) -> Extent:
        """`TABLESAMPLE method (…) [REPEATABLE (…)]`, starting with token `after`."""
        if self.kind(after) != "TABLESAMPLE":
            raise self._unexpected_at(after)
        behind = self.parentheses(self.parts(after + 1)[-1].behind).behind
        if self.kind(behind) == "REPEATABLE":
            behind = self.parentheses(behind + 1).behind
        return Extent(after, behind)

    def parentheses(self, first: int) -> Extent:
        """From the opening parenthesis at token `first` to its closing one."""
        if self.kind(first) != _OPEN:
            raise self._unexpected_at(first)
        depth = 0
        for index in range(first, len(self._tokens)):
            depth += {_OPEN: 1, _CLOSE: -1}.get(self.kind(index), 0)
            if depth == 0:
                return Extent(first, index + 1)
        raise self._unexpected_at(first)
