"""`dbguard explain` as a user meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dbguard.cli.app import app
from dbguard.cli.explanation_view import destroyed_words
from dbguard.errors import ConfigurationError
from dbguard.sql.destruction import DestroyedRelation, Destruction, Reach

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
READ_SSN = "SELECT ssn FROM clinic.patients WHERE last_name = 'Miller'"


def explain(user: str, text: str, *options: object) -> Any:
    words = ["explain", "--user", user, "--rules", str(HIPAA), *map(str, options), "-c", text]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "100"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def document(user: str, text: str, *options: object) -> dict[str, Any]:
    result = explain(user, text, "--json", *options)
    found: dict[str, Any] = json.loads(result.stdout)
    refused = found["outcome"] in ("deny", "refused")
    assert result.exit_code == (1 if refused else 0)
    return found


@pytest.mark.parametrize(
    ("user", "text", "outcome"),
    [
        ("analyst", "SELECT id FROM clinic.patients", "allow"),
        ("analyst", READ_SSN, "masked"),
        ("clinician", READ_SSN, "allow"),
        ("dba", "ALTER TABLE clinic.patients ADD COLUMN x int", "backup"),
        ("nobody", READ_SSN, "deny"),
        ("analyst", "DO $$ BEGIN END $$", "deny"),
        ("dba", "selec 1", "refused"),
        ("dba", "SELECT nosuch FROM clinic.patients", "refused"),
        ("analyst", "", "allow"),
    ],
)
def test_outcome_and_exit_code(user: str, text: str, outcome: str) -> None:
    assert document(user, text)["outcome"] == outcome


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ((), "deny"),
        (("--identity-roles", "analyst"), "masked"),
        (("--identity-roles", "nosuch, clinician"), "allow"),
        (("--attribute", "department=oncology"), "deny"),
    ],
)
def test_people_whom_dbguard_knows(options: tuple[str, ...], outcome: str) -> None:
    """Not by their names: a person called like a database user is somebody else."""
    found = document("app", READ_SSN, "--identity", "clinician", *options)
    assert (found["outcome"], found["user"], found["identity"]) == (outcome, "app", "clinician")
    shown = explain("app", READ_SSN, "--identity", "clinician", *options).output
    assert "clinician" in shown
    assert ("department=oncology" in shown) is ("--attribute" in options)
    if outcome == "deny":
        assert "is not allowed for clinician" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--identity-roles", "analyst"), "--identity is missing"),
        (("--attribute", "a=b"), "--identity is missing"),
        (("--identity", "x", "--attribute", "a"), "must be NAME=VALUE"),
    ],
)
def test_mistakes_about_people(options: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        explain("app", READ_SSN, *options)


def test_masked() -> None:
    found = document("analyst", READ_SSN)
    (statement,) = found["statements"]
    assert (found["v"], found["user"], found["roles"]) == (1, "analyst", ["analyst"])
    assert statement["columns"] == [
        {"column": "clinic.patients.last_name", "uses": ["filter"], "tags": ["phi.name"]},
        {"column": "clinic.patients.ssn", "uses": ["output"], "tags": ["phi.ssn"]},
    ]
    assert {m["column"]: m["mask"] for m in statement["masks"]} == {
        "clinic.patients.last_name": "redact",
        "clinic.patients.ssn": "keep_last",
    }
    assert statement["notices"] != []
    assert found["sent"].startswith("SELECT ssn FROM (SELECT ")
    assert found["sent"].endswith("AS \"patients\" WHERE last_name = 'Miller'")
    assert statement["sent"] == found["sent"]
    rules = {rule["id"]: rule for rule in statement["rules"]}
    assert rules["analysts-read-masked"]["bearing"] == "grants"
    assert rules["clinicians-read-phi"]["bearing"] == "close"
    assert [m["aspect"] for m in rules["clinicians-read-phi"]["misses"]] == ["roles"]
    line = (
        (HIPAA / "rules.yaml").read_text().splitlines()[rules["analysts-read-masked"]["line"] - 1]
    )
    assert "analysts-read-masked" in line


def test_literals_stay_out_of_the_redacted_texts() -> None:
    found = document("analyst", READ_SSN)
    (statement,) = found["statements"]
    assert "Miller" in found["text"]
    for part in (found, statement):
        assert "last_name = ?" in part["redacted"]
        assert "last_name = ?" in part["sent_redacted"]


def test_refused_by_a_rule() -> None:
    found = document("clinician", "UPDATE clinic.patients SET phone = NULL")
    (statement,) = found["statements"]
    assert found["refusal"]["rule"] == "no-unbounded-writes"
    assert found["refusal"]["sqlstate"] == "42501"
    assert (found["sent"], statement["sent"]) == (None, None)
    bearings = {rule["id"]: rule["bearing"] for rule in statement["rules"]}
    assert bearings["no-unbounded-writes"] == "refuses"
    assert bearings["clinicians-write-phi"] == "grants"


def test_each_statement_of_a_string_has_its_section() -> None:
    text = "SELECT 'é', ssn FROM clinic.patients; SELECT zip FROM clinic.patients p; SELECT 1"
    found = document("analyst", text)
    first, second, third = found["statements"]
    assert first["text"] == "SELECT 'é', ssn FROM clinic.patients"
    assert first["sent"].startswith("SELECT 'é', ssn FROM (SELECT ")
    assert first["sent"].endswith(' AS "patients"')
    assert second["sent"].endswith(") p")
    assert third["sent"] == "SELECT 1"
    assert "; ".join(s["sent"] for s in found["statements"]) == found["sent"]


def test_one_refused_statement_refuses_the_string() -> None:
    found = document("nobody", f"SELECT 1; {READ_SSN}")
    assert [s["outcome"] for s in found["statements"]] == ["allow", "deny"]
    assert [s["sent"] for s in found["statements"]] == [None, None]
    shown = explain("nobody", f"SELECT 1; {READ_SSN}").stdout
    assert "Statement 2 of 2" in shown
    assert "the whole string: no part of it runs" in shown


def test_a_rewriting_that_fails_is_told() -> None:
    text = "SELECT id, ssn FROM clinic.patients GROUP BY GROUPING SETS ((id), ())"
    found = document("analyst", text)
    assert (found["outcome"], found["refusal"]["sqlstate"]) == ("refused", "42501")
    assert found["statements"][0]["outcome"] == "masked"
    shown = explain("analyst", text).stdout
    assert "depend on its primary key in GROUP BY" in shown
    assert "runs on masked data" not in shown


def test_who_is_taken_for_a_member() -> None:
    assert document("anna", READ_SSN)["outcome"] == "deny"
    found = document("anna", READ_SSN, "--roles", "analysts, staff")
    assert found["outcome"] == "masked"
    assert found["groups"] == ["analysts", "anna", "staff"]
    assert document("analyst", READ_SSN, "--roles", "")["groups"] == ["analyst"]


def test_environment_and_search_path() -> None:
    text = "ALTER TABLE patients ADD COLUMN x int"
    assert document("dba", text)["outcome"] == "refused"
    assert document("dba", text, "--search-path", "clinic")["outcome"] == "backup"
    found = document("dba", text, "--search-path", "clinic", "--environment", "test")
    assert found["outcome"] == "allow"
    bearings = {r["id"]: r["bearing"] for r in found["statements"][0]["rules"]}
    assert bearings["ddl-needs-backup"] == "close"


def test_control_characters_do_not_reach_the_terminal() -> None:
    shown = explain("analyst", "SELECT '\x1b[31m' FROM clinic.patients").stdout
    assert "\x1b" not in shown


def test_settings_say_what_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HIPAA, tmp_path / "rules")
    (tmp_path / "dbguard.yaml").write_text(
        "catalog: {dsn: 'postgresql://me@127.0.0.1:1/x'}\nenvironment: test\nrules: rules\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ["explain", "-u", "dba", "--catalog", "rules/catalog.json", "--json"]
    result = CliRunner().invoke(app, [*words, "-c", "DROP TABLE clinic.notes"])
    assert json.loads(result.stdout)["environment"] == "test"
    result = CliRunner().invoke(app, ["explain", "-u", "dba", "-c", "SELECT 1"])
    assert isinstance(result.exception, ConfigurationError)  # the database of the settings
    assert "can't be reached" in result.exception.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-c", "SELECT 1"), "whose statement?"),
        (("-u", "x", "-c", "SELECT 1"), "which rules?"),
        (("-u", "x", "--rules", "nowhere", "-c", "SELECT 1"), "nowhere: not a folder"),
        (("-u", "x", "--rules", "bare", "-c", "SELECT 1"), "which catalog?"),
    ],
)
def test_usage(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "rules.yaml").write_text("rules: [{id: all, allow: [read]}]\n")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert isinstance(result.exception, ConfigurationError)  # main() makes it exit code 2
    assert message in result.exception.message


@pytest.mark.parametrize(
    ("text", "reach", "relations", "words"),
    [
        (
            "DROP TABLE clinic.claims CASCADE",
            "dependants",
            ["clinic.claims"],
            "clinic.claims, with what belongs to it or depends on it (CASCADE)",
        ),
        (
            "ALTER TABLE clinic.patients DROP COLUMN phone",
            "owned",
            ["clinic.patients"],
            "(dropping a column of clinic.patients)",
        ),
        ("DROP DATABASE other", "cluster", [], "all of database other"),
        ("DO $$ BEGIN END $$", "database", [], "anything in this database (a DO block may change"),
        ("DELETE FROM clinic.patients WHERE id = 1", "named", ["clinic.patients"], ""),
    ],
)
def test_what_is_destroyed(text: str, reach: str, relations: list[str], words: str) -> None:
    (statement,) = document("dba", text)["statements"]
    assert (statement["destroys"]["reach"], statement["destroys"]["relations"]) == (
        reach,
        relations,
    )
    shown = explain("dba", text).output.splitlines()
    lines = [line for line in shown if line.startswith("destroys")]
    assert bool(words) == bool(lines)  # where a rule that asks for a backup is near
    assert not words or words in lines[0]


def test_every_reach_has_words() -> None:
    for reach in Reach:
        found = Destruction((DestroyedRelation(1, "a", "b"),), reach=reach, reason="some reason")
        assert "some reason" in destroyed_words(found)


def test_what_only_adds(tmp_path: Path) -> None:
    """With `unless: additive` the requirement is close, and the note says why it asks nothing."""
    add = "ALTER TABLE clinic.patients ADD COLUMN x int"
    (statement,) = document("dba", add)["statements"]
    assert statement["destroys"] is None
    assert "destroys  nothing: it only adds" in explain("dba", add).output
    rules = shutil.copytree(HIPAA, tmp_path / "rules")
    text = (rules / "rules.yaml").read_text()
    asks = "require: {backup: {max_age: 1h, on_missing: refuse}}"
    assert asks in text
    more = (
        "{max_age: 2h, on_missing: take, max_take_size: 2GB, max_wal: 64MB, providers: [pg_dump]}"
    )
    text = text.replace(asks, f"require: {{backup: {more}}}\n    unless: additive")
    (rules / "rules.yaml").write_text(text)
    (statement,) = document("dba", add, "--rules", rules)["statements"]
    assert (statement["outcome"], statement["requirements"]) == ("allow", [])
    (rule,) = (r for r in statement["rules"] if r["id"] == "ddl-needs-backup")
    assert (rule["bearing"], [m["aspect"] for m in rule["misses"]]) == ("close", ["unless"])
    assert rule["misses"][0]["why"] == "asks nothing of what destroys nothing (unless: additive)"
    drop = "DROP TABLE clinic.claims"
    (statement,) = document("dba", drop, "--rules", rules)["statements"]
    assert statement["requirements"] == [
        {
            "kind": "backup",
            "rule": "ddl-needs-backup",
            "max_age_seconds": 7200,
            "on_missing": "take",
            "min_verification": "restored",
            "providers": ["pg_dump"],
            "max_wal_bytes": 64 * 1024**2,
            "max_take_bytes": 2 * 1024**3,
            "unless_additive": True,
        }
    ]
    assert (
        "requires a proven backup of pg_dump, at most 2 h old, with at most 64 MB of WAL since; "
        "where there is none: taken while the client waits (up to 2 GB) (rule ddl-needs-backup)"
    ) in " ".join(explain("dba", drop, "--rules", rules).output.split())
