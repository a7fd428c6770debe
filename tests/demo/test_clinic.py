"""The sample database: its shape, and that nothing in it can be somebody's."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import psycopg
import pytest

from dbguard.demo import codes
from dbguard.demo.generator import TODAY, Table, generate

# 2000 Census: three-digit areas with 20,000 people or fewer (45 CFR 164.514(b)(2)(i)(B)).
RESTRICTED = set(
    "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    return {table.name: table for table in generate(seed=1, patients=500)}


def column(table: Table, name: str) -> list[Any]:
    index = table.columns.index(name)
    return [row[index] for row in table.rows]


def test_the_same_seed_gives_the_same_rows(tables: dict[str, Table]) -> None:
    assert list(tables.values()) == list(generate(seed=1, patients=500))
    assert list(tables.values()) != list(generate(seed=2, patients=500))


def test_about_a_hundred_thousand_rows() -> None:
    assert 90_000 < sum(len(table.rows) for table in generate()) < 120_000


def test_no_number_is_ever_issued(tables: dict[str, Table]) -> None:
    patients = tables["patients"]
    assert all(re.fullmatch(r"\d{3}-00-\d{4}", ssn) for ssn in column(patients, "ssn"))
    assert all(" 555-01" in phone for phone in column(patients, "phone"))
    assert all(mail.endswith("@example.org") for mail in column(patients, "email"))
    assert all(npi.startswith("9") for npi in column(tables["providers"], "npi"))


def test_special_cases_of_safe_harbor_occur(tables: dict[str, Table]) -> None:
    patients = tables["patients"]
    assert any(TODAY.year - dob.year > 89 for dob in column(patients, "dob"))
    assert all(date(1926, 1, 1) <= dob <= TODAY for dob in column(patients, "dob"))
    prefixes = {code[:3] for code in column(patients, "zip")}
    assert prefixes & RESTRICTED
    assert prefixes - RESTRICTED
    bodies = " ".join(column(tables["notes"], "body"))
    assert any(ssn in bodies for ssn in column(patients, "ssn"))
    assert any(name in bodies for name in column(patients, "last_name"))


def test_thin_places_are_the_restricted_ones() -> None:
    for place in codes.PLACES:
        assert place.thin == (place.zip[:3] in RESTRICTED), place


@pytest.mark.parametrize(
    ("found", "shape"),
    [
        ([d.icd10 for d in codes.DIAGNOSES], r"[A-TV-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?"),
        ([t.loinc for t in codes.LAB_TESTS], r"\d{3,5}-\d"),
        ([d.rxnorm for d in codes.DRUGS], r"\d{3,7}"),
    ],
)
def test_codes_have_the_shape_of_their_system(found: list[str], shape: str) -> None:
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(shape, code) for code in found)


def test_loinc_check_digits() -> None:
    """The last digit is a Luhn check digit (mod 10) over the others."""
    for test in codes.LAB_TESTS:
        body, check = test.loinc.split("-")
        total = 0
        for place, digit in enumerate(reversed(body)):
            value = int(digit) * (2 if place % 2 == 0 else 1)
            total += value // 10 + value % 10
        assert (10 - total % 10) % 10 == int(check), test.loinc


@pytest.mark.pg
def test_database(clinic_database: Any) -> None:
    ((patients, joined, counted),) = clinic_database.execute(
        """SELECT (SELECT count(*) FROM clinic.patients),
                  (SELECT count(*) FROM clinic.patient_overview),
                  (SELECT count(*) FROM clinic.diagnosis_counts)"""
    )
    assert patients == joined == 60
    assert counted > 5
    kinds = clinic_database.execute(
        """SELECT DISTINCT format_type(atttypid, atttypmod) FROM pg_attribute a
           JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'clinic'::regnamespace
           AND relkind IN ('r', 'p', 'v', 'm') AND attnum > 0"""
    )
    assert {kind for (kind,) in kinds} >= {
        "bigint",
        "text",
        "date",
        "timestamp with time zone",
        "numeric",
        "numeric(12,2)",
        "uuid",
        "jsonb",
        "text[]",
        "clinic.sex",
        "character(2)",
    }
    clinic_database.execute(
        "INSERT INTO clinic.patients (mrn, first_name, last_name, dob) "
        "VALUES ('MRN-1', 'New', 'One', '2000-01-01')",
        user="clinician",
    )


@pytest.mark.pg
@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("analyst", "UPDATE clinic.patients SET ssn = NULL WHERE id = 1"),
        ("clinician", "DROP TABLE clinic.notes"),
        ("dbguard", "SELECT 1 FROM clinic.patients"),
        ("dbguard_backup", "DELETE FROM clinic.notes WHERE id = 1"),
        ("app", "SELECT 1 FROM clinic.patients"),
    ],
)
def test_grants_are_no_wider_than_needed(clinic_database: Any, user: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        clinic_database.execute(statement, user=user)
