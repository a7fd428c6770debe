"""The clinic's rows, made up from a seed: the same seed gives the same rows.

No row can be mistaken for a real person: social security numbers have the group 00, telephone
numbers the 555-01 range, provider numbers start with 9, and mail goes to example.org. None of
these is ever issued.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from dbguard.demo import codes

TODAY = date(2026, 6, 30)
"""The last day in the data. Fixed, so that rows do not depend on when they are made."""

OLDEST = 1926
"""Birth years begin here: some patients are over 89, which Safe Harbor treats apart."""

Rows = list[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for one table, in the order of `columns`."""

    name: str
    columns: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class _Patient:
    """What notes and encounters need to know of a patient."""

    id: int
    first_name: str
    last_name: str
    ssn: str
    phone: str
    dob: date


@dataclass(frozen=True, slots=True)
class _Encounter:
    id: int
    patient: _Patient
    provider: int
    admitted: datetime
    discharged: datetime
    diagnosis: codes.Diagnosis


def generate(seed: int = 1, patients: int = 4200) -> Iterator[Table]:
    """All tables, referenced ones first. About 25 rows for each patient, all tables together."""
    draw = random.Random(seed)  # noqa: S311 - sample data, repeatable on purpose
    staff = _providers(draw, max(8, patients // 40))
    yield staff
    people, table = _patients(draw, patients)
    yield table
    visits, table = _encounters(draw, people, len(staff.rows))
    yield table
    yield _diagnoses(draw, visits)
    yield _lab_results(draw, visits)
    yield _medications(draw, people)
    yield _claims(draw, visits)
    yield _notes(draw, visits)


def _providers(draw: random.Random, count: int) -> Table:
    rows: Rows = []
    for number in range(1, count + 1):
        first = draw.choice(codes.FEMALE_NAMES + codes.MALE_NAMES)
        name = f"Dr. {first} {draw.choice(codes.LAST_NAMES)}"
        rows.append((number, f"9{number:09d}", name, draw.choice(codes.SPECIALTIES)))
    return Table("providers", ("id", "npi", "name", "specialty"), rows)


def _patients(draw: random.Random, count: int) -> tuple[list[_Patient], Table]:
    people: list[_Patient] = []
    rows: Rows = []
    days = (TODAY - date(OLDEST, 1, 1)).days
    thin = [p for p in codes.PLACES if p.thin]
    wide = [p for p in codes.PLACES if not p.thin]
    for number in range(1, count + 1):
        sex = draw.choices(("female", "male", "other", "unknown"), (49, 48, 2, 1))[0]
        names = codes.FEMALE_NAMES if sex == "female" else codes.MALE_NAMES
        first, last = draw.choice(names), draw.choice(codes.LAST_NAMES)
        dob = date(OLDEST, 1, 1) + timedelta(days=int(days * draw.betavariate(1.6, 1.3)))
        ssn = f"{draw.randrange(100, 900)}-00-{draw.randrange(1, 10000):04d}"
        phone = _phone(draw)
        place = draw.choice(thin if draw.random() < 0.06 else wide)
        contact = {
            "emergency": {
                "name": f"{draw.choice(codes.FEMALE_NAMES)} {last}",
                "phone": _phone(draw),
                "relation": draw.choice(("spouse", "parent", "child", "friend")),
            },
            "preferred": draw.choice(("phone", "email", "mail")),
        }
        allergies = draw.sample(codes.ALLERGIES, draw.choices((0, 1, 2), (70, 22, 8))[0])
        people.append(_Patient(number, first, last, ssn, phone, dob))
        rows.append(
            (
                number,
                f"MRN-{100000 + number * 7}",
                ssn,
                first,
                last,
                dob,
                sex,
                phone,
                f"patient{number}.{_ascii(last)}@example.org",
                f"{draw.randrange(1, 9999)} {draw.choice(codes.STREETS)} Street",
                place.city,
                place.state,
                place.zip,
                f"{draw.choice(codes.INSURERS)}{draw.randrange(10**8, 10**9)}",
                json.dumps(contact, ensure_ascii=False),
                allergies,
                _moment(draw, date(2024, 1, 1), TODAY),
                uuid.UUID(int=draw.getrandbits(128), version=4) if draw.random() < 0.9 else None,
            )
        )
    columns = (
        "id mrn ssn first_name last_name dob sex phone email address city state zip insurance_id "
        "contact allergies created_at external_id"
    )
    return people, Table("patients", tuple(columns.split()), rows)


def _encounters(
    draw: random.Random, people: Sequence[_Patient], providers: int
) -> tuple[list[_Encounter], Table]:
    visits: list[_Encounter] = []
    rows: Rows = []
    kinds = [kind for kind, _ in codes.KINDS]
    kind_weights = [weight for _, weight in codes.KINDS]
    weights = [d.weight for d in codes.DIAGNOSES]
    for patient in people:
        for _ in range(draw.choices((0, 1, 2, 3, 5, 9), (4, 20, 25, 25, 18, 8))[0]):
            admitted = _moment(draw, max(date(2024, 1, 1), patient.dob), TODAY)
            kind = draw.choices(kinds, kind_weights)[0]
            hours = draw.randrange(24, 240) if kind == "inpatient" else draw.randrange(1, 12)
            diagnosis = draw.choices(codes.DIAGNOSES, weights)[0]
            visit = _Encounter(
                id=len(visits) + 1,
                patient=patient,
                provider=draw.randrange(1, providers + 1),
                admitted=admitted,
                discharged=admitted + timedelta(hours=hours),
                diagnosis=diagnosis,
            )
            visits.append(visit)
            still_there = kind == "inpatient" and draw.random() < 0.02
            rows.append(
                (
                    visit.id,
                    patient.id,
                    visit.provider,
                    admitted,
                    None if still_there else visit.discharged,
                    kind,
                    f"{patient.first_name} {patient.last_name}: {diagnosis.description.lower()}",
                )
            )
    columns = ("id", "patient_id", "provider_id", "admitted", "discharged", "kind", "reason")
    return visits, Table("encounters", columns, rows)


def _diagnoses(draw: random.Random, visits: Sequence[_Encounter]) -> Table:
    rows: Rows = []
    for visit in visits:
        found = {visit.diagnosis}
        if draw.random() < 0.5:
            found.add(draw.choice(codes.DIAGNOSES))
        for diagnosis in sorted(found):
            rows.append(
                (
                    len(rows) + 1,
                    visit.id,
                    visit.patient.id,
                    diagnosis.icd10,
                    diagnosis.description,
                    visit.admitted.date(),
                )
            )
    columns = ("id", "encounter_id", "patient_id", "icd10", "description", "diagnosed_on")
    return Table("diagnoses", columns, rows)


def _lab_results(draw: random.Random, visits: Sequence[_Encounter]) -> Table:
    rows: Rows = []
    for visit in visits:
        for test in draw.sample(codes.LAB_TESTS, draw.choices((0, 2, 4, 6), (25, 25, 30, 20))[0]):
            value = max(draw.gauss(test.mean, test.deviation), test.mean / 10)
            rows.append(
                (
                    len(rows) + 1,
                    visit.patient.id,
                    visit.id,
                    test.loinc,
                    test.name,
                    Decimal(f"{value:.{test.decimals}f}"),
                    test.unit,
                    visit.admitted + timedelta(minutes=draw.randrange(10, 50)),
                )
            )
    columns = "id patient_id encounter_id loinc test_name value unit taken_at"
    return Table("lab_results", tuple(columns.split()), rows)


def _medications(draw: random.Random, people: Sequence[_Patient]) -> Table:
    rows: Rows = []
    for patient in people:
        for drug in draw.sample(codes.DRUGS, draw.choices((0, 1, 3, 6), (25, 30, 30, 15))[0]):
            started = _day(draw, max(date(2022, 1, 1), patient.dob), TODAY)
            stopped = _day(draw, started, TODAY) if draw.random() < 0.4 else None
            rows.append(
                (
                    len(rows) + 1,
                    patient.id,
                    drug.rxnorm,
                    drug.name,
                    drug.dose,
                    started,
                    stopped,
                )
            )
    columns = ("id", "patient_id", "rxnorm", "name", "dose", "started", "stopped")
    return Table("medications", columns, rows)


def _claims(draw: random.Random, visits: Sequence[_Encounter]) -> Table:
    rows: Rows = []
    statuses = [status for status, _ in codes.STATUSES]
    weights = [weight for _, weight in codes.STATUSES]
    for visit in visits:
        if draw.random() < 0.15:
            continue
        cents = int(draw.lognormvariate(9.9, 1.0)) + 2500
        rows.append(
            (
                len(rows) + 1,
                visit.patient.id,
                visit.id,
                Decimal(cents) / 100,
                draw.choices(statuses, weights)[0],
                visit.discharged.date(),
                f"{draw.choice(codes.INSURERS)}-{draw.randrange(10**6, 10**7)}",
            )
        )
    columns = "id patient_id encounter_id amount status submitted policy_number"
    return Table("claims", tuple(columns.split()), rows)


def _notes(draw: random.Random, visits: Sequence[_Encounter]) -> Table:
    """Free text as it is written: with names, numbers and dates in the middle of it."""
    rows: Rows = []
    for visit in visits:
        if draw.random() < 0.5:
            continue
        patient = visit.patient
        body = draw.choice(_NOTES).format(
            name=f"{patient.first_name} {patient.last_name}",
            last=patient.last_name,
            ssn=patient.ssn,
            phone=patient.phone,
            dob=patient.dob.isoformat(),
            day=visit.admitted.date().strftime("%m/%d/%Y"),
            diagnosis=visit.diagnosis.description.lower(),
        )
        rows.append((len(rows) + 1, visit.id, patient.id, visit.provider, visit.discharged, body))
    columns = ("id", "encounter_id", "patient_id", "author_id", "written_at", "body")
    return Table("notes", columns, rows)


_NOTES = (
    "{name} (DOB {dob}) seen on {day} for {diagnosis}. Identity checked, SSN {ssn}. "
    "Plan discussed; will call {phone} with results.",
    "Pt {last} presents with {diagnosis}. No acute distress. Follow up in two weeks; "
    "reachable at {phone}.",
    "Telephone encounter {day}: {name} reports improvement. Insurance asked for SSN {ssn} again.",
    "{diagnosis} stable. Labs reviewed. {name} understands when to return.",
    "Discharged {day}. Medication list reconciled with {name}. Born {dob}.",
)


def _phone(draw: random.Random) -> str:
    return f"({draw.randrange(201, 990)}) 555-01{draw.randrange(100):02d}"


def _day(draw: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=draw.randrange((last - first).days + 1))


def _moment(draw: random.Random, first: date, last: date) -> datetime:
    day = _day(draw, first, last)
    seconds = draw.randrange(6 * 3600, 20 * 3600)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)


def _ascii(name: str) -> str:
    return "".join(c for c in name.lower() if c.isascii() and c.isalpha())
