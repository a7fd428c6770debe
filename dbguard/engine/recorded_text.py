"""What records say of a statement's text: redacted form, fingerprint, where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dbguard.errors import DbguardError
from dbguard.policy.model import Policy
from dbguard.sql import referee
from dbguard.sql.attribution import NONE, Attribution, attributions
from dbguard.sql.facts import StatementFacts
from dbguard.sql.fingerprint import fingerprint
from dbguard.sql.limits import Limits
from dbguard.sql.precheck import check_text
from dbguard.sql.recordable import HIDDEN_NAME, is_plain
from dbguard.sql.redact import UNREADABLE, redaction
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import Snapshot

Known = Callable[[str], bool]
Recorded = tuple["RecordedText", ...]


@dataclass(frozen=True, slots=True)
class RecordedText:
    """Of one statement."""

    redacted: str
    fingerprint: str
    hidden: tuple[str, ...] = ()
    """Names that were taken out, and are to be taken out of what else is said of it as well."""
    attribution: Attribution = NONE
    original: str = field(default="", repr=False)
    """As the client sent it; empty where nobody is to read it."""


UNREADABLE_TEXT = RecordedText(UNREADABLE, fingerprint(UNREADABLE))


def recorded_texts(
    text: str, readings: Sequence[Reading], known: Known
) -> tuple[RecordedText, ...]:
    """Of the statements of a text that analysis has read."""
    raw, tokens = text.encode("utf-8"), referee.scan(text)
    said = attributions(raw, tokens, [reading.end for reading in readings])
    return tuple(
        _recorded(
            raw, referee.tokens_within(tokens, reading.start, reading.end), known, attribution
        )
        for reading, attribution in zip(readings, said, strict=True)
    )


def recorded_whole(
    text: str, limits: Limits, known: Known, *, mistaken: bool = False
) -> RecordedText:
    """Of a text that analysis has not read, as one.

    In a `mistaken` one, which is not SQL or names what is not there, any word may be a value: a
    literal without its quotes, or prose.
    """
    try:
        tokens = check_text(text, limits)
    except DbguardError:
        return UNREADABLE_TEXT
    raw = text.encode("utf-8")
    (attribution,) = attributions(raw, tokens, [len(raw)])
    return _recorded(raw, tokens, known, attribution, mistaken=mistaken)


def with_original(texts: Sequence[RecordedText], text: str, starts: Sequence[int]) -> Recorded:
    """These with what the client sent. `starts` are the byte offsets of the statements; a comment
    goes with the statement in front of it."""
    if len(texts) == 1:
        return (replace(texts[0], original=text),)
    raw = text.encode("utf-8")
    ends = [*starts[1:], len(raw)]
    return tuple(
        replace(one, original=raw[start:end].decode("utf-8"))
        for one, start, end in zip(texts, [0, *starts[1:]], ends, strict=True)
    )


def mentioned(recorded: RecordedText, *said: Iterable[str | None]) -> RecordedText:
    """With those hidden names only that occur in what is `said`: there may be thousands, and
    records are made again and again."""
    if not recorded.hidden:
        return recorded
    text = "\n".join(part for parts in said for part in parts if part)
    return replace(recorded, hidden=tuple(name for name in recorded.hidden if name in text))


def with_reached(recorded: RecordedText, facts: StatementFacts, known: Known) -> RecordedText:
    """With the odd names of what a statement reaches without saying them: `*` of a temporary table
    shows columns that its maker called what he liked."""
    names = {part for r in facts.relations for part in (r.schema, r.name)}
    names.update(
        part for c in facts.columns for part in (c.column.schema, c.column.table, c.column.column)
    )
    odd = sorted(name for name in names if not is_plain(name, bare=False) and not known(name))
    return replace(recorded, hidden=(*recorded.hidden, *odd)) if odd else recorded


def recorded_call(name: str, *, known: bool) -> RecordedText:
    """Of the protocol's FunctionCall. A number that is no function's can be anybody's."""
    shown = f"<function call> {name if known else HIDDEN_NAME}"
    return RecordedText(shown, fingerprint(shown), () if known else (name,))


def _recorded(
    raw: bytes,
    tokens: Sequence[referee.Token],
    known: Known,
    attribution: Attribution,
    *,
    mistaken: bool = False,
) -> RecordedText:
    found = redaction(raw, tokens, known, known_only=mistaken)
    return RecordedText(found.text, fingerprint(found.text), found.hidden, attribution)


def names_of(snapshot: Snapshot, policy: Policy) -> frozenset[str]:
    """The names that the deployment has given: they may be recorded whatever they look like.

    Those of temporary relations are some session's own.
    """
    found = {snapshot.database, *snapshot.schemas, *(role.name for role in snapshot.roles)}
    for relation in snapshot.relations:
        if not relation.temporary:
            found.add(relation.name)
            found.update(column.name for column in relation.columns)
    found.update(function.name for function in snapshot.functions)
    found.update(kind.name for kind in snapshot.types)
    for role in policy.roles:
        found |= role.users | role.groups
    return frozenset(found)
