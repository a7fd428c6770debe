"""A trail of some million records: writing, sealing, verifying, searching and reporting.

    python tests/bench/audit_trail.py --records 10000000 --directory /var/tmp/trail

The records are those of sessions with a connection, a login, and a dozen statements, each with its
outcome: 300 people, 60 tables, 2,000 shapes of statements, one in fifty denied. They go through
the writer, signed, over 90 days by the clock of the records. One person in ten thousand statements
is a rare one. Commands run in processes of their own; each line has the time by the wall and the
most memory that the process held. With --keep the directory is left, and used again next time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from dbguard.audit.records import (
    ColumnEntry,
    DecisionRecord,
    EventRecord,
    MaskEntry,
    OutcomeRecord,
    RecordKind,
)
from dbguard.audit.rendering import Rendered, render
from dbguard.audit.signing import SigningKey
from dbguard.audit.trails import segments
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 90
PEOPLE = [f"person{number:03d}" for number in range(300)]
RARE = "rare.person"
TABLES = [f"clinic.table_{number:02d}" for number in range(60)]
SHAPES = 2000
BATCH = 20_000


def plans_of(random: Random) -> list[DecisionRecord]:
    """What the plan cache holds: one for each shape and person that runs it."""
    found = []
    for shape in range(SHAPES):
        user = random.choice(PEOPLE) if shape else RARE
        table = TABLES[shape % len(TABLES)]
        columns = [f"{table}.column_{random.randrange(30)}" for _ in range(random.randint(1, 8))]
        denied = shape % 50 == 7
        masked = not denied and shape % 5 == 0
        names = ", ".join(column.rpartition(".")[2] for column in columns)
        found.append(
            DecisionRecord(
                session="",
                principal_user=user,
                principal_groups=("analysts", user),
                database="clinic",
                client_address="10.1.2.3",
                application="psql",
                environment="production",
                phase="query",
                action="select",
                wrapper="",
                relations=(table,),
                columns=tuple(
                    ColumnEntry(name, ("output",), ("phi.name",) if masked else ())
                    for name in dict.fromkeys(columns)
                ),
                decision="deny" if denied else "masked" if masked else "allow",
                rules=("no-bulk",) if denied else ("analysts-read",),
                reasons=("rule no-bulk forbids it",) if denied else (),
                masked=(MaskEntry(columns[0], "keep_last", "analysts-read"),) if masked else (),
                requirements=(),
                text=f"SELECT {names} FROM {table} AS t{shape} WHERE id = $1 AND day > $2",
                fingerprint=f"{random.getrandbits(64):016x}",
                statement="",
                rules_digest="9f86d081884c7d659a2feaa0c55ad015",
                catalog_epoch=3,
            )
        )
    return found


def records(total: int) -> Iterator[tuple[Rendered, str]]:
    """Bodies; of what runs, and has an outcome, with the session."""
    random = Random(1)
    plans = plans_of(random)
    made = 0
    while made < total:
        session = f"{random.getrandbits(64):016x}"
        address = f"10.{random.randrange(4)}.{random.randrange(40)}.{random.randrange(250)}"
        user = random.choice(PEOPLE)
        opened = (("user", user), ("database", "clinic"), ("address", address))
        yield render(EventRecord(RecordKind.CONNECT, session, opened)), ""
        yield render(EventRecord(RecordKind.AUTHENTICATION, session, opened[:1])), ""
        made += 3
        for _ in range(random.randint(4, 20)):
            plan = plans[0] if random.random() < 0.0001 else plans[random.randrange(1, SHAPES)]
            made_by = replace(plan, session=session, client_address=address)
            yield render(made_by), session
            made += 2
        yield render(EventRecord(RecordKind.DISCONNECT, session, ())), ""


def write(directory: Path, total: int) -> None:
    step = timedelta(days=DAYS) / total
    ticks = 0

    def clock() -> datetime:
        nonlocal ticks
        ticks += 1
        return BEGIN + ticks * step

    log = AuditLog.open(
        directory,
        durability=Durability.BUFFERED,
        clock=clock,
        signer=SigningKey(directory.with_name("audit.key")),
    )
    random = Random(2)
    began, count = time.perf_counter(), 0
    for body, session in records(total):
        number = log.append(body)
        count += 1
        if session:
            state = "22012" if random.random() < 0.001 else ""
            outcome = OutcomeRecord(session, number, "SELECT 3", 3, state, random.randrange(9000))
            log.append(outcome)
            count += 1
        if count % BATCH < 2:
            log.wait(number)
    log.close()
    seconds = time.perf_counter() - began
    size = sum(segment.size for segment in segments(directory))
    print(
        f"append: {count:,} records, {count / seconds:,.0f} a second, {size / count:.0f} bytes each"
    )


def run(name: str, *arguments: str) -> str:
    """Run a command, and print what it took."""
    command = [sys.executable, "-m", "dbguard", *arguments]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    cpu = usage.ru_utime + usage.ru_stime
    print(
        f"{name}: {seconds:.2f} s ({cpu:.2f} s CPU), {usage.ru_maxrss / 1024:.0f} MiB, "
        f"exit code {process.returncode}, {len(output.splitlines())} lines"
    )
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/dbguard-trail"))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--only-write", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    directory = options.directory / "audit"
    if options.only_write:
        write(directory, options.records)
        return
    if not directory.exists():
        options.directory.mkdir(parents=True, exist_ok=True)
        # In a process of its own: what this one holds counts as held by those that it starts.
        subprocess.run([sys.executable, *sys.argv, "--only-write"], check=True)
        raw = sum(segment.size for segment in segments(directory))
        run("seal", "audit", "seal", "--audit", str(directory))
        sealed = sum(segment.size for segment in segments(directory))
        index = sum(path.stat().st_size for path in directory.glob("*.index"))
        print(f"sealed: {raw:,} bytes are {sealed:,}, and {index:,} of indexes")
    trail = ("--audit", str(directory))
    print(f"load: {os.getloadavg()[0]:.1f}")
    search = ("audit", "search", *trail)
    run("search, rare principal", *search, "--principal", RARE, "--limit", "0", "--json")
    run("search, rare principal, last 100", *search, "--principal", RARE)
    run("search, common principal, last 100", *search, "--principal", PEOPLE[7])
    run(
        "search, denied on one table, last 100",
        *search,
        "--relation",
        TABLES[7],
        "--decision",
        "deny",
    )
    run("search, text word that is rare", *search, "t1234", "--limit", "0", "--json")
    run("search, nothing found", *search, "nowhere", "--limit", "0")
    run("search, one session", *search, "--session", "0123456789abcdef")
    run(
        "search, an hour",
        *search,
        "--since",
        "2026-07-01",
        "--until",
        "2026-07-01T01:00",
        "--limit",
        "0",
        "--json",
    )
    print(run("search, count denied", *search, "--decision", "deny", "--count").strip())
    print(run("search, count SQLSTATE", *search, "--sqlstate", "22012", "--count").strip())
    run("tail", "audit", "tail", "-n", "100", *trail)
    run("show one from the middle", "audit", "show", str(options.records // 2), *trail)
    question = "SELECT principal_user, count(*) FROM decisions WHERE decision = 'deny' GROUP BY 1"
    run("sql, denied by user", "audit", "sql", question, *trail)
    run("verify", "audit", "verify", *trail)
    run("report", "report", *trail)
    run("report, a day", "report", *trail, "--since", "2026-07-01", "--until", "2026-07-02")
    if not options.keep:
        shutil.rmtree(options.directory)


if __name__ == "__main__":
    main()
