"""Mistakes in names and grammar: the server's own words, and for whom it is not asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import Guarded

pytestmark = pytest.mark.pg

RULES = """
classification:
  - {tag: phi, columns: [public.people.ssn]}
roles:
  everybody: {users: [app]}
  masked: {users: [viewer]}
masks:
  hidden: {phi: redact}
rules:
  - {id: everything, allow: [all], roles: [everybody], data: [phi]}
  - {id: hidden, allow: [read], roles: [masked], data: [phi], masked: hidden}
defaults:
  classified: deny
  unclassified: {read: allow, write: allow, ddl: allow, code: allow}
"""
SCHEMA = """
CREATE TABLE people (id int, ssn text);
CREATE SEQUENCE parsed;
CREATE FUNCTION seen(int) RETURNS bool LANGUAGE plpgsql AS
  $$ BEGIN PERFORM nextval('parsed'); RETURN true; END $$;
CREATE DOMAIN watched AS int CHECK (seen(VALUE));
GRANT ALL ON people, parsed TO app, viewer
"""
MISTAKES = (
    "SELEC 1",
    "SELECT 'open",
    "SELECT 1 FROM WHERE",
    "SELECT * FROM nosuch",
    "SELECT * FROM nowhere.nosuch",
    "SELECT * FROM public.nosuch",
    "SELECT nosuch FROM people",
    "SELECT p.nosuch FROM people p",
    "SELECT sssn FROM people",
    "SELECT x.id FROM people",
    "SELECT id FROM people a, people b",
    "INSERT INTO people (nosuch) VALUES (1)",
    "UPDATE people SET nosuch = 1",
    "SELECT nosuch(id) FROM people",
    "SELECT id::nosuch FROM people",
    "SELECT * FROM people a, people a",
)


@pytest.fixture(scope="module")
def guarded(module_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    rules: Path = tmp_path_factory.mktemp("rules")
    (rules / "rules.yaml").write_text(RULES, "utf-8")
    for user in ("app", "viewer"):
        module_database.create_user(user)
    module_database.execute(SCHEMA)
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("words"))
        yield factory(module_database, rules=rules, durability="buffered")


def told(dsn: str, text: str, *, prepared: bool, begun: bool) -> dict[str, str | None]:
    """All fields of the error."""
    with closing(psycopg.connect(dsn, autocommit=True)) as session:
        if begun:
            session.execute("BEGIN")
        with pytest.raises(psycopg.Error) as caught:
            session.execute(text.encode(), prepare=prepared, binary=prepared)
        state = session.info.transaction_status.name
        fields = {k: getattr(caught.value.diag, k) for k in dir(caught.value.diag) if k[0] != "_"}
        return {**fields, "state": state}


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("prepared", [False, True])
def test_the_same_in_every_field(
    guarded: Guarded, module_database: Any, prepared: bool, begun: bool
) -> None:
    direct = module_database.dsn("app")
    for text in MISTAKES:
        expected = told(direct, text, prepared=prepared, begun=begun)
        assert expected["source_file"]
        assert told(guarded.dsn("app"), text, prepared=prepared, begun=begun) == expected, text


def test_parsing_runs_no_code_for_those_who_see_masked_data(
    guarded: Guarded, module_database: Any
) -> None:
    """Parsing an array of a domain runs the domain's check, ahead of the mistake behind it."""
    text = "SELECT '{1}'::watched[], nosuch FROM people"
    with (
        closing(guarded.connect("app", autocommit=True)) as session,
        pytest.raises(psycopg.errors.UndefinedColumn),
    ):
        session.execute(text.encode())
    before = module_database.execute("SELECT last_value, is_called FROM parsed")
    assert before == [(1, True)], "this is such a statement"
    for prepared in (False, True):
        with closing(guarded.connect("viewer", autocommit=True)) as session:
            with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
                session.execute(text.encode(), prepare=prepared)
            assert caught.value.diag.source_file is None
    assert module_database.execute("SELECT last_value, is_called FROM parsed") == before
