"""Policy tests: statements with the decision that the rules have to make.

*Cases* stand in files named `*.cases.yaml` beside the rules. Each is analysed and decided as the
proxy would do it, against a catalog snapshot, without a server.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from dbguard.errors import ConfigurationError, StatementError
from dbguard.sql.facts import StatementFacts
from dbguard.sql.snapshot import SessionView

from .binding import BoundPolicy
from .deciding import decide
from .decision import Decision, Effect, Identity, Principal, Proof
from .document import Shape
from .loading import CASES_SUFFIXES, read_text
from .problems import Place, Problem, did_you_mean, raise_for
from .yaml_nodes import Tree, read_tree

Reader = Callable[[str, SessionView], Sequence[StatementFacts]]
"""Analysis: a text in a session to the facts of each of its statements, or a StatementError."""

SUPERUSER_PATH = ("pg_catalog", "public")
"""Effective search_path of a session that sets none."""


class Expectation(enum.StrEnum):
    """How a case should end, from the freest to the strictest."""

    ALLOW = "allow"
    """Runs as it is."""
    MASKED = "masked"
    """Runs on masked data."""
    BACKUP = "backup"
    """Runs once a fresh, verified backup exists."""
    DENY = "deny"
    """The rules refuse it."""
    REFUSED = "refused"
    """Analysis refuses it for everybody."""


class _Who(Shape):
    user: str
    groups: tuple[str, ...] = ()
    identity: Annotated[str, Field(min_length=1)] | None = None
    """The person or program that the database user stands for."""
    roles: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _somebodys(self) -> _Who:
        if self.identity is None and (self.roles or self.attributes):
            raise ValueError("roles and attributes are those of an identity, which is missing")
        return self

    @property
    def person(self) -> Identity | None:
        if self.identity is None:
            return None
        attributes = ((name, value) for name, found in self.attributes.items() for value in found)
        return Identity(self.identity, Proof.PASSWORD, frozenset(self.roles), frozenset(attributes))


class _CaseShape(Shape):
    name: str
    as_: Annotated[_Who, Field(alias="as")]
    sql: str
    expect: Expectation
    environment: str = "production"
    search_path: tuple[str, ...] = ()
    masks: tuple[str, ...] | None = None
    rule: str | None = None
    message: str | None = None
    because: str | None = None


class _CasesShape(Shape):
    cases: tuple[_CaseShape, ...]


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One policy test."""

    name: str
    principal: Principal
    environment: str
    search_path: tuple[str, ...]
    sql: str
    expect: Expectation
    masks: frozenset[str] | None
    """Exactly these columns must be masked (`schema.table.column`); None: not looked at."""
    rule: str | None
    """Must take part in the decision."""
    message: str | None
    """Must be part of a reason."""
    place: Place


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended."""

    case: PolicyCase
    outcome: Expectation
    failures: tuple[str, ...]
    """What is not as expected; empty when the case passes."""
    reasons: tuple[str, ...]
    masks: tuple[str, ...]
    rules: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def load_cases(folder: Path) -> tuple[PolicyCase, ...]:
    """The cases of all cases files of `folder`, in the order of files and lines.

    Raises:
        ConfigurationError: with every mistake of every file, one a line.
    """
    paths = sorted(p for p in folder.rglob("*") if p.name.endswith(CASES_SUFFIXES))
    return parse_cases({str(p): read_text(p) for p in paths})


def parse_cases(texts: Mapping[str, str]) -> tuple[PolicyCase, ...]:
    """Cases of YAML texts, given by the names that errors show.

    Raises:
        ConfigurationError: as `load_cases`.
    """
    problems: list[Problem] = []
    cases: list[PolicyCase] = []
    for name, text in texts.items():
        tree, wrong = read_tree(text, name)
        problems.extend(wrong)
        if tree is None:
            continue
        try:
            shape = _CasesShape.model_validate(tree.value)
        except ValidationError as error:
            problems.extend(_problems(error, tree))
            continue
        cases.extend(
            _case(entry, tree.place(("cases", at))) for at, entry in enumerate(shape.cases)
        )
    seen: dict[str, Place] = {}
    for case in cases:
        if (first := seen.setdefault(case.name, case.place)) != case.place:
            what = f"case {case.name!r} is already in {first.file}:{first.line}"
            problems.append(Problem(case.place, what, "rename one of them"))
    raise_for(problems)
    return tuple(cases)


def _problems(error: ValidationError, tree: Tree) -> list[Problem]:
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        path = detail["loc"]
        if detail["type"] == "extra_forbidden":
            model = _Who if "as" in path else _CaseShape if len(path) > 1 else _CasesShape
            known = [f.alias or key for key, f in model.model_fields.items()]
            remedy = did_you_mean(str(path[-1]), known, f"known: {', '.join(known)}")
            found.append(Problem(tree.key_place(path), f"unknown key {str(path[-1])!r}", remedy))
        elif detail["type"] == "missing":
            found.append(Problem(tree.place(path), f"{path[-1]} is missing", f"add {path[-1]}:"))
        else:
            said = detail["msg"].removeprefix("Value error, ").lower()
            what = f"{path[-1] if path else 'file'}: {said}"
            found.append(Problem(tree.place(path), what, "see docs/policy.md"))
    return found


def _case(shape: _CaseShape, place: Place) -> PolicyCase:
    groups = frozenset({*shape.as_.groups, shape.as_.user})
    return PolicyCase(
        name=shape.name,
        principal=Principal(shape.as_.user, groups, database="", identity=shape.as_.person),
        environment=shape.environment,
        search_path=("pg_catalog", *shape.search_path) if shape.search_path else SUPERUSER_PATH,
        sql=shape.sql,
        expect=shape.expect,
        masks=None if shape.masks is None else frozenset(shape.masks),
        rule=shape.rule,
        message=shape.message,
        place=place,
    )


def run_case(case: PolicyCase, bound: BoundPolicy, read: Reader) -> CaseResult:
    """Analyse and decide one case. Several statements count as their strictest."""
    try:
        found = read(case.sql, SessionView(case.principal.user, case.search_path))
    except StatementError as error:
        return _result(case, Expectation.REFUSED, (error.message,), (), ())
    decisions = [decide(bound, facts, case.principal, case.environment) for facts in found]
    if not decisions:
        return _result(case, Expectation.ALLOW, (), (), ())
    order = list(Expectation)
    outcome = max((outcome_of(d) for d in decisions), key=order.index)
    return _result(
        case,
        outcome,
        tuple(r.message for d in decisions for r in d.reasons),
        tuple(dict.fromkeys(str(m.column) for d in decisions for m in d.masks)),
        tuple(sorted({rule for d in decisions for rule in d.rules})),
    )


def outcome_of(decision: Decision) -> Expectation:
    """What a decision amounts to, in the words of cases."""
    if decision.effect is Effect.DENY:
        return Expectation.DENY
    if decision.requirements:
        return Expectation.BACKUP
    return Expectation.MASKED if decision.masks else Expectation.ALLOW


def _result(
    case: PolicyCase,
    outcome: Expectation,
    reasons: tuple[str, ...],
    masks: tuple[str, ...],
    rules: tuple[str, ...],
) -> CaseResult:
    failures = []
    if outcome is not case.expect:
        failures.append(f"expected {case.expect}, got {outcome}")
    if case.masks is not None and case.masks != set(masks):
        for what, names in (
            ("also masks", set(masks) - case.masks),
            ("does not mask", case.masks - set(masks)),
        ):
            if names:
                failures.append(f"{what} {', '.join(sorted(names))}")
    if case.rule is not None and case.rule not in rules:
        failures.append(f"rule {case.rule} took no part, but {', '.join(rules) or 'none'}")
    if case.message is not None and not any(case.message in r for r in reasons):
        failures.append(f"no reason says {case.message!r}")
    return CaseResult(case, outcome, tuple(failures), reasons, masks, rules)


def require_cases(cases: Sequence[PolicyCase], folder: Path) -> None:
    """Tests that test nothing must not pass.

    Raises:
        ConfigurationError: there are none.
    """
    if not cases:
        raise ConfigurationError(
            f"{folder}: no cases; add a file whose name ends in {CASES_SUFFIXES[0]}"
        )
