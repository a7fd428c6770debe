"""From a text to a plan. Runs in a worker process: pure, and nothing may escape it as a crash.

The passes are visible in `plan_text`: analyse, decide each statement, rewrite, verify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from dbguard.errors import NotUnderstood, StatementError, SyntaxRefused, UndefinedName
from dbguard.masking.expressions import mask_expression
from dbguard.policy.binding import BoundPolicy, bind, extend
from dbguard.policy.deciding import decide
from dbguard.policy.decision import Decision, Effect, Identity, Mask, Principal
from dbguard.policy.drift import Filling
from dbguard.policy.drift_checks import fillings, shown
from dbguard.policy.model import Policy
from dbguard.policy.remembering import ColumnKey, Remembered
from dbguard.sql.analysis import analyze
from dbguard.sql.changes import CatalogChange, with_changes
from dbguard.sql.facts import (
    Action,
    ActionClass,
    EffectKind,
    FunctionTrust,
    FunctionUse,
    SessionEffect,
    StatementFacts,
)
from dbguard.sql.functions import code_of_types, refer, unseen_calls
from dbguard.sql.limits import Limits
from dbguard.sql.lineage import column_sources, unreadable_views
from dbguard.sql.names import quote, split_identifier_list
from dbguard.sql.reaching import RUNS_TEXTS
from dbguard.sql.resolver import DOUBT
from dbguard.sql.rewrite import Rewritten, rewrite
from dbguard.sql.sites import Reading, SiteRole
from dbguard.sql.snapshot import Relation, SessionView, Snapshot
from dbguard.sql.verify import verify

from .filling import followed, lasting
from .footprint import footprint
from .freeing import freedom_of
from .packing import packed, unpacked
from .plan import (
    ColumnNote,
    FunctionCallRequest,
    Plan,
    PlannedStatement,
    PlanRequest,
    RememberRequest,
    RestrictedRequest,
)
from .plan_refusals import first_denial, refusal_of, undefined_function
from .recorded_text import (
    RecordedText,
    mentioned,
    names_of,
    recorded_call,
    recorded_texts,
    recorded_whole,
    with_original,
    with_reached,
)

Memory = Mapping[ColumnKey, Remembered]


@dataclass(frozen=True)
class World:
    """Everything a plan depends on besides the request: sent to a worker once per state key."""

    snapshot: Snapshot
    policy: Policy
    limits: Limits
    remembered: Memory = field(default_factory=dict)
    """Classified columns of the catalog before this one: renaming does not take tags off."""
    filled: tuple[Filling, ...] = ()
    """Copies of classified values that were noticed."""
    keeps_originals: bool = False
    """Texts are kept as they came, to be sealed."""

    @cached_property
    def bound(self) -> BoundPolicy:
        """The policy with its patterns resolved against this catalog."""
        return bind(
            self.policy,
            self.snapshot,
            column_sources(self.snapshot),
            unreadable_views(self.snapshot, self.policy.safe_functions),
            self.remembered,
            self.filled,
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """What things are called here, so that it may be recorded."""
        return names_of(self.snapshot, self.policy)

    def knows(self, name: str) -> bool:
        """Whether something is called so. Asked of odd names only."""
        return name in self.names

    def with_changes(self, changes: tuple[CatalogChange, ...]) -> World:
        """This world after changes that its snapshot does not show yet."""
        if not changes:
            return self
        latest: tuple[tuple[CatalogChange, ...], World] | None = self.__dict__.get("latest")
        if latest is not None and latest[0] == changes:
            return latest[1]
        snapshot = with_changes(self.snapshot, changes)
        changed = replace(self, snapshot=snapshot)
        changed.__dict__["bound"] = extend(self.bound, snapshot, self.filled)
        self.__dict__["latest"] = (changes, changed)
        return changed

    def __getstate__(self) -> dict[str, object]:
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**state, "snapshot": packed(self.snapshot)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "snapshot": unpacked(state["snapshot"])})


def answer(world: object, request: object) -> object:
    """Entry point of the worker process."""
    if not isinstance(world, World):
        raise TypeError("not a world")
    match request:
        case PlanRequest():
            return plan_text(world, request)
        case RememberRequest():
            return dict(world.bound.remember())
        case RestrictedRequest():
            return world.bound.restricted(request.principal, request.environment)
        case FunctionCallRequest():
            return plan_function_call(world, request)
    raise TypeError("not a request")


def plan_text(world: World, request: PlanRequest) -> Plan:
    """Plan one Query or Parse text.

    Errors never escape: a text that cannot be planned comes back as a plan with a refusal.
    """
    plan = _plan_text(world, request)
    return replace(plan, size=footprint(plan))


def _plan_text(world: World, request: PlanRequest) -> Plan:
    world = world.with_changes(request.changes)
    raw_access = world.bound.has_raw_access(request.principal, request.environment)
    try:
        readings = read_statements(world, request)
    except StatementError as error:
        return _unplanned(world, request, error, raw_access)
    if raw_access:
        # who sees everything may mean an overload of his own by a built-in's name
        readings = tuple(replace(reading, calls=()) for reading in readings)
    elif missing := [m for reading in readings for m in reading.facts.missing_functions]:
        return _unplanned(world, request, undefined_function(missing[0]), raw_access)
    recorded = recorded_texts(request.text, readings, world.knows)
    if world.keeps_originals:
        recorded = with_original(recorded, request.text, [r.start for r in readings])
    statements = followed(
        tuple(
            _planned(world, request, reading.facts, text)
            for reading, text in zip(readings, recorded, strict=True)
        ),
        tuple(reading.facts for reading in readings),
    )
    if len(readings) == 1 and statements[0].decision.requirements:
        # what would not run is not to be prepared for: a name that is misspelt stands for any code
        for wrong in readings[0].facts.missing_functions:
            return _unplanned(world, request, undefined_function(wrong), raw_access)
    if refusal := first_denial(statements, readings):
        return Plan(request.text, None, statements, refusal, raw_access)
    if raw_access and any(s.doubtful for s in statements):
        # what a name means by then is the server's to say: it must not be pinned to a guess
        return Plan(request.text, None, statements, None, raw_access, 5 * len(request.text) + 1000)
    if raw_access and _asks_the_server_only(readings, world.snapshot):
        # pg_stat_activity and the like show texts: whoever looks there for his own has to find it
        return Plan(request.text, None, statements, None, raw_access)
    try:
        rewritten = _rewritten(world, request, readings, statements)
    except StatementError as error:
        if not raw_access:
            return Plan(request.text, None, statements, refusal_of(error), raw_access)
        rewritten = None
    changed = rewritten is not None and rewritten.text != request.text
    text = rewritten.text if rewritten is not None else request.text
    return Plan(
        text=text,
        positions=rewritten.positions if rewritten is not None and changed else None,
        statements=statements,
        raw_access=raw_access,
        freedom=freedom_of(request.text, readings, statements, rewritten, world.limits),
    )


def _asks_the_server_only(readings: tuple[Reading, ...], snapshot: Snapshot) -> bool:
    """Whether relations of pg_catalog are all that the text reads, and nothing else is named."""
    found = snapshot.relation_by_oid
    return all(
        site.role is SiteRole.READ
        and site.relation in found
        and found[site.relation].schema == "pg_catalog"
        for reading in readings
        for site in reading.relations
    )


def read_statements(world: World, request: PlanRequest) -> tuple[Reading, ...]:
    """The first pass: what each statement does.

    Raises:
        StatementError: as `analyze`.
    """
    readings = analyze(request.text, world.snapshot, request.view, world.limits)
    if request.parameter_types and readings:
        first, *others = readings
        behind = code_of_types(world.snapshot, request.parameter_types)
        functions = (*first.facts.functions, *unseen_calls(world.snapshot, behind))
        readings = (replace(first, facts=replace(first.facts, functions=functions)), *others)
    return readings


def plan_function_call(world: World, request: FunctionCallRequest) -> Plan:
    """Decide the protocol's FunctionCall by the function's OID, like a call in a SELECT."""
    function = world.snapshot.function_by_oid.get(request.function_oid)
    raw_access = world.bound.has_raw_access(request.principal, request.environment)
    if function is None:
        use = FunctionUse("", f"oid {request.function_oid}", FunctionTrust.UNKNOWN, (), True)
    else:
        count = len(function.arguments)
        found = refer(world.snapshot, (), function.schema, function.name, count)
        # what is spliced around a call in a text has no place here
        defined = found.shows_definition
        use = replace(found.use, trust=FunctionTrust.REACHES) if defined else found.use
    name = f"{use.schema}.{use.name}" if use.schema else use.name
    unseen = use.trust is FunctionTrust.UNKNOWN or use.name in RUNS_TEXTS | {"set_config"}
    facts = StatementFacts(
        action=Action.FUNCTION_CALL,
        functions=(use,),
        # its arguments are not looked at: set_config(), for one, may change any setting
        effects=(SessionEffect(EffectKind.PATH, "role"),) if unseen else (),
        nested=frozenset({Action.SET_ROLE}) if use.name == "set_config" else frozenset(),
        statement_tag="FunctionCall",
    )
    statement = _planned(world, request, facts, recorded_call(name, known=function is not None))
    denial = first_denial((statement,), ())
    return Plan("", None, (statement,), denial, raw_access)


def _planned(
    world: World,
    request: PlanRequest | FunctionCallRequest,
    facts: StatementFacts,
    recorded: RecordedText,
) -> PlannedStatement:
    decision = decide(world.bound, facts, request.principal, request.environment)
    tags = dict(decision.tags)
    fills: tuple[Filling, ...] = ()
    shows: tuple[Filling, ...] = ()
    if decision.effect is Effect.ALLOW:
        if facts.flows or facts.action is Action.CREATE_TABLE_AS:
            found = fillings(world.bound, facts, request.principal, request.environment)
            fills = tuple(lasting(world.snapshot, f) for f in found)
        elif facts.action is Action.SELECT and tags:
            shows = shown(world.bound, facts, request.principal, request.environment)
    relations = tuple(sorted({f"{r.schema}.{r.name}" for r in facts.relations}))
    return PlannedStatement(
        action=facts.action,
        wrapper=facts.wrapper,
        decision=decision,
        effects=(*facts.effects, *_unseen_ddl(world, facts)),
        recorded=mentioned(
            with_reached(recorded, facts, world.knows),
            relations,
            (str(c.column) for c in facts.columns),
            (text for r in decision.reasons for text in (r.message, r.hint)),
            (text for e in facts.effects for text in (e.name, e.value)),
        ),
        relations=relations,
        columns=tuple(
            ColumnNote(str(c.column), tuple(sorted(c.uses)), tags.get(c.column, ()))
            for c in facts.columns
        ),
        changes=facts.changes,
        doubtful=any(o.construct == DOUBT for o in facts.opaque),
        fills=fills,
        shows=shows,
        destroys=decision.destroys,
    )


def _unseen_ddl(world: World, facts: StatementFacts) -> tuple[SessionEffect, ...]:
    """What functions that are called may do to the catalog; those that the rules declare safe run
    no DDL. Triggers and the like run too often to look at the catalog behind each."""
    safe = world.bound.policy.safe_functions
    for use in facts.functions:
        if use in facts.behind or use.trust is not FunctionTrust.UNKNOWN:
            continue
        if not safe.issuperset(use.signatures):
            named = world.snapshot.functions_by_name.get(use.name, ())
            if any(f.defines and f.signature in use.signatures for f in named):
                return (SessionEffect(EffectKind.CATALOG),)
    return ()


def _rewritten(
    world: World,
    request: PlanRequest,
    readings: tuple[Reading, ...],
    statements: tuple[PlannedStatement, ...],
) -> Rewritten:
    masks = masks_of(world.bound, request, statements)
    rewritten = rewrite(request.text, readings, masks, world.snapshot)
    verify(request.text, rewritten, readings, masks, world.snapshot)
    return rewritten


def masks_of(
    bound: BoundPolicy, request: PlanRequest, statements: tuple[PlannedStatement, ...]
) -> dict[int, dict[int, str]]:
    """Mask expressions by relation OID and attribute number, over the inner alias `t`.

    Every masked column of a relation of which one is read is in it, referred to or not, so that
    a reference that analysis missed meets a mask as well.

    Raises:
        NotUnderstood: two statements of the text would see the same column masked differently.
    """
    masks: dict[int, dict[int, str]] = {}
    for statement in statements:
        own = statement.action
        reads = own.action_class is ActionClass.READ and own is not Action.SHOW
        action = own if reads else Action.SELECT
        for relation_oid in sorted({m.column.relation for m in statement.decision.masks}):
            relation = bound.snapshot.relation_by_oid[relation_oid]
            found = {
                number: _expression(mask, relation, number)
                for number, mask in bound.masks_of(
                    request.principal, request.environment, relation_oid, action
                ).items()
            }
            if masks.setdefault(relation_oid, found) != found:
                raise NotUnderstood(
                    f"statements of one string see {relation.schema}.{relation.name} "
                    "masked in different ways",
                    hint="Send them one by one.",
                )
    return masks


def _expression(mask: Mask, relation: Relation, number: int) -> str:
    column = relation.column(number)
    if column is None:
        raise NotUnderstood("a masked column is missing from the catalog")
    return mask_expression(mask, column, f"t.{quote(column.name)}")


def _unplanned(world: World, request: PlanRequest, error: StatementError, raw_access: bool) -> Plan:
    denied = not isinstance(error, SyntaxRefused | UndefinedName)
    recorded = recorded_whole(request.text, world.limits, world.knows, mistaken=not denied)
    if world.keeps_originals:
        (recorded,) = with_original((recorded,), request.text, [0])
    recorded = mentioned(recorded, (error.message, error.hint))
    statement = PlannedStatement(
        action=Action.EMPTY,
        wrapper=None,
        decision=Decision(Effect.DENY, rules=("analysis",)),
        effects=(),
        recorded=recorded,
        relations=(),
        columns=(),
    )
    refusal = refusal_of(error, denied=denied)
    return Plan(request.text, None, (statement,), refusal, raw_access)


def principal_of(snapshot: Snapshot, user: str, identity: Identity | None = None) -> Principal:
    """The principal behind a login of `user`, by the roles the catalog knows."""
    role = snapshot.role_by_name.get(user)
    groups = role.memberships if role else frozenset({user})
    return Principal(user, groups, snapshot.database, bool(role and role.superuser), identity)


def effective_view(
    snapshot: Snapshot, user: str, search_path: str, temporary: str | None = None
) -> SessionView:
    """current_schemas(true) computed from the settings, as namespace.c's recomputeNamespacePath.

    `search_path` is the setting's text as SHOW prints it, `temporary` the session's temporary
    schema where the snapshot does not show it.
    """
    role = snapshot.role_by_name.get(user)
    hidden = role.hidden_schemas if role and not role.superuser else frozenset()
    temporary = temporary or next((r.schema for r in snapshot.relations if r.temporary), None)
    path: list[str] = []
    for item in split_identifier_list(search_path):
        name = user if item == "$user" else item
        if name == "pg_temp":
            name = temporary or name
        elif name not in snapshot.schemas or name in hidden:
            continue
        if name not in path:
            path.append(name)
    implicit = [] if "pg_catalog" in path else ["pg_catalog"]
    if temporary and temporary not in path:
        implicit.insert(0, temporary)
    return _view(user, tuple(implicit + path))


@lru_cache(maxsize=256)
def _view(user: str, path: tuple[str, ...]) -> SessionView:
    """Most sessions of an application have the same, and have it once."""
    return SessionView(user, path)
