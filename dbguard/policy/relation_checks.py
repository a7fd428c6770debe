"""Grants on what statements name as a whole: relations, schemas, everything else."""

from __future__ import annotations

from collections.abc import Iterable

from dbguard.sql.facts import Action, ActionClass, RelationUse, merged_actions
from dbguard.sql.snapshot import Relation, RelationKind

from .access_checks import CLASSIFIED
from .decision import Reason
from .patterns import SYSTEM_SCHEMAS
from .standing import Sight
from .verdict import FREE_CLASSES, MAKING, Case, Verdict, data_in, described, is_temporary

UNCLASSIFIED = "defaults.unclassified"
_OPAQUE_CLASSES = frozenset({ActionClass.READ, ActionClass.CODE})
_REACHING_EVERYTHING = frozenset(
    {
        "DropdbStmt",
        "DropOwnedStmt",
        "ReassignOwnedStmt",
        "AlterTableMoveAllStmt",
        "CreatePublicationStmt",
        "AlterPublicationStmt",
    }
)
"""Statements that reach tables which they do not name (referee node names)."""
_EVERYTHING = "everything in the database"


def check_relations(case: Case, verdict: Verdict) -> None:
    """What concerns a relation as a whole needs the action's grant on all its tags."""
    missing: dict[Action, tuple[list[str], set[str]]] = {}
    for action, relation, name in _as_a_whole(case):
        for tags in case.bound.tag_sets_of(relation.oid) if relation.oid else _each_tag(case):
            access = case.standing.access(tags, relation, action)
            verdict.rules |= access.rules
            if access.denied_by:
                about = described(action, [name], exists=True)
                verdict.denied.setdefault(access.denied_by, about)
            elif access.sight is Sight.DENIED:
                names, lacking = missing.setdefault(action, ([], set()))
                names.append(name)
                lacking.add(access.tag)
    for action, (names, lacking) in sorted(missing.items()):
        relations = tuple(dict.fromkeys(names))
        holds = "holds" if len(relations) == 1 else "hold"
        done = described(action, relations, exists=True)
        verdict.reasons.append(
            Reason(
                CLASSIFIED,
                f"{done}, which {holds} classified data, is not allowed for {case.principal.name}",
                f"Ask for a rule that allows [{action.action_class}] on "
                f"{data_in(lacking, relations)}.",
                relations=tuple(r for r in relations if r != _EVERYTHING),
            )
        )


def _each_tag(case: Case) -> Iterable[frozenset[str]]:
    return (frozenset({tag}) for tag in sorted(case.bound.policy.tags))


def _as_a_whole(case: Case) -> Iterable[tuple[Action, Relation, str]]:
    """Every relation that the statement acts on as a whole, and how messages call it."""
    facts = case.facts
    relations = case.bound.snapshot.relation_by_oid
    for use in (*facts.relations, *facts.along):
        if case.by_column(use) or use.action.action_class in FREE_CLASSES:
            continue
        writes = use.action.action_class is ActionClass.WRITE
        for oid in case.bound.bases_of(use.relation) if writes else (use.relation,):
            if found := relations.get(oid):
                yield use.action, found, f"{use.schema}.{use.name}"
    if facts.statement_tag in _REACHING_EVERYTHING:
        yield facts.action, Relation(0, "", "", RelationKind.TABLE, ()), _EVERYTHING


def check_unclassified(case: Case, verdict: Verdict) -> None:
    """What carries no tag is governed by rules without `data` and by defaults.unclassified."""
    refused: dict[Action, list[str]] = {}
    for action, schema, name in _unclassified(case):
        if action.action_class in FREE_CLASSES or _opaque_allowed(case, action):
            continue
        if action.action_class is ActionClass.READ and schema in SYSTEM_SCHEMAS:
            continue  # drivers live by it; columns there that hold values are classified
        if is_temporary(schema) and _own_table(case, action):
            continue
        rules = case.standing.may_unclassified(action, schema, name)
        if rules is None:
            names = refused.setdefault(action, [])
            if schema or name:
                names.append(f"{schema}.{name}" if schema else name)
        else:
            verdict.rules |= rules
    for action, names in sorted(refused.items()):
        kind = action.action_class
        verdict.reasons.append(
            Reason(
                f"{UNCLASSIFIED}.{kind}",
                f"{described(action, names)} is not allowed for {case.principal.name}",
                f"Ask for a rule that allows [{kind}].",
                relations=tuple(dict.fromkeys(names)),
            )
        )


def _own_table(case: Case, action: Action) -> bool:
    """Making, analysing and dropping temporary tables goes with writing: nobody else sees them."""
    writing = ActionClass.WRITE in case.standing.defaults.unclassified
    return writing and action.action_class in (ActionClass.DDL, ActionClass.MAINTENANCE)


def _opaque_allowed(case: Case, action: Action) -> bool:
    """defaults.unparsed stands in for the class of what analysis cannot read."""
    return bool(
        case.facts.opaque
        and case.raw
        and case.standing.defaults.unparsed
        and action.action_class in _OPAQUE_CLASSES
    )


def _unclassified(case: Case) -> Iterable[tuple[Action, str, str]]:
    """What the statement does to things without a tag: action, schema, name.

    Reading nothing (`SELECT 1`, SHOW, FETCH from a cursor decided before) is nobody's business.
    """
    facts = case.facts
    spoken_for = {use.action for use in facts.relations}
    if spoken_for & MAKING:
        spoken_for |= MAKING
    for action in sorted(merged_actions(facts) - spoken_for):
        if action.action_class is not ActionClass.READ:
            yield action, "", _object(case)
    for relation in (*facts.relations, *facts.along):
        reads = relation.action.action_class is ActionClass.READ
        action = case.read_action if reads else relation.action
        tagged = bool(case.bound.tag_sets_of(relation.relation))
        if not tagged or (case.by_column(relation) and not _reaches(case, relation, action)):
            yield action, relation.schema, relation.name
    for use in facts.columns:
        if not case.tags(use.column) and case.bound.tag_sets_of(use.column.relation):
            for action in case.uses_of(use):
                yield action, use.column.schema, use.column.table


def _reaches(case: Case, use: RelationUse, action: Action) -> bool:
    """Whether a use of a classified relation is answered for: by its columns, each for itself, or,
    when it names none (`count(*)`), by any grant on the relation."""
    if any(
        used.column.relation == use.relation and action in case.uses_of(used)
        for used in case.facts.columns
    ):
        return True
    relation = case.relation(use.relation, use.schema, use.name)
    return any(
        case.standing.access(tags, relation, action).sight is not Sight.DENIED
        for tags in case.bound.tag_sets_of(use.relation)
    )


def _object(case: Case) -> str:
    """The first object that the statement names, for a message."""
    for named in case.facts.objects:
        return f"{named.kind} {named.schema}.{named.name}" if named.schema else (
            f"{named.kind} {named.name}"
        )  # fmt: skip
    return ""
