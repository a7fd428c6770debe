"""A clinic's week as its audit trail would tell it: made up, and the same each time.

`write` makes a real trail (hashes, head file) with people, an application, analysts and a batch
job, over days and nights, with what goes wrong in between.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dbguard.audit.chain import GENESIS, Head, make_line, segment_name
from dbguard.audit.records import (
    ColumnEntry,
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    MaskEntry,
    OutcomeRecord,
    RecordKind,
)
from dbguard.audit.rendering import Rendered, render

START = datetime(2026, 11, 16, tzinfo=UTC)
"""A Monday."""
_TAGS = {
    "ssn": "phi.ssn", "dob": "phi.date.birth", "first_name": "phi.name", "last_name": "phi.name",
    "zip": "phi.zip", "phone": "phi.phone", "mrn": "phi.mrn", "note": "phi.free_text",
    "icd10": "phi.diagnosis", "email": "phi.email",
}  # fmt: skip

EVERYTHING = ("id", "mrn", "first_name", "last_name", "ssn", "dob", "zip", "phone", "email")


def _column(name: str, *uses: str) -> ColumnEntry:
    tag = _TAGS.get(name.rpartition(".")[2])
    return ColumnEntry(name, uses or ("output",), (tag,) if tag else ())


@dataclass(frozen=True)
class Person:
    name: str
    user: str
    address: str
    application: str
    proof: str = "password"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A statement that somebody runs, and how often in an hour of the day."""

    person: Person
    record: DecisionRecord
    day: float
    night: float
    rows: tuple[int, int] = (1, 20)
    weekend: float = 0.2


HART = Person("dr.hart", "clinician", "10.20.1.14", "chart-ui", groups=("clinicians",))
OKAFOR = Person("dr.okafor", "clinician", "10.20.1.31", "chart-ui", groups=("clinicians",))
LIND = Person("nurse.lind", "clinician", "10.20.2.7", "chart-ui", groups=("clinicians",))
MEYER = Person("a.meyer", "analyst", "10.20.8.55", "Metabase", "token", ("analysts",))
SATO = Person("k.sato", "analyst", "10.20.8.61", "psql", "certificate", ("analysts",))
PORTAL = Person("patient-portal", "portal", "10.20.40.3", "portal/4.2", "certificate")
BILLING = Person("billing-batch", "billing", "10.20.40.9", "billing-etl", "certificate")
AGENT = Person("support-agent-ai", "support", "10.20.41.2", "agent/1.9", "token")
DBA = Person("m.ruiz", "dba", "10.20.9.2", "psql", "certificate", ("dbas",))
TEMP = Person("temp.contractor", "analyst", "10.20.8.90", "DBeaver", "password", ("analysts",))


def _decision(
    person: Person,
    text: str,
    columns: tuple[ColumnEntry, ...],
    relations: tuple[str, ...] = ("clinic.patients",),
    *,
    action: str = "select",
    decision: str = "allow",
    rules: tuple[str, ...] = (),
    reasons: tuple[str, ...] = (),
    hints: tuple[str, ...] = (),
    masked: tuple[MaskEntry, ...] = (),
    requirements: tuple[str, ...] = (),
    phase: str = "query",
) -> DecisionRecord:
    fingerprint = f"{sum(map(ord, text)):08x}{len(text):04x}"
    return DecisionRecord(
        session="",
        principal_user=person.user,
        principal_groups=person.groups,
        database="clinic",
        client_address=person.address,
        application=person.application,
        environment="production",
        phase=phase,
        action=action,
        wrapper="",
        relations=relations,
        columns=columns,
        decision=decision,
        rules=rules,
        reasons=reasons,
        masked=masked,
        requirements=requirements,
        text=text,
        fingerprint=fingerprint,
        statement="",
        rules_digest="7f3a9c",
        catalog_epoch=4,
        hints=hints,
        identity=IdentityEntry(person.name, person.proof, person.groups),
    )


def _patients(*names: str) -> tuple[ColumnEntry, ...]:
    return tuple(_column(f"clinic.patients.{name}") for name in names)


def _masks(*entries: tuple[str, str]) -> tuple[MaskEntry, ...]:
    return tuple(MaskEntry(c, mask, "analysts-read-masked") for c, mask in entries)


def _kinds() -> list[Kind]:
    chart = "SELECT id, first_name, last_name, dob, mrn FROM clinic.patients WHERE mrn = $1"
    notes = "SELECT note FROM clinic.encounters WHERE patient_id = $1 ORDER BY day DESC LIMIT $2"
    by_year = (
        "SELECT date_part($1, dob) AS born, count(*) FROM clinic.patients GROUP BY 1 ORDER BY 1"
    )
    codes = (
        "SELECT d.icd10, p.zip, count(*) FROM clinic.diagnoses d JOIN clinic.patients p ON p.id = "
        "d.patient_id GROUP BY 1, 2"
    )
    chart_columns = _patients("id", "first_name", "last_name", "dob", "mrn")
    note_columns = (_column("clinic.encounters.note"), _column("clinic.encounters.patient_id"))
    kinds = [
        Kind(person, _decision(person, chart, chart_columns, rules=("clinicians-read-phi",)),
             rate, rate / 12, (1, 1))
        for person, rate in ((HART, 9.0), (OKAFOR, 7.0), (LIND, 12.0))
    ]  # fmt: skip
    kinds += [
        Kind(person, _decision(person, notes, note_columns, ("clinic.encounters",),
                               rules=("clinicians-read-phi",)), rate, rate / 10, (3, 20))
        for person, rate in ((HART, 6.0), (OKAFOR, 5.0), (LIND, 4.0))
    ]  # fmt: skip
    kinds += [
        Kind(MEYER, _decision(MEYER, by_year, _patients("dob"), decision="masked",
                              rules=("analysts-read-masked",),
                              masked=_masks(("clinic.patients.dob", "year"))), 5, 0.0, (60, 90)),
        Kind(MEYER, _decision(MEYER, codes, (*_patients("zip"), _column("clinic.diagnoses.icd10")),
                              ("clinic.diagnoses", "clinic.patients"), decision="masked",
                              rules=("analysts-read-masked",),
                              masked=_masks(("clinic.patients.zip", "zip3"))), 4, 0.0, (200, 900)),
        Kind(SATO, _decision(SATO, "SELECT * FROM clinic.patients", _patients(*EVERYTHING),
                             decision="masked",
                             rules=("analysts-read-masked",), masked=_masks(
                                 ("clinic.patients.ssn", "keep_last"),
                                 ("clinic.patients.dob", "year"), ("clinic.patients.zip", "zip3"),
                                 ("clinic.patients.first_name", "redact"),
                                 ("clinic.patients.last_name", "redact"),
                                 ("clinic.patients.phone", "redact"),
                                 ("clinic.patients.email", "redact"),
                                 ("clinic.patients.mrn", "redact"))), 0.7, 0.0, (800, 5200)),
        Kind(PORTAL, _decision(PORTAL, "SELECT id, day, status FROM clinic.appointments WHERE "
                               "patient_id = $1", (_column("clinic.appointments.day"),),
                               ("clinic.appointments",), phase="bind"), 40, 9, (0, 6), 0.8),
        Kind(PORTAL, _decision(PORTAL, "UPDATE clinic.appointments SET status = $1 WHERE id = $2",
                               (_column("clinic.appointments.status", "write"),),
                               ("clinic.appointments",), action="update", phase="bind"), 11, 2,
             (1, 1), 0.8),
        Kind(BILLING, _decision(BILLING, "COPY (SELECT first_name, last_name, dob, icd10 FROM "
                                "clinic.invoices_open) TO STDOUT",
                                (*_patients("first_name", "last_name", "dob"),
                                 _column("clinic.diagnoses.icd10")),
                                ("clinic.invoices_open",), action="copy_to",
                                rules=("billing-reads-invoices",)), 0.0, 0.45, (9_000, 42_000), 1),
        Kind(AGENT, _decision(AGENT, "SELECT first_name, phone FROM clinic.patients WHERE id = $1",
                              _patients("first_name", "phone"), decision="masked",
                              rules=("support-reads-masked",),
                              masked=(MaskEntry("clinic.patients.phone", "keep_last",
                                                "support-reads-masked"),)), 14, 3, (1, 1), 0.7),
    ]  # fmt: skip
    return kinds + _refused()


def _refused() -> list[Kind]:
    classified = "defaults.classified: reading clinic.patients.ssn (phi.ssn) is not allowed"
    ask = "Ask for a rule that allows [read] on phi.ssn, or leave the column out."
    where = "no-unbounded-writes: UPDATE and DELETE need a WHERE clause here"
    return [
        Kind(AGENT, _decision(AGENT, "SELECT ssn FROM clinic.patients WHERE last_name = $1",
                              (*_patients("ssn"), _column("clinic.patients.last_name", "filter")),
                              decision="deny", reasons=(classified,), hints=(ask,),
                              rules=("defaults.classified",)), 1.1, 0.9, weekend=1),
        Kind(TEMP, _decision(TEMP, "SELECT p.ssn || $1 FROM clinic.patients p JOIN clinic.diagnoses"
                             " d ON d.patient_id = p.id WHERE d.icd10 LIKE $2",
                             (_column("clinic.patients.ssn", "compute"),
                              _column("clinic.diagnoses.icd10", "filter")),
                             ("clinic.diagnoses", "clinic.patients"), decision="deny",
                             reasons=("analysts-hiding-masks: the mask of clinic.patients.ssn "
                                      "would give wrong answers here",),
                             hints=("Join on the patient's id.",),
                             rules=("analysts-hiding-masks",)), 0.2, 1.3, weekend=0.3),
        Kind(MEYER, _decision(MEYER, "COPY clinic.encounters TO STDOUT",
                              (_column("clinic.encounters.note"),), ("clinic.encounters",),
                              action="copy_to", decision="deny",
                              reasons=("exports-need-approval: nobody approved this export",),
                              hints=("Ask the privacy officer for approval.",),
                              rules=("exports-need-approval",)), 0.15, 0.0),
        Kind(DBA, _decision(DBA, "UPDATE clinic.patients SET phone = $1",
                            (_column("clinic.patients.phone", "write"),), action="update",
                            decision="deny", reasons=(where,),
                            hints=("Add a WHERE clause.",), rules=("no-unbounded-writes",)),
             0.06, 0.0),
        Kind(DBA, _decision(DBA, "ALTER TABLE clinic.patients ADD COLUMN blood_type text", (),
                            action="alter", decision="deny", rules=("ddl-needs-backup",),
                            reasons=('ddl-needs-backup: a verified backup of database "clinic" '
                                     "that is at most 1 h old is required",),
                            hints=("Run: dbguard backup now --database clinic",),
                            requirements=("backup missing",)), 0.03, 0.0),
        Kind(SATO, _decision(SATO, "DO $1", (), (), action="do", decision="error",
                             reasons=("analysis: what the code does cannot be seen",),
                             hints=("Run its statements one by one.",), rules=("analysis",)),
             0.1, 0.0),
    ]  # fmt: skip


Entry = tuple[datetime, Rendered | None, OutcomeRecord | None]


def write(directory: Path, days: int = 7, *, scale: float = 1.0, segment: int = 2**20) -> int:
    """Make the trail; how many records it has. `scale`: how busy the clinic is."""
    directory.mkdir(parents=True, exist_ok=True)
    writer = _Writer(directory, segment)
    for time, record, outcome in _story(days, scale):
        sequence = writer.put(time, record)
        if outcome is not None:
            took = timedelta(microseconds=outcome.duration_microseconds)
            writer.put(time + took, render(replace(outcome, decision=sequence)))
    writer.close()
    return writer.sequence


class _Writer:
    def __init__(self, directory: Path, segment: int) -> None:
        self.directory, self.segment = directory, segment
        self.sequence, self.hash, self.number = 0, GENESIS, 1
        self.lines: list[bytes] = []
        self.size = 0
        self.time = START

    def put(self, time: datetime, record: Rendered) -> int:
        self.time = max(self.time, time)
        self.sequence += 1
        shown = self.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line, self.hash = make_line(self.sequence, shown, self.hash, record.body)
        if self.size and self.size + len(line) > self.segment:
            self._flush()
            self.number += 1
        self.lines.append(line)
        self.size += len(line)
        return self.sequence

    def _flush(self) -> None:
        (self.directory / segment_name(self.number)).write_bytes(b"".join(self.lines))
        self.lines, self.size = [], 0

    def close(self) -> None:
        self._flush()
        (self.directory / "head").write_bytes(Head(self.sequence, self.hash).render())


def _story(days: int, scale: float) -> Iterator[tuple[datetime, Rendered, OutcomeRecord | None]]:
    dice = random.Random(6)
    kinds = _kinds()
    yield START, _event(RecordKind.START, version="0.1.0"), None
    yield START, _event(RecordKind.POLICY, digest="7f3a9c", rules="14"), None
    for hour in range(days * 24):
        begin = START + timedelta(hours=hour)
        yield from _logins(hour, begin)
        working = 7 <= begin.hour < 19
        happened: list[tuple[datetime, int]] = []
        for index, kind in enumerate(kinds):
            rate = (kind.day if working else kind.night) * scale
            rate *= kind.weekend if begin.weekday() >= 5 else 1
            rate *= 1 - abs(begin.hour - 13) / 14 if working else 1
            if kind.person is TEMP:
                rate *= 12 if 92 <= hour < 97 else 0.15
            rate *= dice.uniform(0.75, 1.25)
            count = int(rate) + (dice.random() < rate % 1)
            happened += [(begin + timedelta(seconds=dice.random() * 3600), index)
                         for _ in range(count)]  # fmt: skip
        for time, index in sorted(happened):
            kind = kinds[index]
            session = f"{index:02x}{begin.day:02x}{begin.hour // 4:02x}c0ffee"
            record = render(replace(kind.record, session=session))
            if kind.record.decision not in ("allow", "masked"):
                yield time, record, None
                continue
            tag = "UPDATE" if kind.record.action == "update" else "SELECT"
            rows = dice.randint(*kind.rows)
            state = "57014" if dice.random() < 0.004 else ""
            took = dice.randint(900, 40_000)
            yield time, record, OutcomeRecord(session, 0, tag, rows, state, took)
        yield from _incidents(hour, begin)


def _logins(
    hour: int, begin: datetime
) -> Iterator[tuple[datetime, Rendered, OutcomeRecord | None]]:
    """The pools connect anew every few hours, the people in the morning."""
    people = (HART, OKAFOR, LIND, MEYER, SATO, DBA) if begin.hour == 7 else ()
    programs = (PORTAL, BILLING, AGENT) if hour % 4 == 0 else ()
    for person in (*people, *programs):
        session = f"{person.user[:4]}{hour:03}"
        yield begin, _event(
            RecordKind.CONNECT, session, user=person.user, database="clinic",
            address=person.address, application=person.application, tls="TLSv1.3",
        ), None  # fmt: skip
        yield begin, _event(
            RecordKind.AUTHENTICATION, session, user=person.user, identity=person.name,
            proof=person.proof, result="accepted", server_tls="TLSv1.3",
        ), None  # fmt: skip


def _incidents(
    hour: int, begin: datetime
) -> Iterator[tuple[datetime, Rendered, OutcomeRecord | None]]:
    at = begin + timedelta(minutes=59, seconds=50)
    if hour == 34:
        yield at, _event(RecordKind.POLICY, digest="c41d02", rules="15"), None
    if hour == 37:
        alter = _decision(
            DBA, "ALTER TABLE clinic.patients ADD COLUMN blood_type text", (), action="alter",
            rules=("dba-ddl",), requirements=("backup 20261117_122501_a1b2c3",),
        )  # fmt: skip
        yield at, render(alter), OutcomeRecord("d0a", 0, "ALTER TABLE", 0, "", 5_000)
    if hour == 62:
        for number in range(23):
            session = f"bad{number}"
            fields = {"user": "portal", "database": "clinic", "address": "10.20.77.4"}
            yield at, _event(RecordKind.CONNECT, session, **fields), None
            fields = {"user": "portal", "result": "failed 28P01", "reason": "wrong password"}
            yield at, _event(RecordKind.AUTHENTICATION, session, **fields), None
    if hour == 85:
        yield at, _event(
            RecordKind.DRIFT, "0a", user="analyst", identity="a.meyer", database="clinic",
            column="report.visits_by_zip.*", sources="clinic.patients.zip", tags="phi.zip",
            why="filled with classified values, and not classified",
        ), None  # fmt: skip
    if hour == 98:
        yield at, _event(
            RecordKind.RECOVERY, reason="outage", error="ENOSPC", since="2026-11-20T02:41:07Z",
            gap_first="0", gap_last="0",
        ), None  # fmt: skip
    if hour == 122:
        yield at, _event(
            RecordKind.SECURITY, event="session past dbguard", user="postgres", database="clinic",
            address="10.20.9.77", application="pg_dump", since="2026-11-21T02:12:45+00:00",
            kind="client backend",
        ), None  # fmt: skip


def _event(kind: RecordKind, session: str = "", /, **fields: str) -> Rendered:
    return render(EventRecord(kind, session, tuple(fields.items())))
