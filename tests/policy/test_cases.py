"""Policy tests as data: how they are read, run and judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dbguard.errors import ConfigurationError, NotUnderstood
from dbguard.policy.cases import (
    CaseResult,
    Expectation,
    load_cases,
    parse_cases,
    require_cases,
    run_case,
)
from dbguard.sql.facts import Action, StatementFacts, Use
from dbguard.sql.snapshot import SessionView

from .clinic import BENCH, PATIENTS, bound, select, whole

STATEMENTS = {
    "masked": (select(PATIENTS, ssn=Use.OUTPUT),),
    "plain": (select(PATIENTS, id=Use.OUTPUT),),
    "both": (select(PATIENTS, id=Use.OUTPUT), select(PATIENTS, ssn=Use.OUTPUT)),
    "drop": (whole(Action.DROP, BENCH),),
    "nothing": (),
}


def read(text: str, view: SessionView) -> Sequence[StatementFacts]:
    if text not in STATEMENTS:
        raise NotUnderstood("the statement can't be read")
    return STATEMENTS[text]


def run(terms: str) -> CaseResult:
    (case,) = parse_cases({"c": f"cases: [{{name: n, {terms}}}]"})
    return run_case(case, bound(), read)


@pytest.mark.parametrize(
    "terms",
    [
        "as: {user: analyst}, sql: masked, expect: masked, masks: [clinic.patients.ssn]",
        "as: {user: analyst}, sql: both, expect: masked, rule: read-masked",
        "as: {user: analyst}, sql: plain, expect: allow, masks: []",
        "as: {user: x, groups: [clinicians]}, sql: masked, expect: allow, rule: read-phi",
        "as: {user: x}, sql: both, expect: deny, message: is not allowed for x",
        "as: {user: dba}, sql: drop, expect: backup",
        "as: {user: dba}, sql: drop, expect: allow, environment: staging",
        "as: {user: dba}, sql: nothing, expect: allow",
        "as: {user: dba}, sql: gibberish, expect: refused, message: can't be read",
    ],
)
def test_passing(terms: str) -> None:
    assert run(terms).failures == ()


@pytest.mark.parametrize(
    ("terms", "failure"),
    [
        ("as: {user: analyst}, sql: masked, expect: allow", "expected allow, got masked"),
        ("as: {user: analyst}, sql: gibberish, expect: deny", "expected deny, got refused"),
        (
            "as: {user: analyst}, sql: masked, expect: masked, masks: [a.b.c]",
            "also masks clinic.patients.ssn",
        ),
        ("as: {user: analyst}, sql: plain, expect: allow, masks: [a.b.c]", "does not mask a.b.c"),
        (
            "as: {user: analyst}, sql: plain, expect: allow, rule: backup",
            "rule backup took no part, but none",
        ),
        ("as: {user: x}, sql: masked, expect: deny, message: hm", "no reason says 'hm'"),
    ],
)
def test_failing(terms: str, failure: str) -> None:
    result = run(terms)
    assert not result.passed
    assert failure in result.failures


def test_the_session_is_the_cases() -> None:
    views = []

    def remember(text: str, view: SessionView) -> Sequence[StatementFacts]:
        views.append(view)
        return ()

    cases = parse_cases(
        {
            "c": "cases:\n- {name: a, as: {user: u}, sql: x, expect: allow}\n"
            "- {name: b, as: {user: u}, sql: x, expect: allow, search_path: [clinic, public]}"
        }
    )
    for case in cases:
        run_case(case, bound(), remember)
    assert [v.search_path for v in views] == [
        ("pg_catalog", "public"),
        ("pg_catalog", "clinic", "public"),
    ]
    assert {v.user for v in views} == {"u"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("cases: 3", "c:1:8: cases: input should be a valid tuple"),
        ("casses: []", "c:1:1: unknown key 'casses'; did you mean 'cases'?"),
        ("cases: [{name: a}]", "c:1:9: as is missing; add as:"),
        (
            "cases: [{name: a, as: {usr: x}, sql: x, expect: allow}]",
            "c:1:24: unknown key 'usr'; did you mean 'user'?",
        ),
        (
            "cases: [{name: a, as: {user: x}, sql: x, expect: alow}]",
            "c:1:50: expect: input should be 'allow', 'masked', 'backup', 'deny' or 'refused'",
        ),
        (
            "cases:\n- {name: a, as: {user: x}, sql: x, expect: allow}\n"
            "- {name: a, as: {user: x}, sql: x, expect: deny}",
            "c:3:3: case 'a' is already in c:2; rename one of them",
        ),
    ],
)
def test_mistakes(text: str, error: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_cases({"c": text})
    assert any(line.startswith(error) for line in str(caught.value).splitlines()), caught.value


def test_no_cases_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: []")
    assert load_cases(tmp_path) == ()
    with pytest.raises(ConfigurationError, match="no cases"):
        require_cases((), tmp_path)


def test_outcomes_are_ordered_by_strictness() -> None:
    assert list(Expectation) == ["allow", "masked", "backup", "deny", "refused"]
