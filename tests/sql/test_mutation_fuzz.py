"""Mutants of valid statements: what analysis accepts, both parsers and the server see alike.

FUZZ_SECONDS makes it longer, FUZZ_SEED starts it elsewhere, FUZZ_FOLDERS (separated by `:`) adds
statements of further *.sql files, such as PostgreSQL's regression scripts.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbguard.errors import StatementError, SyntaxRefused
from dbguard.sql.analysis import analyze
from dbguard.sql.limits import DEFAULT_LIMITS

from .mutation import oracles, second_opinion, worlds
from .mutation.mutator import Mutator
from .mutation.second_opinion import difference
from .mutation.worlds import Field
from .oracle import Server

pytestmark = pytest.mark.pg

SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
FOLDERS = os.environ.get("FUZZ_FOLDERS", "").split(":")
REPORT = os.environ.get("FUZZ_REPORT")
"""A file for figures and failures; with it, the run goes on behind a failure."""


@pytest.fixture(scope="module")
def fields(pg_server: Any, module_clinic_database: Any) -> Iterator[list[Field]]:
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            made.append(pg_server.create_database())
            stack.callback(made[-1].drop)
        marked, corpus = made
        server = Server(corpus.dsn())
        xml = server.has_xml()
        server.close()
        found = [
            worlds.clinic_field(module_clinic_database),
            worlds.marked_field(marked, worlds.folder_texts(FOLDERS)),
            worlds.corpus_field(corpus, xml=xml),
        ]
        for field in found:
            stack.callback(field.close)
        yield found


_PLANNED = ("SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE")
"""What PostgreSQL analyses when it is prepared; utility statements are not looked at then."""


class Judge:
    """Tries mutants on one world and counts."""

    def __init__(self, field: Field, rng: random.Random) -> None:
        self.field = field
        self.rng = rng
        self.mutator = Mutator(rng, field.texts, field.names)
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.slowest: list[tuple[float, str]] = []

    def judge(self, text: str) -> str:
        """What is wrong with how dbguard takes `text`; "" if nothing is."""
        self.counts["mutants"] += 1
        began = time.perf_counter()
        try:
            readings = analyze(text, self.field.world.snapshot, self.field.view, DEFAULT_LIMITS)
        except StatementError as error:
            self.counts[type(error).__name__] += 1
            if not isinstance(error, SyntaxRefused):
                self._note(text, f"{type(error).__name__} {error.message}")
            return ""
        finally:
            self.slowest = sorted([*self.slowest, (time.perf_counter() - began, text)])[-5:]
        opaque = [o.construct for r in readings for o in r.facts.opaque]
        if opaque:
            self.counts["opaque"] += 1
            self._note(text, opaque[0])
        else:
            self.counts["accepted"] += 1
            if wrong := self._facts_of(text, readings):
                return wrong
        plan = self.field.plan(text)
        if plan.refusal is not None and any(
            d for d in plan.refusal.rule.split() if d == "internal"
        ):
            return f"the decision failed: {plan.refusal.message}"
        if not oracles.executes(plan):
            self.counts["refused by policy"] += not opaque
            return ""
        self.counts["forwarded"] += 1
        if self.counts["mutants"] % 50 == 0:
            self.field.forget()
        return oracles.within(plan) or oracles.masked(self.field, plan, self.rng)

    def _facts_of(self, text: str, readings: Any) -> str:
        differs = difference(text)
        self.counts["compared"] += differs != "-"
        if differs not in ("", "-"):
            return f"parsers disagree: {differs}"
        if wrong := oracles.storable(text) or oracles.complete(self.field, text, readings):
            return wrong
        tags = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt")
        if len(readings) == 1 and readings[0].facts.statement_tag in tags:
            missed = oracles.recalled(self.field, text, readings)
            self.counts["server's dependencies"] += missed is not None
            return missed or ""
        return ""

    def _note(self, text: str, construct: str) -> None:
        if not text.lstrip("( ").upper().startswith(_PLANNED) or not self.field.accepts(text):
            return
        name = construct.partition(' "')[0]
        self.counts["refused although valid"] += 1
        self.refusals[name] += 1
        if name not in self.examples or len(text) < len(self.examples[name]):
            self.examples[name] = text


def test_mutants(fields: list[Field]) -> None:
    ends = time.monotonic() + SECONDS
    judges = [Judge(f, random.Random(SEED * 1000 + i)) for i, f in enumerate(fields)]
    failures: list[str] = []
    rounds = 0
    while time.monotonic() < ends or rounds < 50:
        judge = judges[rounds % len(judges)]
        rounds += 1
        text = judge.mutator.mutant()
        if REPORT:  # a parser of native code may take the process along
            Path(REPORT + ".last").write_text(text, "utf-8")
        wrong = judge.judge(text)
        if wrong:
            failures.append(f"[{judge.field.name}] {wrong}\n{text}\n")
            assert REPORT, f"FUZZ_SEED={SEED}, mutant {rounds}\n{failures[-1]}"
            _report(judges, failures)
        elif REPORT and rounds % 500 == 0:
            _report(judges, failures)
    if REPORT:
        _report(judges, failures)
    accepted = sum(j.counts["accepted"] for j in judges)
    assert accepted > rounds / 50
    assert not failures


def _report(judges: list[Judge], failures: list[str]) -> None:
    lines = [f"seed {SEED}"]
    for judge in judges:
        lines += [f"{judge.field.name}: {dict(judge.counts)}"]
        lines += [f"  slow {s:.2f} s: {t[:200]!r}" for s, t in judge.slowest]
        for name, count in judge.refusals.most_common(25):
            lines.append(f"  {count:6} {name}: {judge.examples[name][:300]!r}")
    lines += [f"\n{len(failures)} failures", *failures]
    Path(str(REPORT)).write_text("\n".join(lines), "utf-8")


@pytest.mark.parametrize("name", ["clinic", "marked", "corpus"])
def test_the_statements_that_mutants_are_made_of(fields: list[Field], name: str) -> None:
    (field,) = (f for f in fields if f.name == name)
    judge = Judge(field, random.Random(SEED))
    texts = field.texts if REPORT else random.Random(SEED).sample(field.texts, 110)
    wrong = {t: w for t in texts if (w := judge.judge(t))}
    told = "\n".join(f"{w}\n    {t}" for t, w in wrong.items())
    assert not wrong, told
    assert judge.counts["forwarded"] > 20


def test_oracles_notice_what_is_wrong(fields: list[Field], monkeypatch: pytest.MonkeyPatch) -> None:
    (field,) = (f for f in fields if f.name == "marked")

    def read(text: str) -> Any:
        return analyze(text, field.world.snapshot, field.view, DEFAULT_LIMITS)

    text, other = "SELECT id, ssn FROM patients", "SELECT id FROM patients"
    plan = field.plan(text)
    assert plan.text != text
    assert oracles.masked(field, plan, random.Random(1)) == ""
    assert oracles.masked(field, replace(plan, text=text), random.Random(1)) != ""
    assert oracles.recalled(field, text, read(text)) == ""
    assert oracles.recalled(field, text, read(other)) == "column patients.ssn is missed"
    assert oracles.complete(field, text, read(text)) == ""
    assert oracles.complete(field, text, read(other)) == "column reference ssn is in no fact"
    assert oracles.storable("SELECT 'a'") == ""
    monkeypatch.setattr(oracles, "redact", lambda text: text)
    assert oracles.storable("SELECT 'a'") == "a literal is stored"
    assert difference(text) == ""
    monkeypatch.setattr(second_opinion, "_readings", lambda *_: [second_opinion.Counter()])
    assert "column ssn unseen by sqlglot" in difference(text)
