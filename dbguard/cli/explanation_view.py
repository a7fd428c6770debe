"""`dbguard explain` for people: what a statement is, what was decided and why, as rich tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbguard.cli.explanation_document import Places
from dbguard.engine.explaining import ExplainedStatement, Explanation, Piece
from dbguard.engine.plan import PlanRequest, Refusal
from dbguard.engine.planning import World
from dbguard.guards.backup.requirement import describe
from dbguard.policy.cases import Expectation, outcome_of
from dbguard.policy.decision import (
    BackupRequirement,
    Effect,
    ErrorTexts,
    MaskedColumn,
    OnMissing,
    Verification,
)
from dbguard.policy.explaining import Bearing, RuleNote
from dbguard.policy.model import RuleEffect
from dbguard.policy.sizes import describe_size
from dbguard.report.terminal import plain
from dbguard.sql.destruction import Destruction, Reach
from dbguard.sql.facts import EffectKind, FunctionTrust

_SAYS = {
    Expectation.ALLOW: ("runs as it is", "bold green"),
    Expectation.MASKED: ("runs on masked data", "bold yellow"),
    Expectation.BACKUP: ("runs once a proven backup is there", "bold yellow"),
    Expectation.DENY: ("is refused by the policy", "bold red"),
    Expectation.REFUSED: ("is refused: it cannot be run safely by anybody like this", "bold red"),
}
_BEARINGS = {
    Bearing.GRANTS: "green",
    Bearing.REFUSES: "red",
    Bearing.REQUIRES: "yellow",
    Bearing.MATCHES: "",
    Bearing.CLOSE: "dim",
}
_UNSEEN = frozenset({FunctionTrust.UNKNOWN, FunctionTrust.REACHES})
_NAMED_LATER = frozenset({EffectKind.EXECUTE, EffectKind.FETCH})


def view(
    world: World, request: PlanRequest, explanation: Explanation, places: Places
) -> RenderableType:
    """One text, explained."""
    parts: list[RenderableType] = [_who(world, request, explanation)]
    several = len(explanation.statements) > 1
    for number, statement in enumerate(explanation.statements, 1):
        if several:
            count = f"Statement {number} of {len(explanation.statements)}"
            parts.append(Text(count, style="bold underline"))
        parts += _statement(statement, places, explanation.plan.refusal)
    refusal = explanation.plan.refusal
    if refusal is not None and (refusal.rule == "analysis" or several):
        parts.append(_refusal(refusal, several=several))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def _grid(rows: Iterator[tuple[str, RenderableType]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _who(world: World, request: PlanRequest, explanation: Explanation) -> RenderableType:
    principal = request.principal

    def rows() -> Iterator[tuple[str, RenderableType]]:
        roles = sorted(world.bound.standing(principal, request.environment).roles)
        groups = sorted(principal.groups - {principal.user})
        who = principal.user + (f", member of {', '.join(groups)}" if groups else "")
        if (identity := principal.identity) is not None:
            attributes = sorted(f"{name}={value}" for name, value in identity.attributes)
            known = f" ({', '.join(attributes)})" if attributes else ""
            who = f"{identity.name}{known}, as {who}"
        yield "who", Text(plain(who))
        yield "policy roles", Text(", ".join(roles) or "none: only rules for everybody apply")
        yield "where", Text(plain(f"{world.snapshot.database}, {request.environment}"))
        yield "names from", Text(plain(", ".join(request.view.search_path)))
        if explanation.plan.raw_access:
            yield "raw access", Text("to everything, so nothing is masked or withheld")

    return _grid(rows())


def _statement(
    statement: ExplainedStatement, places: Places, refusal: Refusal | None
) -> Iterator[RenderableType]:
    decision = statement.planned.decision
    outcome = outcome_of(decision)
    words, style = _SAYS[outcome]
    if refusal is not None and outcome is not Expectation.DENY:
        words, style = "could run by its rules, and is refused as told below", "bold red"
    yield Group(Text(_shown(statement.text)), Text(f"→ {words}", style=style))
    for reason in decision.reasons:
        yield _grid(
            iter(
                [
                    ("why", Text(reason.message, style="red")),
                    ("rule", Text(_placed(reason.rule, places))),
                    ("do", Text(reason.hint)),
                ]
            )
        )
    yield _grid(_facts(statement))
    if statement.planned.columns:
        yield _columns(statement)
    if any(note.bearing is not Bearing.FAR for note in statement.rules):
        yield _rules(statement.rules, places)
    if refusal is None:
        yield from _sent(statement)


def _facts(statement: ExplainedStatement) -> Iterator[tuple[str, RenderableType]]:
    facts, decision = statement.facts, statement.planned.decision
    wrapper = f" in {facts.wrapper.value}" if facts.wrapper else ""
    nested = f", and {', '.join(sorted(facts.nested))}" if facts.nested else ""
    yield "action", Text(f"{facts.action} ({facts.action.action_class}){wrapper}{nested}")
    if facts.relations:
        names = dict.fromkeys(f"{r.schema}.{r.name} ({r.action})" for r in facts.relations)
        yield "tables", Text(", ".join(names))
    unseen = [f for f in facts.functions if f.trust in _UNSEEN]
    if unseen:
        names = dict.fromkeys(f"{f.schema}.{f.name}".lstrip(".") for f in unseen)
        yield "unseen code", Text(", ".join(names))
    for opaque in dict.fromkeys(o.construct for o in facts.opaque):
        yield "not read", Text(opaque)
    if decision.effect is Effect.ALLOW and not decision.rules:
        yield "allowed by", Text("defaults: nothing in it needs a grant")
    if any(
        n.effect is RuleEffect.REQUIRE and n.bearing is not Bearing.FAR for n in statement.rules
    ):
        yield "destroys", Text(plain(destroyed_words(statement.destroys)))
    for need in decision.requirements:
        yield "requires", Text(plain(_required(need)))
    for notice in decision.notices:
        yield "notice", Text(notice)
    if decision.error_texts is ErrorTexts.WITHHOLD:
        yield "errors", Text("texts of server errors are withheld; SQLSTATE and names are shown")
    if any(effect.kind in _NAMED_LATER for effect in facts.effects):
        yield "mind", Text("what it names was decided when it was made, and is decided again")


_REACHES = {
    Reach.NAMED: "",
    Reach.OWNED: ", with what belongs to it",
    Reach.DEPENDANTS: ", with what belongs to it or depends on it (CASCADE)",
    Reach.DATABASE: "anything in this database",
    Reach.CLUSTER: "what no backup of one database holds",
    Reach.ELSEWHERE: "what is on another server",
}


def destroyed_words(destroyed: Destruction) -> str:
    """What goes, as far as the text tells: the server's own dependencies are followed when it is
    run."""
    if destroyed.additive:
        return "nothing: it only adds"
    reason = f" ({destroyed.reason})" if destroyed.reason else ""
    if destroyed.database:
        return f"all of database {destroyed.database}{reason}"
    reach = _REACHES[destroyed.reach]
    if destroyed.everything:
        return f"{reach}{reason}"
    return f"{', '.join(destroyed.names)}{reach}{reason}"


_PROOFS = {
    Verification.EXISTS: "a backup",
    Verification.CHECKSUM: "a backup with a good checksum",
    Verification.TOOL: "a backup checked by its tool",
    Verification.RESTORED: "a proven backup",
}


def _required(need: BackupRequirement) -> str:
    age = describe(timedelta(seconds=need.max_age_seconds))
    whose = f" of {' or '.join(need.providers)}" if need.providers else ""
    wal = (
        f", with at most {describe_size(need.max_wal_bytes)} of WAL since"
        if (need.max_wal_bytes is not None)
        else ""
    )
    most = f" (up to {describe_size(need.max_take_bytes)})" if need.max_take_bytes else ""
    missing = (
        f"taken while the client waits{most}" if need.on_missing is OnMissing.TAKE else ("refused")
    )
    return (
        f"{_PROOFS[need.min_verification]}{whose}, at most {age} old{wal}; where there is none: "
        f"{missing} (rule {need.rule})"
    )


def _columns(statement: ExplainedStatement) -> RenderableType:
    masks: dict[str, MaskedColumn] = {str(m.column): m for m in statement.planned.decision.masks}
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("column", "uses", "tags", "seen"):
        table.add_column(heading, overflow="fold")
    for note in statement.planned.columns:
        mask = masks.get(note.name)
        seen = f"masked: {mask.mask.kind} ({mask.profile}, {mask.tag})" if mask else ""
        table.add_row(
            Text(note.name),
            Text(", ".join(note.uses)),
            Text(", ".join(note.tags)),
            Text(seen, style="yellow"),
        )
    return table


def _rules(notes: tuple[RuleNote, ...], places: Places) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("rule", "", "what keeps it away", "where it stands"):
        table.add_column(heading, overflow="fold", no_wrap=not heading.startswith("what"))
    far = 0
    for note in notes:
        if note.bearing is Bearing.FAR:
            far += 1
            continue
        table.add_row(
            Text(note.id),
            Text(note.bearing.value, style=_BEARINGS[note.bearing]),
            Text("; ".join(miss.why for miss in note.misses)),
            Text(_place(note.id, places)),
        )
    if not far:
        return table
    return Group(table, Text(f"and {far} rules about something else", style="dim"))


def _sent(statement: ExplainedStatement) -> Iterator[RenderableType]:
    if not any(piece.spliced for piece in statement.sent):
        yield _grid(iter([("sent", Text("as it is"))]))
        return
    yield _grid(iter([("sent", highlighted(statement.sent))]))


def highlighted(pieces: tuple[Piece, ...]) -> Text:
    """The text, with what dbguard put in marked where the terminal has colours."""
    text = Text()
    for piece in pieces:
        text.append(_shown(piece.text), style="bold yellow" if piece.spliced else "")
    return text


def _shown(text: str) -> str:
    """A person's own text: lines stay, other control characters do not reach the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def _refusal(refusal: Refusal, *, several: bool) -> RenderableType:
    def rows() -> Iterator[tuple[str, RenderableType]]:
        if several:
            yield "refused", Text("the whole string: no part of it runs", style="bold red")
        yield "error", Text(f"{refusal.sqlstate} {_shown(refusal.message)}", style="red")
        for name, part in (("detail", refusal.detail), ("do", refusal.hint)):
            if part:
                yield name, Text(part)
        if refusal.position is not None:
            yield "at", Text(f"character {refusal.position}")

    return _grid(rows())


def _placed(rule: str, places: Places) -> str:
    return f"{rule}  {_place(rule, places)}"


def _place(rule: str, places: Places) -> str:
    place = places.get(rule)
    return f"{place.file}:{place.line}" if place else "(built in)"
