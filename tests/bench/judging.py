"""One statement's analysis, judged."""

from __future__ import annotations

import enum
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from dbguard.errors import LimitExceeded, NotUnderstood, StatementError, UndefinedName
from dbguard.sql import referee
from dbguard.sql.analysis import analyze
from dbguard.sql.crosscheck import Outcome, compare
from dbguard.sql.facts import EffectKind, FunctionTrust
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.precheck import check_text
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import SessionView, Snapshot

HANG = 5.0
"""Seconds."""


_CHANGES = frozenset(
    (
        *(EffectKind.CATALOG, EffectKind.TEMPORARY, EffectKind.PATH, EffectKind.COMMIT),
        *(EffectKind.ROLLBACK, EffectKind.ROLLBACK_TO, EffectKind.DISCARD, EffectKind.EXECUTE),
    )
)


class Verdict(enum.StrEnum):
    UNDERSTOOD = "understood"
    REFUSED = "refused"
    DISAGREEMENT = "disagreement"
    """The two parsers see different names."""
    UNREAD = "one parser only"
    UNDEFINED = "undefined"
    """We say that a name does not exist."""
    CRASH = "crash"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str = ""
    opaque: str = ""
    """What analysis cannot see through, of a statement that it understands."""
    readings: tuple[Reading, ...] = ()
    seconds: float = 0.0

    @property
    def may_change_names(self) -> bool:
        """Whether names may mean something else after the statement, as the facts tell it."""
        facts = [r.facts for r in self.readings]
        effects = {e.kind for f in facts for e in f.effects}
        hidden = any(f.runs_hidden_code for f in facts)
        return not facts or hidden or bool(self.opaque) or not effects.isdisjoint(_CHANGES)


class _TimeUp(Exception):
    pass


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise _TimeUp

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(text: str, snapshot: Snapshot, view: SessionView) -> Judgement:
    """Analyse `text`; never raises."""
    began = time.perf_counter()
    try:
        with _at_most(2 * HANG):
            found = _judge(text, snapshot, view)
    except _TimeUp:
        return Judgement(Verdict.HANG, f"more than {2 * HANG} s")
    except Exception:  # noqa: BLE001 - this is what is looked for
        return Judgement(Verdict.CRASH, traceback.format_exc().strip().replace("\n", "\n--   "))
    seconds = time.perf_counter() - began
    if seconds > HANG:
        return Judgement(Verdict.HANG, f"{seconds:.1f} s")
    return Judgement(found.verdict, found.reason, found.opaque, found.readings, seconds)


def _judge(text: str, snapshot: Snapshot, view: SessionView) -> Judgement:
    try:
        readings = analyze(text, snapshot, view, DEFAULT_LIMITS)
    except UndefinedName as error:
        return Judgement(Verdict.UNDEFINED, f"{error.code} {error.message}")
    except (NotUnderstood, LimitExceeded, StatementError) as error:
        return Judgement(Verdict.REFUSED, f"{type(error).__name__}: {error.message}")
    facts = tuple(r.facts for r in readings)
    constructs = [o.construct for f in facts for o in f.opaque]
    if constructs:
        checks = compare(text, referee.parse(text), check_text(text, DEFAULT_LIMITS))
        for check in checks:
            if not check.understood:
                verdicts = {Outcome.UNREAD: Verdict.UNREAD, Outcome.DISAGREES: Verdict.DISAGREEMENT}
                return Judgement(verdicts[check.outcome], check.construct)
    unseen = [
        f"{u.trust} function {u.schema}.{u.name}"
        for f in facts
        for u in f.functions
        if u.trust in (FunctionTrust.UNKNOWN, FunctionTrust.REACHES)
    ]
    for construct in constructs:
        if construct.startswith(("the statement ", "the construct ")):
            return Judgement(Verdict.REFUSED, construct)
        if "unusual place" in construct or "server does not have" in construct:
            return Judgement(Verdict.REFUSED, construct)
    return Judgement(Verdict.UNDERSTOOD, "", "; ".join([*constructs, *unseen]), readings)
