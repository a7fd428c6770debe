"""`dbguard analyze` as a user meets it, and the snapshot it works on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dbguard.catalog.saved import load
from dbguard.cli.app import app
from dbguard.errors import ConfigurationError

CATALOG = Path(__file__).parents[2] / "rules" / "hipaa" / "catalog.json"


def analyze(*arguments: object, given: str = "") -> tuple[int, list[dict[str, Any]]]:
    words = ["analyze", "--catalog", str(CATALOG), *map(str, arguments)]
    result = CliRunner().invoke(app, words, input=given)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_the_contract() -> None:
    code, documents = analyze("-c", "SELECT ssn, lower(zip) AS z FROM clinic.patients WHERE id = 1")
    assert code == 0
    assert documents == [
        {
            "action": "select",
            "tables": ["clinic.patients"],
            "columns": [
                {"column": "clinic.patients.id", "uses": ["filter"]},
                {"column": "clinic.patients.ssn", "uses": ["output"]},
                {"column": "clinic.patients.zip", "uses": ["compute"]},
            ],
            "functions": ["pg_catalog.lower"],
            "outputs": [
                {"name": "ssn", "origin": "clinic.patients.ssn"},
                {"name": "z", "origin": None},
            ],
        }
    ]


def test_a_mistake_does_not_hide_other_statements() -> None:
    text = "SELECT id FROM clinic.patients; selec 1;\nSELECT * FROM nosuch; SHOW timezone"
    code, documents = analyze(given=text)
    assert code == 1
    assert [d.get("action") for d in documents] == ["select", None, None, "show"]
    assert [d for d in documents if "refused" in d] == [
        {"refused": 'syntax error at or near "selec"'},
        {"refused": 'relation "nosuch" does not exist'},
    ]


def test_what_cannot_be_seen_through_is_refused() -> None:
    assert analyze("-c", "DO $$ BEGIN END $$") == (1, [{"refused": "a DO block"}])


def test_statements_of_one_text_see_each_other() -> None:
    code, documents = analyze("-c", "CREATE TABLE clinic.t (a int); SELECT a FROM clinic.t")
    assert code == 0
    assert documents[1]["tables"] == ["clinic.t"]


def test_files_and_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "a.sql", tmp_path / "b.sql"
    first.write_bytes("\ufeffSELECT 1".encode())
    second.write_text("-- nothing\n")
    code, documents = analyze(first, second)
    assert (code, [d["action"] for d in documents]) == (0, ["select"])
    assert analyze(given="") == (0, [])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), False),
        (("--search-path", "clinic"), True),
        (("--search-path", "clinic, public"), True),
        (("--search-path", "Clinic"), True),
        (("--search-path", '"Clinic"'), False),
        (("--search-path", "clinic", "--user", "analyst"), True),
        (("--search-path", "clinic", "--role", "dbguard"), False),  # lacks USAGE
    ],
)
def test_names_are_looked_up_as_the_session_would(options: tuple[str, ...], found: bool) -> None:
    code, documents = analyze(*options, "-c", "SELECT id FROM patients")
    assert (code == 0) is found
    assert documents[0].get("tables") == (["clinic.patients"] if found else None)


def test_very_deep_text_is_refused_not_crashed_upon() -> None:
    code, documents = analyze("-c", "SELECT " + "(" * 90 + "1" + ")" * 90)
    assert (code, len(documents)) == (0, 1)
    code, documents = analyze("-c", "SELECT " + "(" * 9000 + "1" + ")" * 9000)
    assert code == 1
    assert "nested more than 100 levels deep" in documents[0]["refused"]
    code, documents = analyze("-c", "SELECT -1" + "+1" * 2500)
    assert code == 1
    assert "more than 2000 operators" in documents[0]["refused"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--catalog is missing"),
        (("--catalog", "nowhere.json"), "nowhere.json"),
        (("--catalog", "postgresql://127.0.0.1:1/x"), "the database can't be reached"),
        (("--catalog", CATALOG, "nowhere.sql"), "nowhere.sql: cannot be read"),
        (("--catalog", CATALOG, "-c", "x", "y.sql"), "--command and files at once"),
    ],
)
def test_usage(arguments: tuple[object, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["analyze", *map(str, arguments)])
    assert isinstance(result.exception, ConfigurationError)  # main() makes it exit code 2
    assert message in result.exception.message


@pytest.mark.pg
def test_snapshot_of_a_live_database(clinic_database: Any, tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    result = CliRunner().invoke(app, ["snapshot", clinic_database.dsn(), str(file)])
    assert result.exit_code == 0, result.output
    saved = load(file.read_text())
    assert f"relations of {saved.database}" in result.output
    text = "SELECT ssn FROM clinic.patients"
    outputs = [
        CliRunner().invoke(app, ["analyze", "--catalog", source, "-c", text]).stdout
        for source in (str(file), clinic_database.dsn())
    ]
    assert outputs[0] == outputs[1]
    assert '"clinic.patients.ssn"' in outputs[0]
