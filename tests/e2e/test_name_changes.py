"""Whatever changes the meaning of a name: what runs is what was decided, and it is the right thing.

Each script runs twice, on the server itself and through dbguard. The transcripts have to be equal
but for the masks; and since each value says which table it stands in, so must the records.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from .conftest import Factory
from .proxies import Guarded, await_mark, mark

pytestmark = pytest.mark.pg

FOLDER = Path(__file__).parent / "names"
SECRET = "/secret-"


@dataclass(frozen=True)
class Case:
    title: str
    steps: tuple[str, ...]
    user: str
    how: str

    def __str__(self) -> str:
        return f"{self.title}-{self.user}-{self.how}"


def cases(name: str) -> list[Case]:
    """The scripts of a file: for the analyst by both protocols and for the dba by one, unless a
    title says for whom.

    `=> outcome` behind a step is what comes of it through dbguard instead.
    """
    found = []
    for block in ("\n" + (FOLDER / name).read_text("utf-8")).split("\n--- ")[1:]:
        title, *steps = block.strip().splitlines()
        title, _, limits = title.partition(" | ")
        for user in ("analyst", "dba"):
            for how in ("simple", "extended"):
                words = limits.split()
                fits = not {"analyst", "dba"} & set(words) or user in words
                if (user, how) == ("dba", "extended") and "extended" not in words:
                    continue
                if fits and (not {"simple", "extended"} & set(words) or how in words):
                    found.append(Case(title, tuple(steps), user, how))
    return found


@dataclass
class Run:
    """Runs a script in one place; `transcript` says what came of each step."""

    database: Any
    guarded: Guarded | None
    case: Case
    transcript: list[tuple[str, object]] = field(default_factory=list)
    expected: dict[int, object] = field(default_factory=dict)
    """Outcomes that are to be different through dbguard, by their place in the transcript."""
    recorded: list[frozenset[str]] = field(default_factory=list)
    """The relations on record, step by step."""
    messages: list[str] = field(default_factory=list)
    connection: psycopg.Connection[Any] = field(init=False)

    def dsn(self, user: str) -> str:
        dsn: str = self.database.dsn(user)
        if self.guarded is not None:
            dsn = make_conninfo(dsn, host="127.0.0.1", port=self.guarded.port)
        return dsn

    def connect(self, options: str = "") -> None:
        dsn = self.dsn(self.case.user)
        self.connection = psycopg.connect(dsn, autocommit=True, options=options)
        self.connection.prepare_threshold = 0 if self.case.how == "extended" else None
        self.connection.add_notice_handler(lambda d: self.messages.append(str(d.message_primary)))

    def run(self) -> None:
        self.connect()
        try:
            for step in self.case.steps:
                self.step(step.format(user=self.case.user, database=self.database.name))
        finally:
            self.connection.close()

    def step(self, step: str) -> None:
        step, _, other = step.partition(" => ")
        if self.case.how == "extended" and ";" in step and not step.startswith("@"):
            return
        if other:
            self.expected[len(self.transcript)] = other
        word, _, rest = step.partition(" ")
        if word == "@super":
            self.elsewhere(self.database.dsn(), rest)
            made = mark(self.database)
            if self.guarded is not None:
                await_mark(made, self.dsn("dba"))
        elif word == "@dba":
            self.elsewhere(self.dsn("dba"), rest)
        elif word == "@again":
            self.connection.close()
            self.connect(rest)
        else:
            self.read = self.audit_size()
            self.transcript.append((step, self.outcome(step)))
            self.recorded.append(self.relations_on_record())

    def elsewhere(self, dsn: str, text: str) -> None:
        with closing(psycopg.connect(dsn, autocommit=True)) as connection:
            connection.execute(text.encode())

    def outcome(self, text: str) -> object:
        try:
            cursor = self.connection.execute(text.encode())
        except psycopg.Error as error:
            self.messages.append(str(error))
            return f"error {error.sqlstate}"
        rows = []
        while True:
            rows.append(cursor.fetchall() if cursor.description else None)
            if not cursor.nextset():
                return rows

    read: int = 0

    def audit(self) -> list[Path]:
        return sorted(self.guarded.audit.glob("audit-*.jsonl")) if self.guarded else []

    def on_record(self) -> bytes:
        """Whole lines only: the outcome of what was answered may be on its way."""
        data = b"".join(path.read_bytes() for path in self.audit())
        return data[: data.rfind(b"\n") + 1]

    def audit_size(self) -> int:
        return len(self.on_record())

    def relations_on_record(self) -> frozenset[str]:
        records = [json.loads(line) for line in self.on_record()[self.read :].splitlines()]
        return frozenset(
            name
            for record in records
            if record["kind"] == "decision" and record["decision"] in ("allow", "masked")
            for name in record["relations"]
        )


def as_masked(outcome: object) -> object:
    """What an analyst is to see of it."""
    if isinstance(outcome, list | tuple):
        return type(outcome)(map(as_masked, outcome))
    if isinstance(outcome, str) and SECRET in outcome:
        return "***" + outcome[-4:]
    return outcome


def tables_in(outcome: object) -> set[str]:
    """The tables that values say they stand in."""
    if isinstance(outcome, list | tuple):
        return set().union(*map(tables_in, outcome))
    return {outcome.rpartition("/")[0]} if isinstance(outcome, str) and "/" in outcome else set()


def compare(
    direct: Any, behind: Any, guarded: Guarded, case: Case, *, recorded: bool = True
) -> None:
    """`recorded`: values still say where they stand, so that records can be compared."""
    plain = Run(direct, None, case)
    plain.run()
    through = Run(behind, guarded, case)
    through.run()
    said = through.messages + [str(outcome) for _, outcome in through.transcript]
    assert case.user != "analyst" or SECRET not in "\n".join(said)
    for place, (step, raw) in enumerate(plain.transcript):
        expected = as_masked(raw) if case.user == "analyst" else raw
        outcome = through.transcript[place][1]
        assert (step, outcome) == (step, through.expected.get(place, expected)), said
        if outcome != expected or ";" in step or not recorded:
            continue
        named = {re.sub(r"^pg_temp_\d+", "pg_temp", name) for name in through.recorded[place]}
        own = {name for name in named if name.startswith("pg_temp.") or name.endswith(".w")}
        assert tables_in(raw) <= named or own or not named, (step, named)


@pytest.fixture(scope="module")
def template(pg_server: Any) -> Iterator[Any]:
    pg_server.create_user("analyst", "analysts")
    pg_server.create_user("dba", "analysts")
    database = pg_server.create_database()
    database.execute((FOLDER / "setup.sql").read_text("utf-8"))
    yield database
    database.drop()


@pytest.fixture(scope="module")
def shared(template: Any, pg_server: Any) -> Iterator[Any]:
    database = pg_server.create_database(template=template.name, owner="dba")
    yield database
    database.drop()


@pytest.fixture(scope="module")
def guarded(shared: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    rules = tmp_path_factory.mktemp("rules")
    shutil.copy(FOLDER / "rules.yaml", rules)
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("names"))
        yield factory(shared, rules=rules, durability="buffered")


@pytest.mark.parametrize("case", cases("session.sql"), ids=str)
def test_in_a_session(case: Case, shared: Any, guarded: Guarded) -> None:
    compare(shared, shared, guarded, case)


@pytest.mark.parametrize("case", cases("catalog.sql"), ids=str)
def test_in_the_catalog(case: Case, template: Any, pg_server: Any, guarded: Guarded) -> None:
    copies = [pg_server.create_database(template=template.name, owner="dba") for _ in range(2)]
    try:
        compare(*copies, guarded, case, recorded=False)
    finally:
        for copy in copies:
            copy.drop()
