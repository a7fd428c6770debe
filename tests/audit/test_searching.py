"""A search finds exactly what fits, with indexes, without them, and with wrong ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from typer.main import get_command

from dbguard.audit import blocks as blocks_module
from dbguard.audit.reading import Stored, read
from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    OutcomeRecord,
    RecordKind,
)
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.trails import chains, segments
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.cli.commands import program

APP = get_command(program(["audit"]))

BASE = datetime(2026, 11, 21, 8, tzinfo=UTC)
MADE: list[Path] = []
runner = CliRunner()


def fill(folder: Path, decision: DecisionRecord, sessions: int) -> None:
    seconds: Iterator[int] = iter(range(10_000))
    log = AuditLog.open(
        folder,
        segment_bytes=20_000,
        durability=Durability.BUFFERED,
        clock=lambda: BASE + timedelta(seconds=next(seconds)),
    )
    for number in range(sessions):
        session, user = f"s{number}", f"user{number % 7}"
        fields = (("user", user), ("address", f"10.0.0.{number % 5}"), ("application", "psql"))
        log.append(EventRecord(RecordKind.CONNECT, session, fields))
        made = log.append(
            replace(
                decision,
                session=session,
                principal_user=user,
                identity=IdentityEntry(f"person{number % 3}", "password") if number % 2 else None,
                relations=(f"clinic.t{number % 11}", "clinic.common"),
                decision="deny" if number % 5 == 0 else "allow",
                rules=(f"rule-{number % 4}",),
                text=f'SELECT "Größe" FROM clinic.t{number % 11} WHERE x = $1 -- {number % 2}',
                fingerprint=f"{number % 11:016x}",
            )
        )
        state = "22012" if number % 10 == 3 else ""
        log.wait(log.append(OutcomeRecord(session, made, "SELECT 1", 1, state, 5)), 10)
    log.append(EventRecord(RecordKind.SECURITY, "", (("event", "failed logins"),)))
    log.close()


@pytest.fixture(params=["plain", "sealed", "no index", "wrong index"])
def trail(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    decision: DecisionRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setattr(blocks_module, "BLOCK", 4096)
    if not MADE:
        MADE.append(tmp_path_factory.mktemp("trail") / "audit")
        fill(MADE[0], decision, 60)
        fill(MADE[0] / "eu-1", decision, 25)
    directory = tmp_path / request.param.replace(" ", "-")
    shutil.copytree(MADE[0], directory)
    if request.param == "plain":
        return directory
    for chain in chains(directory):
        for segment in to_seal(chain.folder):
            seal(segment)
        for segment in segments(chain.folder)[:-1]:
            if request.param == "no index":
                segment.index.unlink()
            elif request.param == "wrong index":
                segment.index.write_bytes(segment.index.read_bytes()[:300])
    return directory


def decision_of(stored: Stored) -> DecisionRecord | None:
    return stored.record if isinstance(stored.record, DecisionRecord) else None


def field(stored: Stored, name: str) -> str:
    return stored.record.field(name) if isinstance(stored.record, EventRecord) else ""


QUERIES = {
    "": lambda s, d: True,
    "--kind connect": lambda s, d: s.kind is RecordKind.CONNECT,
    "--kind connect --kind decision": lambda s, d: s.kind in ("connect", "decision"),
    "--principal user3": lambda s, d: (
        (d is not None and d.principal_user == "user3") or field(s, "user") == "user3"
    ),
    "--principal person1": lambda s, d: d is not None and d.who == "person1",
    "--identity person1": lambda s, d: d is not None and d.who == "person1",
    "--identity user3": lambda s, d: False,
    "--principal nobody": lambda s, d: False,
    "--relation clinic.t4": lambda s, d: d is not None and "clinic.t4" in d.relations,
    "--relation clinic.t4 --relation clinic.t5": lambda s, d: (
        d is not None and bool({"clinic.t4", "clinic.t5"} & set(d.relations))
    ),
    "--relation clinic.t? --decision deny": lambda s, d: (
        d is not None and d.decision == "deny" and len(d.relations[0]) == 9
    ),
    "--relation *.t1*": lambda s, d: (
        d is not None and d.relations[0] in ("clinic.t1", "clinic.t10")
    ),
    "--column clinic.patients.ssn": lambda s, d: d is not None,
    "--tag phi.*": lambda s, d: d is not None,
    "--tag phi": lambda s, d: False,
    "--rule rule-2": lambda s, d: d is not None and d.rules == ("rule-2",),
    "--rule analysts-read-masked": lambda s, d: d is not None,
    "--decision deny": lambda s, d: d is not None and d.decision == "deny",
    "--session s17": lambda s, d: s.record.session == "s17",
    "--application psql --kind connect": lambda s, d: s.kind == "connect",
    "--address 10.0.0.2": lambda s, d: field(s, "address") == "10.0.0.2",
    "--database clinic --rule rule-1": lambda s, d: d is not None and d.rules == ("rule-1",),
    "--fingerprint 0000000000000007": lambda s, d: d is not None and "t7" in d.relations[0],
    "größe": lambda s, d: d is not None,
    "select T10": lambda s, d: d is not None and "t10" in d.text,
    '"größe" $1': lambda s, d: d is not None,
    "LOGINS": lambda s, d: s.kind is RecordKind.SECURITY,
    "nothing": lambda s, d: False,
    "--since 2026-11-21T08:00:50 --until 2026-11-21T08:01:03": lambda s, d: (
        50 <= (s.time - BASE).total_seconds() < 63
    ),
    "--decision deny --since 2026-11-21T08:01": lambda s, d: (
        d is not None and d.decision == "deny" and (s.time - BASE).total_seconds() >= 60
    ),
}


def test_what_fits_is_found_newest_first(trail: Path) -> None:
    everything = list(read(trail))
    # Plain segments and unusable indexes have ways of their own only up to the lines.
    for query in QUERIES if trail.name == "sealed" else list(QUERIES)[::4]:
        check(trail, query, everything)


def check(trail: Path, query: str, everything: list[Stored]) -> None:
    expected = [s for s in everything if QUERIES[query](s, decision_of(s))][::-1]
    call = ["audit", "search", "--audit", str(trail), *query.split()]
    result = runner.invoke(APP, [*call, "--limit", "0", "--json"])
    assert result.exit_code == 0, result.output
    found = [orjson.loads(line) for line in result.stdout.splitlines()]
    key = lambda one: (one["time"], one["hash"])  # noqa: E731
    assert sorted(found, key=key) == sorted((orjson.loads(s.line) for s in expected), key=key)
    times = [one["time"] for one in found]
    assert times == sorted(times, reverse=True)
    if not trail.name.startswith("sealed"):
        return
    result = runner.invoke(APP, [*call, "--count"])
    assert result.stdout == f"{len(expected)} records\n"
    result = runner.invoke(APP, [*call, "--limit", "3", "--no-index"])
    assert len(result.stdout.splitlines()) == min(3, len(expected))


OUTCOMES = {
    "--sqlstate 22012": lambda n: n % 10 == 3,
    "--sqlstate 22012 --principal user3": lambda n: n % 10 == 3 and n % 7 == 3,
    "--sqlstate 22012 --relation clinic.t2 T2": lambda n: n % 10 == 3 and n % 11 == 2,
    "--kind outcome --relation clinic.t9": lambda n: n % 11 == 9,
    "--kind outcome --session s8": lambda n: n == 8,
    "--sqlstate 22012 nothing": lambda n: False,
}


def test_outcomes_are_found_by_their_decisions(trail: Path) -> None:
    for query, expected in OUTCOMES.items():
        call = ["audit", "search", "--audit", str(trail), *query.split(), "--limit", "0", "--json"]
        result = runner.invoke(APP, call)
        assert result.exit_code == 0, result.output
        found = [orjson.loads(line) for line in result.stdout.splitlines()]
        assert {one["kind"] for one in found} <= {"outcome"}
        assert sorted(one["session"] for one in found) == sorted(
            f"s{n}" for count in (60, 25) for n in range(count) if expected(n)
        )


def test_one_record_by_its_name(trail: Path) -> None:
    for name in ("2", "eu-1:2"):
        result = runner.invoke(APP, ["audit", "show", name, "--audit", str(trail)])
        document = orjson.loads(result.stdout)
        assert (document["kind"], document["session"]) == ("decision", "s0")
        assert document["outcome"]["decision"] == 2
    result = runner.invoke(APP, ["audit", "show", "eu-1:76", "--audit", str(trail), "--json"])
    assert orjson.loads(result.stdout)["kind"] == "security"
    for name in ("eu-1:77", "eu-2:1", "0"):
        result = runner.invoke(APP, ["audit", "show", name, "--audit", str(trail)])
        assert result.exit_code == 2
        assert f"there is no record {name}; " in result.stderr
    result = runner.invoke(APP, ["audit", "show", "x y", "--audit", str(trail)])
    assert result.exit_code == 2
    assert "not the name of a record: x y. Write its sequence number" in result.stderr


def test_the_last_records_of_all_chains(trail: Path) -> None:
    result = runner.invoke(APP, ["audit", "tail", "-n", "107", "--audit", str(trail)])
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert names[0] == "eu-1:76"
    assert names[1:] == [str(number) for number in range(76, 182)]
    call = ["audit", "show", "--kind", "security", "--audit", str(trail)]
    names = [line.split()[0] for line in runner.invoke(APP, call).stdout.splitlines()]
    assert names == ["eu-1:76", "181"]
