"""What decide() says: each refusal with its reason, each allowance with what comes with it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbguard.policy.deciding import decide
from dbguard.policy.decision import Decision, Effect, ErrorTexts, MaskKind, Principal
from dbguard.policy.verdict import data_in, listed
from dbguard.sql.destruction import ADDITIVE, DestroyedRelation, Destruction, Reach
from dbguard.sql.facts import (
    Action,
    ActionClass,
    Flow,
    FunctionTrust,
    FunctionUse,
    ObjectName,
    Opaque,
    RelationUse,
    StatementFacts,
    Use,
    Wrapper,
)
from dbguard.sql.snapshot import Relation

from .clinic import (
    ACTIVITY,
    ANALYST,
    BENCH,
    CLASSIFICATION,
    CLERK,
    CLINICIAN,
    DBA,
    GUARDED,
    IDS,
    NOBODY,
    NOTES,
    ODD,
    OVERVIEW,
    PARTITION,
    PATIENTS,
    SNAPSHOT,
    STATS,
    TOAST,
    bound,
    name,
    on,
    select,
    using,
    whole,
    writing,
)

BOUND = bound()
OUT, FILTER, JOIN = Use.OUTPUT, Use.FILTER, Use.JOIN


def judge(facts: StatementFacts, principal: Principal, environment: str = "test") -> Decision:
    return decide(BOUND, facts, principal, environment)


def unknown(trust: FunctionTrust, *signatures: str, volatile: bool = False) -> StatementFacts:
    function = FunctionUse("public", "f", trust, signatures, volatile)
    return StatementFacts(Action.SELECT, functions=(function,))


def insert_select(target: str, source: str) -> StatementFacts:
    """INSERT INTO notes or accounts SELECT ssn or id FROM patients."""
    relation = {"body": NOTES, "balance": BENCH}[target]
    column = name(relation, target)
    return StatementFacts(
        Action.INSERT,
        relations=(on(relation, Action.INSERT), on(PATIENTS, Action.SELECT)),
        columns=(
            using(relation, target, Use.WRITE, maskable=False),
            using(PATIENTS, source, Use.COMPUTE),
        ),
        flows=(Flow(column, (name(PATIENTS, source),)),),
    )


CREATE_VIEW = dataclasses.replace(
    select(PATIENTS, ssn=OUT),
    action=Action.CREATE,
    relations=(RelationUse(0, "clinic", "v", Action.CREATE), on(PATIENTS, Action.SELECT)),
)
CREATE_TABLE_AS = dataclasses.replace(
    CREATE_VIEW,
    action=Action.CREATE_TABLE_AS,
    relations=(RelationUse(0, "clinic", "t", Action.CREATE_TABLE_AS), on(PATIENTS, Action.SELECT)),
)
UNBOUNDED = dataclasses.replace(whole(Action.DELETE, BENCH), has_where=False)
DO = StatementFacts(Action.DO, opaque=(Opaque("DO"),))
OPAQUE_SELECT = dataclasses.replace(select(PATIENTS), opaque=(Opaque("XMLTABLE"),))

ALLOWED = [
    ("constant", StatementFacts(Action.SELECT), NOBODY),
    ("show", StatementFacts(Action.SHOW), NOBODY),
    ("begin", StatementFacts(Action.TRANSACTION), NOBODY),
    ("set role", StatementFacts(Action.SET_ROLE), NOBODY),
    ("notify", StatementFacts(Action.NOTIFY), ANALYST),
    ("unclassified columns", select(PATIENTS, id=OUT, sex=FILTER), NOBODY),
    ("count(*)", select(PATIENTS), NOBODY),
    ("another table", select(BENCH, balance=OUT), NOBODY),
    ("write another table", writing(Action.UPDATE, BENCH, "balance", reads=("aid",)), NOBODY),
    ("raw", select(PATIENTS, ssn=OUT, dob=JOIN), CLINICIAN),
    ("raw through a view", select(OVERVIEW, number=OUT), CLINICIAN),
    ("insert", writing(Action.INSERT, PATIENTS, "id", "ssn"), CLINICIAN),
    ("update", writing(Action.UPDATE, PATIENTS, "ssn", reads=("ssn", "dob")), CLINICIAN),
    ("insert blindly", writing(Action.INSERT, PATIENTS, "ssn"), CLERK),
    ("masked user inserts", writing(Action.INSERT, PATIENTS, "ssn"), ANALYST),
    ("masked into unclassified", insert_select("balance", "ssn"), ANALYST),
    ("unclassified into classified", insert_select("body", "id"), ANALYST),
    ("masked, key in WHERE", writing(Action.UPDATE, PATIENTS, "sex", reads=("id",)), ANALYST),
    ("generalised join", select(PATIENTS, dob=JOIN, zip=JOIN), ANALYST),
    ("delete", whole(Action.DELETE, PATIENTS), DBA),
    ("drop", whole(Action.DROP, PATIENTS), DBA),
    ("create view", CREATE_VIEW, DBA),
    ("DO with raw access and code", dataclasses.replace(OPAQUE_SELECT), CLINICIAN),
    ("reaching function", unknown(FunctionTrust.REACHES), DBA),
    ("unknown function", unknown(FunctionTrust.UNKNOWN), DBA),
    ("builtin", unknown(FunctionTrust.BUILTIN), NOBODY),
    ("extension", unknown(FunctionTrust.EXTENSION), NOBODY),
    ("safe", unknown(FunctionTrust.UNKNOWN, "public.bmi(numeric, integer)"), NOBODY),
    ("catalog", select(ACTIVITY, pid=OUT), NOBODY),
    ("catalog texts", select(ACTIVITY, query=OUT), DBA),
    ("vacuum", whole(Action.VACUUM, PATIENTS), DBA),
]


@pytest.mark.parametrize(
    ("facts", "principal"), [c[1:] for c in ALLOWED], ids=[c[0] for c in ALLOWED]
)
def test_allows(facts: StatementFacts, principal: Principal) -> None:
    decision = judge(facts, principal)
    assert decision.reasons == ()
    assert decision.effect is Effect.ALLOW


RAW_ONLY = "does not hold raw access to everything"
NO_ROLE = " No policy role names user nobody: add it to `users:` of a role in the rules."

DENIED = [
    (
        "no grant",
        select(PATIENTS, ssn=OUT),
        NOBODY,
        "defaults.classified",
        "reading clinic.patients.ssn is not allowed for nobody",
        "Ask for a rule that allows [read] on phi.ssn, or select other columns.",
    ),
    (
        "filter alone",
        select(PATIENTS, ssn=FILTER),
        NOBODY,
        "defaults.classified",
        "reading clinic.patients.ssn is not allowed for nobody",
        "",
    ),
    (
        "presence alone",
        select(PATIENTS, ssn=Use.PRESENCE),
        NOBODY,
        "defaults.classified",
        "reading clinic.patients.ssn is not allowed for nobody",
        "",
    ),
    (
        "through a view",
        select(OVERVIEW, number=OUT),
        NOBODY,
        "defaults.classified",
        "reading clinic.overview.number is not allowed for nobody",
        "",
    ),
    (
        "unreadable view",
        select(ODD, x=OUT),
        NOBODY,
        "defaults.classified",
        "reading clinic.odd.x is not allowed for nobody",
        "",
    ),
    (
        "write without grant",
        writing(Action.INSERT, PATIENTS, "ssn"),
        NOBODY,
        "defaults.classified",
        "inserting into clinic.patients.ssn is not allowed for nobody",
        "Ask for a rule that allows [write] on phi.ssn, or leave these columns out.",
    ),
    (
        "update granted to inserters",
        writing(Action.UPDATE, PATIENTS, "ssn"),
        CLERK,
        "defaults.classified",
        "updating clinic.patients.ssn is not allowed for clerk",
        "",
    ),
    (
        "masked column of the target",
        writing(Action.UPDATE, PATIENTS, "sex", reads=("ssn",)),
        ANALYST,
        "defaults.classified",
        "the statement reads clinic.patients.ssn in the table it writes, and analyst may see that "
        "masked only",
        "Leave these columns out of WHERE, SET, ON CONFLICT and RETURNING; a subquery over the "
        "same table may use their masked values.",
    ),
    (
        "presence of a masked column of the target",
        StatementFacts(
            Action.DELETE,
            relations=(on(BENCH, Action.DELETE),),
            columns=(using(PATIENTS, "ssn", Use.PRESENCE, maskable=False),),
        ),
        ANALYST,
        "defaults.classified",
        "the statement reads clinic.patients.ssn in the table it writes, and analyst may see that "
        "masked only",
        "",
    ),
    (
        "overwriting what one sees masked",
        writing(Action.UPDATE, PATIENTS, "ssn"),
        ANALYST,
        "defaults.classified",
        "updating clinic.patients.ssn is not allowed for analyst, who sees masked values there",
        "Leave these columns out of SET, so that masked values never replace real ones.",
    ),
    (
        "overwriting by MERGE",
        writing(Action.MERGE, PATIENTS, "ssn"),
        ANALYST,
        "defaults.classified",
        "updating clinic.patients.ssn is not allowed for analyst, who sees masked values there",
        "",
    ),
    (
        "masked into classified",
        insert_select("body", "ssn"),
        ANALYST,
        "read-masked",
        "writing clinic.patients.ssn into clinic.notes.body is refused because analyst sees masked "
        "values there",
        "Masked values may only be written to columns that are not classified.",
    ),
    (
        "join on a hiding mask",
        select(PATIENTS, ssn=JOIN),
        ANALYST,
        "read-masked",
        "joining on clinic.patients.ssn is refused because analyst sees masked values there",
        "Join on a key column that is not classified.",
    ),
    (
        "delete",
        whole(Action.DELETE, PATIENTS),
        CLINICIAN,
        "defaults.classified",
        "deleting from clinic.patients, which holds classified data, is not allowed for nora",
        "Ask for a rule that allows [write] on phi.date.birth, phi.ssn and phi.zip.",
    ),
    (
        "delete through a view of keys",
        whole(Action.DELETE, IDS),
        CLINICIAN,
        "defaults.classified",
        "deleting from clinic.ids, which holds classified data, is not allowed for nora",
        "",
    ),
    (
        "truncate",
        whole(Action.TRUNCATE, NOTES),
        CLINICIAN,
        "defaults.classified",
        "truncating clinic.notes, which holds classified data, is not allowed for nora",
        "Ask for a rule that allows [ddl] on phi.text.",
    ),
    (
        "grant",
        whole(Action.GRANT, NOTES),
        CLINICIAN,
        "defaults.classified",
        "granting privileges on clinic.notes, which holds classified data, is not allowed for nora",
        "Ask for a rule that allows [privilege] on phi.text.",
    ),
    (
        "ddl on unclassified",
        whole(Action.DROP, BENCH),
        NOBODY,
        "defaults.unclassified.ddl",
        "dropping public.accounts is not allowed for nobody",
        "Ask for a rule that allows [ddl].",
    ),
    (
        "code",
        StatementFacts(Action.CREATE_FUNCTION, objects=(ObjectName("function", "public", "g"),)),
        NOBODY,
        "defaults.unclassified.code",
        "CREATE FUNCTION (function public.g) is not allowed for nobody",
        "Ask for a rule that allows [code].",
    ),
    (
        "alter system",
        StatementFacts(Action.ALTER_SYSTEM),
        NOBODY,
        "defaults.unclassified.maintenance",
        "ALTER SYSTEM is not allowed for nobody",
        "",
    ),
    (
        "opaque",
        OPAQUE_SELECT,
        ANALYST,
        "defaults.unparsed",
        f"XMLTABLE can't be analysed, and analyst {RAW_ONLY}",
        "Write the statement without it, or ask somebody who may read all data unmasked.",
    ),
    (
        "DO by a raw reader who may not run code",
        DO,
        CLINICIAN,
        "defaults.unclassified.code",
        "DO is not allowed for nora",
        "",
    ),
    (
        "reaching function",
        unknown(FunctionTrust.REACHES),
        ANALYST,
        "defaults.unparsed",
        f"function public.f reaches beyond its arguments, and analyst {RAW_ONLY}",
        "Write the statement without it.",
    ),
    (
        "unknown function",
        unknown(FunctionTrust.UNKNOWN, "public.f(text)"),
        ANALYST,
        "functions.safe",
        f"function public.f can't be seen through, and analyst {RAW_ONLY}",
        "Ask to have public.f(text) declared under functions.safe.",
    ),
    (
        "only one of two candidates is safe",
        unknown(FunctionTrust.UNKNOWN, "public.bmi(numeric, integer)", "public.bmi(text)"),
        ANALYST,
        "functions.safe",
        f"function public.f can't be seen through, and analyst {RAW_ONLY}",
        "",
    ),
    (
        "volatile unknown function without code",
        unknown(FunctionTrust.UNKNOWN, volatile=True),
        CLINICIAN,
        "functions.safe",
        "function public.f may change anything, and nora is not allowed to run code",
        "",
    ),
    (
        "no where",
        UNBOUNDED,
        DBA,
        "bounded",
        "deleting from public.accounts is denied by rule bounded: say which rows",
        "Add a WHERE clause.",
    ),
]


@pytest.mark.parametrize(
    ("facts", "principal", "rule", "message", "hint"),
    [c[1:] for c in DENIED],
    ids=[c[0] for c in DENIED],
)
def test_refuses(
    facts: StatementFacts, principal: Principal, rule: str, message: str, hint: str
) -> None:
    decision = judge(facts, principal)
    assert decision.effect is Effect.DENY
    (reason,) = [r for r in decision.reasons if (r.rule, r.message) == (rule, message)]
    if hint:
        assert reason.hint == hint + (NO_ROLE if principal is NOBODY else "")
    assert rule in decision.rules
    assert decision.masks == ()
    assert decision.notices == ()


def test_all_reasons_are_given() -> None:
    facts = dataclasses.replace(
        writing(Action.UPDATE, PATIENTS, "ssn", reads=("dob",)),
        has_where=False,
        opaque=(Opaque("XMLTABLE"),),
    )
    decision = judge(facts, NOBODY)
    assert [r.rule for r in decision.reasons] == [
        "bounded",
        "defaults.unparsed",
        "defaults.classified",
        "defaults.classified",
    ]


def test_masks_come_with_tag_rule_and_profile() -> None:
    decision = judge(select(PATIENTS, id=OUT, ssn=OUT, dob=FILTER, zip=OUT), ANALYST)
    assert [(m.column.column, m.tag, m.mask.kind, m.rule, m.profile) for m in decision.masks] == [
        ("ssn", "phi.ssn", MaskKind.KEEP_LAST, "read-masked", "safe"),
        ("dob", "phi.date.birth", MaskKind.YEAR, "read-masked", "safe"),
        ("zip", "phi.zip", MaskKind.ZIP3, "read-masked", "safe"),
    ]
    assert decision.rules == ("read-masked",)
    assert [(c.column, tags) for c, tags in decision.tags] == [
        ("ssn", ("phi.ssn",)),
        ("dob", ("phi.date.birth",)),
        ("zip", ("phi.zip",)),
    ]


@pytest.mark.parametrize("use", [Use.FILTER, Use.GROUP, Use.SORT])
def test_comparisons_on_hiding_masks_carry_a_notice(use: Use) -> None:
    assert judge(select(PATIENTS, ssn=use), ANALYST).notices == (
        "clinic.patients.ssn is masked for analyst: comparisons, grouping and sorting see the "
        "masked value.",
    )


@pytest.mark.parametrize(
    "facts",
    [
        select(PATIENTS, dob=FILTER, zip=Use.GROUP),
        select(PATIENTS, ssn=OUT),
        select(PATIENTS, ssn=Use.PRESENCE),
    ],
)
def test_no_notice_where_masks_do_no_harm(facts: StatementFacts) -> None:
    assert judge(facts, ANALYST).notices == ()


def test_a_generalising_mask_on_another_type_hides() -> None:
    policy = bound(
        CLASSIFICATION
        + """
masks: {years: {phi: year}}
rules: [{id: see, allow: [read], data: [phi], masked: years}]
"""
    )
    assert decide(policy, select(PATIENTS, dob=JOIN), NOBODY, "test").effect is Effect.ALLOW
    assert decide(policy, select(PATIENTS, ssn=JOIN), NOBODY, "test").effect is Effect.DENY


def test_create_table_as_stores_what_is_seen() -> None:
    policy = bound(
        CLASSIFICATION
        + """
roles: {a: {users: [analyst]}}
masks: {m: {phi: redact}}
rules:
  - {id: see, allow: [read], roles: [a], data: [phi], masked: m}
  - {id: make, allow: [ddl, code], roles: [a]}
"""
    )
    assert decide(policy, CREATE_TABLE_AS, ANALYST, "test").effect is Effect.ALLOW
    refused = decide(policy, CREATE_VIEW, ANALYST, "test")
    assert [r.message for r in refused.reasons] == [
        "a stored definition over clinic.patients.ssn is refused because analyst sees masked "
        "values there"
    ]
    for action in (Action.CREATE_FUNCTION, Action.CREATE_TRIGGER, Action.CREATE_RULE):
        facts = dataclasses.replace(CREATE_VIEW, action=action)
        assert decide(policy, facts, ANALYST, "test").effect is Effect.DENY


@pytest.mark.parametrize(("relation", "column"), [(ACTIVITY, "query"), (STATS, "most_common_vals"),
                                                  (TOAST, "chunk_data")])  # fmt: skip
def test_catalog_values_are_null_without_raw_access(relation: object, column: str) -> None:
    for principal in (NOBODY, ANALYST, CLERK):
        decision = judge(select(relation, **{column: OUT}), principal)  # type: ignore[arg-type]
        assert decision.effect is Effect.ALLOW
        assert [(m.mask.kind, m.rule) for m in decision.masks] == [(MaskKind.NULL, "system.values")]
    for principal in (CLINICIAN, DBA):
        assert judge(select(relation, **{column: OUT}), principal).masks == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "principal", "texts"),
    [
        (select(PATIENTS, ssn=OUT), ANALYST, ErrorTexts.SHOW),
        (select(OVERVIEW, number=OUT), ANALYST, ErrorTexts.WITHHOLD),
        (select(IDS, id=OUT), NOBODY, ErrorTexts.WITHHOLD),
        (select(GUARDED, x=OUT), NOBODY, ErrorTexts.WITHHOLD),
        (select(GUARDED, x=OUT), DBA, ErrorTexts.SHOW),
        (select(ACTIVITY, pid=OUT), NOBODY, ErrorTexts.SHOW),
        (writing(Action.INSERT, PATIENTS, "id"), ANALYST, ErrorTexts.WITHHOLD),
        (writing(Action.INSERT, PATIENTS, "id"), CLINICIAN, ErrorTexts.SHOW),
        (writing(Action.INSERT, BENCH, "aid"), ANALYST, ErrorTexts.SHOW),
        (whole(Action.ALTER, PATIENTS), ANALYST, ErrorTexts.WITHHOLD),
        (whole(Action.LOCK, PATIENTS), ANALYST, ErrorTexts.SHOW),
        (
            unknown(FunctionTrust.UNKNOWN, "public.bmi(numeric, integer)"),
            ANALYST,
            ErrorTexts.WITHHOLD,
        ),
        (unknown(FunctionTrust.UNKNOWN), DBA, ErrorTexts.SHOW),
        (
            dataclasses.replace(writing(Action.INSERT, BENCH, "aid"), runs_hidden_code=True),
            ANALYST,
            ErrorTexts.WITHHOLD,
        ),
    ],
)
def test_error_texts(facts: StatementFacts, principal: Principal, texts: ErrorTexts) -> None:
    assert judge(facts, principal).error_texts is texts


def dropping(relation: Relation) -> StatementFacts:
    gone = DestroyedRelation(relation.oid, relation.schema, relation.name)
    return dataclasses.replace(
        whole(Action.DROP, relation), destroys=Destruction((gone,), reach=Reach.OWNED)
    )


def test_requirements_belong_to_their_environment_and_accumulate() -> None:
    drop = dropping(BENCH)
    assert judge(drop, DBA, "staging").requirements == ()
    (found,) = judge(drop, DBA, "production").requirements
    assert (found.rule, found.max_age_seconds, found.on_missing) == ("backup", 3600, "refuse")
    twice = bound(
        CLASSIFICATION
        + """
rules:
  - {id: a, require: {backup: {max_age: 30m}}, actions: [drop]}
  - {id: b, require: {backup: {max_age: 2d}}, actions: [ddl], tables: [public.*]}
  - {id: c, require: {backup: {max_age: 1s}}, actions: [ddl], tables: [clinic.*]}
  - {id: d, require: {backup: {max_age: 1m}}, actions: [ddl], data: [phi]}
"""
    )
    assert [r.rule for r in decide(twice, drop, DBA, "x").requirements] == ["a", "b"]
    patients = decide(twice, dropping(PATIENTS), DBA, "x")
    assert [r.rule for r in patients.requirements] == ["a", "c", "d"]
    unknown = decide(twice, whole(Action.DROP, BENCH), DBA, "x")  # what it destroys is not told
    assert [r.rule for r in unknown.requirements] == ["a", "b", "c", "d"]


def test_drop_owned_needs_the_backup_too() -> None:
    facts = StatementFacts(Action.ROLE, statement_tag="DropOwnedStmt")
    assert [r.rule for r in judge(facts, DBA, "production").requirements] == ["backup"]
    assert judge(StatementFacts(Action.ROLE), DBA, "production").requirements == ()


def test_explain_is_judged_as_what_it_explains() -> None:
    facts = dataclasses.replace(select(PATIENTS, ssn=OUT), wrapper=Wrapper.EXPLAIN)
    assert judge(facts, NOBODY).effect is Effect.DENY


def test_nested_writes_count() -> None:
    facts = dataclasses.replace(
        select(PATIENTS, id=OUT),
        nested=frozenset({Action.DELETE}),
        relations=(on(PATIENTS, Action.SELECT), on(NOTES, Action.DELETE)),
    )
    (reason,) = judge(facts, CLINICIAN).reasons
    assert "deleting from clinic.notes" in reason.message


def in_schema(action: Action) -> StatementFacts:
    """What is done to a schema is done to all that is in it."""
    inside = [r for r in SNAPSHOT.relations if r.schema == "clinic"]
    return StatementFacts(
        action,
        objects=(ObjectName("schema", None, "clinic"),),
        along=tuple(on(relation, action) for relation in inside),
        destroys=ADDITIVE,
    )


DENIALS = [
    ("deny: [read]", select(BENCH, aid=OUT), "reading public.accounts"),
    ("deny: [read], data: [phi.ssn]", select(PATIENTS, ssn=OUT), "reading clinic.patients.ssn"),
    ("deny: [read], data: [phi.ssn]", select(PATIENTS, dob=OUT), None),
    ("deny: [select], tables: [public.*]", select(BENCH, aid=OUT), "reading public.accounts"),
    ("deny: [select], tables: [clinic.*]", select(BENCH, aid=OUT), None),
    ("deny: [drop], data: [phi]", whole(Action.DROP, PATIENTS), "dropping clinic.patients"),
    ("deny: [drop], data: [phi]", whole(Action.DROP, BENCH), None),
    ("deny: [insert], data: [phi]", writing(Action.INSERT, PATIENTS, "id"), None),
    ("deny: [read], roles: [other]", select(BENCH, aid=OUT), None),
    ("deny: [read], environments: [prod]", select(BENCH, aid=OUT), None),
    ("deny: [session]", StatementFacts(Action.SET), "SET"),
    ("deny: [write], data: [phi.ssn], tables: [clinic.notes]",
     writing(Action.INSERT, PATIENTS, "ssn"), None),
]  # fmt: skip


@pytest.mark.parametrize(("terms", "facts", "about"), DENIALS)
def test_denials_override_grants(terms: str, facts: StatementFacts, about: str | None) -> None:
    policy = bound(
        CLASSIFICATION
        + f"""
roles: {{dba: {{users: [dba]}}, other: {{users: [x]}}}}
rules:
  - {{id: data, allow: [all], roles: [dba], data: ["*"]}}
  - {{id: objects, allow: [all], roles: [dba]}}
  - {{id: stop, {terms}}}
"""
    )
    decision = decide(policy, facts, DBA, "test")
    if about is None:
        assert decision.effect is Effect.ALLOW
    else:
        assert [r.message for r in decision.reasons] == [f"{about} is denied by rule stop"]


@pytest.mark.parametrize(
    ("terms", "facts", "message"),
    [
        (
            "deny: [drop], data: [phi]",
            in_schema(Action.DROP),
            "dropping schema clinic, which reaches clinic.patients, clinic.notes, clinic.overview "
            "and clinic.odd, is denied by rule stop",
        ),
        (
            "deny: [drop], data: [phi]",
            StatementFacts(Action.DROP, statement_tag="DropdbStmt"),
            "dropping everything in the database is denied by rule stop",
        ),
        (
            "deny: [delete], data: [phi]",
            whole(Action.DELETE, IDS),
            "deleting from clinic.ids is denied by rule stop",
        ),
        (
            "deny: [read], tables: [clinic.patients]",
            select(OVERVIEW, id=OUT),
            "reading clinic.overview is denied by rule stop",
        ),
        (
            "deny: [read], data: [phi.ssn], tables: [clinic.patients]",
            select(OVERVIEW, number=OUT),
            "reading clinic.overview.number is denied by rule stop",
        ),
        (
            "deny: [read], tables: [clinic.lab_results]",
            select(PARTITION, taken=OUT),
            "reading clinic.lab_results_2024 is denied by rule stop",
        ),
    ],
)
def test_denials_reach_through_views_partitions_and_schemas(
    terms: str, facts: StatementFacts, message: str
) -> None:
    policy = bound(
        CLASSIFICATION
        + f"""
roles: {{dba: {{users: [dba]}}}}
rules:
  - {{id: data, allow: [all], roles: [dba], data: ["*"]}}
  - {{id: objects, allow: [all], roles: [dba]}}
  - {{id: stop, {terms}}}
"""
    )
    decision = decide(policy, facts, DBA, "test")
    assert [r.message for r in decision.reasons] == [message]


def test_unparsed_allow_is_for_raw_principals() -> None:
    text = (
        CLASSIFICATION
        + """
roles: {dba: {users: [dba]}, analyst: {users: [analyst]}}
masks: {m: {phi: redact}}
rules:
  - {id: data, allow: [read], roles: [dba], data: ["*"]}
  - {id: masked, allow: [read], roles: [analyst], data: ["*"], masked: m}
defaults: {unparsed: allow}
"""
    )
    policy = bound(text)
    assert decide(policy, DO, DBA, "test").effect is Effect.ALLOW
    assert decide(policy, DO, ANALYST, "test").effect is Effect.DENY
    opaque_ddl = StatementFacts(Action.ALTER, opaque=(Opaque("ALTER DATABASE"),))
    assert decide(policy, opaque_ddl, DBA, "test").effect is Effect.DENY


def test_unclassified_read_can_be_closed() -> None:
    policy = bound(
        CLASSIFICATION
        + """
roles: {c: {users: [nora]}}
rules:
  - {id: phi, allow: [read], roles: [c], data: [phi]}
  - {id: bench, allow: [read], roles: [c], tables: [public.*]}
defaults: {unclassified: {read: deny, write: deny}}
"""
    )

    def effect(facts: StatementFacts, principal: Principal = CLINICIAN) -> Effect:
        return decide(policy, facts, principal, "test").effect

    assert effect(select(PATIENTS, ssn=OUT)) is Effect.ALLOW
    assert effect(select(PATIENTS)) is Effect.ALLOW
    assert effect(select(PATIENTS), NOBODY) is Effect.DENY
    assert effect(select(PATIENTS, ssn=OUT, sex=OUT)) is Effect.DENY
    assert effect(select(BENCH, aid=OUT)) is Effect.ALLOW
    assert effect(select(BENCH, aid=OUT), NOBODY) is Effect.DENY
    assert effect(StatementFacts(Action.SELECT), NOBODY) is Effect.ALLOW
    assert effect(select(ACTIVITY, pid=OUT), NOBODY) is Effect.ALLOW
    assert effect(writing(Action.INSERT, BENCH, "aid")) is Effect.DENY


def test_least_revealing_mask_wins() -> None:
    policy = bound(
        CLASSIFICATION
        + """
masks:
  long: {phi.ssn: {keep_last: 6}}
  short: {phi.ssn: {keep_last: 2}}
rules:
  - {id: a, allow: [read], data: [phi.ssn], masked: long}
  - {id: b, allow: [read], data: [phi.ssn], masked: short}
"""
    )
    (masked,) = decide(policy, select(PATIENTS, ssn=OUT), NOBODY, "test").masks
    assert (masked.rule, masked.mask.keep) == ("b", 2)


def test_two_tags_show_what_both_allow() -> None:
    policy = bound(
        CLASSIFICATION
        + """
  - {tag: eu, tables: [clinic.*]}
masks:
  tail: {phi.ssn: {keep_last: 4}}
  none: {eu: null}
rules:
  - {id: a, allow: [read], data: [phi.ssn], masked: tail}
  - {id: b, allow: [read], data: [eu], masked: none}
"""
    )
    (masked,) = decide(policy, select(PATIENTS, ssn=OUT), NOBODY, "test").masks
    assert (masked.tag, masked.mask.kind, masked.rule) == ("eu", MaskKind.NULL, "b")


def test_copy_out_needs_its_own_grant() -> None:
    policy = bound(CLASSIFICATION + "rules: [{id: a, allow: [select], data: [phi]}]")
    out = StatementFacts(
        Action.COPY_TO,
        relations=(on(PATIENTS, Action.SELECT),),
        columns=(using(PATIENTS, "ssn", OUT),),
    )
    assert decide(policy, select(PATIENTS, ssn=OUT), NOBODY, "test").effect is Effect.ALLOW
    assert decide(policy, out, NOBODY, "test").effect is Effect.DENY
    assert not policy.has_raw_access(NOBODY)


def test_environments_limit_grants() -> None:
    policy = bound(
        CLASSIFICATION + "rules: [{id: a, allow: [read], data: ['*'], environments: [staging]}]"
    )
    facts = select(PATIENTS, ssn=OUT)
    assert decide(policy, facts, NOBODY, "staging").effect is Effect.ALLOW
    assert decide(policy, facts, NOBODY, "production").effect is Effect.DENY
    assert not policy.has_raw_access(NOBODY)
    assert policy.has_raw_access(NOBODY, "staging")


def test_one_reason_names_all_columns_and_tags() -> None:
    (reason,) = judge(select(PATIENTS, ssn=OUT, dob=OUT, zip=OUT), NOBODY).reasons
    assert reason.message == (
        "reading clinic.patients.ssn, clinic.patients.dob and clinic.patients.zip is not allowed "
        "for nobody"
    )
    assert reason.hint == (
        "Ask for a rule that allows [read] on phi.date.birth, phi.ssn and phi.zip, or select other "
        "columns." + NO_ROLE
    )
    assert len(reason.columns) == 3


def test_many_tags_are_told_by_what_they_have_in_common() -> None:
    few = ("phi.a", "phi.b", "phi.c", "phi.d", "phi.e")
    assert data_in(few, ["s.t"]) == "phi.a, phi.b, phi.c, phi.d and phi.e"
    assert data_in((*few, "phi.f"), ["s.t"]) == "phi in s.t"
    assert data_in((*few, "pii.f"), ["s.t", "s.u"]) == "phi and pii in s.t and s.u"


def test_who_has_a_role_or_is_denied_is_not_told_of_roles() -> None:
    for principal in (CLERK, DBA):
        for reason in judge(UNBOUNDED, principal).reasons:
            assert "No policy role" not in reason.hint
    denied = [r for r in judge(UNBOUNDED, NOBODY).reasons if r.rule == "bounded"]
    assert [r.hint for r in denied] == ["Add a WHERE clause."]


def test_long_lists_are_cut() -> None:
    assert listed("abcde") == "a, b, c, d and e"
    assert listed("abcdef") == "a, b, c, d and 2 more"
    assert listed("aab") == "a and b"
    assert listed("") == ""


OBJECTS_ONLY = bound(
    CLASSIFICATION
    + """
roles: {builder: {users: [clerk]}}
rules: [{id: objects, allow: [all], roles: [builder]}]
"""
)


@pytest.mark.parametrize(
    ("facts", "about"),
    [
        (
            in_schema(Action.DROP),
            "dropping clinic.patients, clinic.notes, clinic.overview and clinic.odd, which hold",
        ),
        (
            in_schema(Action.RENAME),
            "renaming clinic.patients, clinic.notes, clinic.overview and clinic.odd, which hold",
        ),
        (StatementFacts(Action.DROP, statement_tag="DropdbStmt"), "dropping everything in the"),
        (
            StatementFacts(Action.ALTER, statement_tag="AlterPublicationStmt"),
            "altering everything in the database, which holds",
        ),
        (StatementFacts(Action.ROLE, statement_tag="DropOwnedStmt"), "changing the owner of every"),
        (
            StatementFacts(Action.CREATE, statement_tag="CreatePublicationStmt"),
            "creating an object on everything in the database, which holds classified data",
        ),
        (whole(Action.CREATE, PATIENTS), "creating an object on clinic.patients, which holds"),
        (whole(Action.POLICY, PATIENTS), "changing row security of clinic.patients, which holds"),
    ],
)
def test_statements_that_reach_classified_tables_unnamed(facts: StatementFacts, about: str) -> None:
    (reason,) = decide(OBJECTS_ONLY, facts, CLERK, "test").reasons
    assert reason.message.startswith(about)


@pytest.mark.parametrize(
    "facts",
    [
        StatementFacts(Action.DROP, objects=(ObjectName("schema", None, "public"),)),
        StatementFacts(Action.CREATE, objects=(ObjectName("schema", None, "clinic"),)),
        StatementFacts(Action.ROLE, objects=(ObjectName("role", None, "x"),)),
        whole(Action.DROP, BENCH),
    ],
)
def test_statements_that_do_not(facts: StatementFacts) -> None:
    assert decide(OBJECTS_ONLY, facts, CLERK, "test").effect is Effect.ALLOW


def temporary(action: Action, *others: RelationUse) -> StatementFacts:
    return StatementFacts(action, relations=(RelationUse(0, "pg_temp", "t", action), *others))


def test_temporary_tables_go_with_writing_and_need_no_backup() -> None:
    for action in (Action.CREATE, Action.CREATE_TABLE_AS, Action.DROP):
        for principal in (NOBODY, DBA):
            decision = judge(temporary(action), principal, "production")
            assert (decision.effect, decision.requirements) == (Effect.ALLOW, ())
    mixed = temporary(Action.DROP, on(BENCH, Action.DROP))
    assert judge(mixed, DBA, "production").requirements
    assert judge(mixed, NOBODY, "production").effect is Effect.DENY
    closed = bound("rules: [{id: r, deny: [ddl]}]")
    assert decide(closed, temporary(Action.CREATE), NOBODY, "test").effect is Effect.DENY
    read_only = bound("rules: [{id: r, allow: [read]}]\ndefaults: {unclassified: {write: deny}}")
    assert decide(read_only, temporary(Action.CREATE), NOBODY, "test").effect is Effect.DENY


def test_materialized_views_need_one_grant() -> None:
    facts = StatementFacts(
        Action.CREATE, relations=(RelationUse(0, "public", "m", Action.CREATE_TABLE_AS),)
    )
    (reason,) = judge(facts, NOBODY).reasons
    assert reason.message == "creating public.m is not allowed for nobody"


def test_a_failure_inside_denies_and_tells_only_its_type() -> None:
    broken = dataclasses.replace(BOUND.policy)
    object.__setattr__(broken, "rules", None)
    policy = bound()
    policy.policy = broken
    decision = decide(policy, select(PATIENTS, ssn=OUT), NOBODY, "test")
    assert decision.effect is Effect.DENY
    assert decision.rules == ("internal",)
    assert decision.reasons[0].message == "the decision failed inside dbguard (TypeError)"
    assert decision.error_texts is ErrorTexts.WITHHOLD


RELATIONS = (PATIENTS, NOTES, OVERVIEW, IDS, ODD, BENCH, ACTIVITY)
COLUMNS = [(r, c.name) for r in RELATIONS for c in r.columns]
facts_strategy = st.builds(
    StatementFacts,
    action=st.sampled_from(Action),
    nested=st.frozensets(st.sampled_from([Action.INSERT, Action.DELETE, Action.SELECT])),
    relations=st.lists(
        st.builds(on, st.sampled_from(RELATIONS), st.sampled_from(Action)), max_size=4
    ).map(tuple),
    columns=st.lists(
        st.builds(
            lambda c, uses, maskable: using(*c, *uses, maskable=maskable),
            st.sampled_from(COLUMNS),
            st.frozensets(st.sampled_from(Use), min_size=1),
            st.booleans(),
        ),
        max_size=6,
    ).map(tuple),
    opaque=st.lists(st.just(Opaque("X")), max_size=1).map(tuple),
    has_where=st.booleans(),
    runs_hidden_code=st.booleans(),
)


@given(facts_strategy, st.sampled_from([ANALYST, CLINICIAN, DBA, CLERK, NOBODY]))
def test_total_and_never_raw_for_masked(facts: StatementFacts, principal: Principal) -> None:
    decision = judge(facts, principal)
    assert "internal" not in decision.rules
    assert (decision.effect is Effect.DENY) == bool(decision.reasons)
    if decision.effect is Effect.ALLOW:
        masked = {m.column for m in decision.masks}
        restricted = BOUND.restricted(principal, "test")
        for use in facts.columns:
            column = use.column
            if use.uses - {Use.WRITE} and (column.relation, column.number) in restricted:
                assert column in masked
                assert use.maskable


@given(facts_strategy)
def test_fewer_grants_never_allow_more(facts: StatementFacts) -> None:
    if judge(facts, NOBODY, "production").effect is Effect.ALLOW:
        assert judge(facts, DBA, "production").effect is Effect.ALLOW


def test_every_action_is_decided() -> None:
    for action, principal in itertools.product(Action, (NOBODY, DBA, ANALYST)):
        decision = judge(StatementFacts(action), principal)
        assert "internal" not in decision.rules
        free = action.action_class in (
            ActionClass.SESSION, ActionClass.TRANSACTION, ActionClass.READ
        )  # fmt: skip
        if free:
            assert decision.effect is Effect.ALLOW
