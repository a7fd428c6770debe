"""Hostile masked users: whatever they send, no protected byte reaches them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from . import attackers
from .attackers import FOLDER, Attack, Attacker, How
from .canaries import canaries, leaks
from .conftest import Factory
from .proxies import Guarded, Relay, await_mark, mark, relayed

pytestmark = pytest.mark.pg

ANALYST = attackers.single_statements("analyst.sql", "analyst")
MALLORY = attackers.single_statements("mallory.sql", "mallory")
SERIES = attackers.attacks("series.sql")
GUESSES = [
    Attack(text, (text,), user)
    for file, user in (("guesses.sql", "analyst"), ("guesses_mallory.sql", "mallory"))
    for text in (a.name for a in attackers.single_statements(file, user))
]

EXPRESSED = """
CREATE STATISTICS left_by_dba.expressed ON (ssn || ''), (upper(last_name)) FROM clinic.patients
"""


@pytest.fixture(scope="module")
def field(
    module_clinic_database: Any, pg_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """The clinic with what others have left there, behind the shipped policy."""
    database = module_clinic_database
    pg_server.create_user("mallory", "analysts")
    database.execute(f'GRANT CREATE, TEMP, CONNECT ON DATABASE "{database.name}" TO mallory')
    setup = (FOLDER / "setup.sql").read_text("utf-8")
    database.execute(setup)
    if database.server.version >= 140000:
        database.execute(EXPRESSED)
    database.execute("ANALYZE")
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("attacks"))
        yield factory(database, durability="buffered")


@pytest.fixture(scope="module")
def values(field: Guarded, module_clinic_database: Any) -> frozenset[bytes]:
    found = canaries(module_clinic_database) | binary_canaries(module_clinic_database)
    ((providers,),) = module_clinic_database.execute(
        "SELECT string_agg(name, ',') FROM clinic.providers"
    )
    found = frozenset(value for value in found if distinctive(value, providers.encode()))
    assert len(found) > 500
    return found


@pytest.fixture(scope="module")
def relay(field: Guarded) -> Iterator[Relay]:
    with relayed(field) as found:
        yield found


def distinctive(value: bytes, providers: bytes) -> bool:
    """Not a name that a provider bears as well, a relationship, or the second of January."""
    return not (value in providers or value.islower() or value.endswith(b"-01-02"))


def binary_canaries(database: Any) -> frozenset[bytes]:
    """Birth dates before 2000 and external ids as fields in binary format."""
    found = set()
    for dob, external_id in database.execute("SELECT dob, external_id FROM clinic.patients"):
        days = (dob - datetime.date(2000, 1, 1)).days
        if days < 0 and (dob.month, dob.day) != (1, 1):
            found.add(b"\0\0\0\4" + days.to_bytes(4, "big", signed=True))
        if external_id is not None:
            found.add(external_id.bytes)
    return frozenset(found)


def opener(field: Guarded, relay: Relay, user: str) -> Callable[[], Attacker]:
    dsn = field.dsn(user).replace(f":{field.port}/", f":{relay.port}/")
    return lambda: Attacker(dsn)


@pytest.mark.parametrize("how", [How.SIMPLE, How.BINARY])
@pytest.mark.parametrize("found", [ANALYST, MALLORY], ids=["analyst", "mallory"])
def test_single_statements(
    field: Guarded, relay: Relay, values: frozenset[bytes], found: list[Attack], how: How
) -> None:
    leaking = {}
    session = opener(field, relay, found[0].user)()
    for attack in found:
        if how is not How.SIMPLE and "; " in attack.name:
            continue  # a syntax error in the extended protocol
        del relay.received[:]
        session.send(attack.name, how)
        session.reset(thoroughly=not attack.name.startswith(("SELECT", "COPY")))
        if leaked := leaks(bytes(relay.received), values):
            leaking[attack.name] = leaked
    session.close()
    assert leaking == {}


@pytest.mark.parametrize("found", [ANALYST, MALLORY], ids=["analyst", "mallory"])
def test_one_statement_after_the_other(
    field: Guarded, relay: Relay, values: frozenset[bytes], found: list[Attack]
) -> None:
    """Strings of statements, sent one by one."""
    leaking = {}
    session = opener(field, relay, found[0].user)()
    for attack in found:
        if "; " not in attack.name:
            continue
        del relay.received[:]
        for text in attack.name.split("; "):
            session.send(text, How.BINARY if text.startswith("SELECT") else How.SIMPLE)
        session.reset()
        if leaked := leaks(bytes(relay.received), values):
            leaking[attack.name] = leaked
    session.close()
    assert leaking == {}


@pytest.mark.parametrize(
    ("attack", "how"), list(attackers.each(SERIES)), ids=lambda v: getattr(v, "name", v)
)
def test_series(
    field: Guarded,
    relay: Relay,
    values: frozenset[bytes],
    module_clinic_database: Any,
    attack: Attack,
    how: How,
) -> None:
    del relay.received[:]
    database = module_clinic_database

    def caught_up() -> None:
        await_mark(mark(database), field.dsn("dba"))

    attackers.run(attack, how, opener(field, relay, attack.user), database.execute, caught_up)
    assert leaks(bytes(relay.received), values) == []


@pytest.mark.parametrize("how", [How.SIMPLE, How.EXTENDED])
@pytest.mark.parametrize("user", ["analyst", "mallory"])
def test_guesses(
    field: Guarded, relay: Relay, module_clinic_database: Any, user: str, how: How
) -> None:
    """A right guess of a protected value looks like a wrong one."""
    row = module_clinic_database.execute(
        "SELECT ssn, last_name, dob::text, mrn, email FROM clinic.patients WHERE id = 7"
    )[0]
    right = dict(zip(("ssn", "name", "dob", "mrn", "email"), row, strict=True))
    wrong = {"ssn": "900-11-0000", "name": "Nobodyatall", "dob": "1901-02-03"}
    wrong |= {"mrn": "MRN-0000000x", "email": "nobody@nowhere.test"}
    # As long as the right ones, and as valid.
    wrong = {k: v if k == "dob" else (v * 9)[: len(right[k])] for k, v in wrong.items()}
    told = []
    session = opener(field, relay, user)()
    for attack in GUESSES:
        if attack.user != user:
            continue
        seen = []
        for guess in (right, wrong):
            text = attack.name
            for key, value in guess.items():
                text = text.replace("{" + key + "}", value)
            session.reset()
            session.send("BEGIN", How.SIMPLE)
            session.send(text, how)
            answers = session.answers
            seen.append(
                (
                    sorted(_without(repr(row), guess) for row in answers.rows),
                    [(state, _without(message, guess)) for state, message in answers.errors],
                )
            )
        if seen[0] != seen[1]:
            told.append((attack.name, seen))
    session.close()
    assert told == []


def _without(message: str, guess: dict[str, str]) -> str:
    for value in guess.values():
        message = message.replace(value, "?")
    return message
