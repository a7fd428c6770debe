"""`dbguard check` and `dbguard test` as a user meets them: output and exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dbguard.catalog.saved import load
from dbguard.cli.check import check
from dbguard.cli.test_policy import test as run_tests
from dbguard.identity.store import change_users
from dbguard.identity.users import User

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
app = typer.Typer()
app.command("check")(check)
app.command("test")(run_tests)


def dbguard(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "hipaa"
    shutil.copytree(HIPAA, folder)
    return folder


def test_check_fine(rules: Path) -> None:
    result = dbguard("check", rules)
    assert result.exit_code == 0
    assert result.output.startswith("7 rules, 3 roles, 23 tags, policy ")


def test_check_with_catalog_fine(rules: Path) -> None:
    result = dbguard("check", rules, "--catalog", rules / "catalog.json")
    assert result.exit_code == 0
    assert "classified columns in clinic" in result.output


def test_check_finds(rules: Path) -> None:
    path = rules / "classification.yaml"
    path.write_text(path.read_text().replace("clinic.patients.zip", "clinic.patients.zap"))
    result = dbguard("check", rules, "--catalog", rules / "catalog.json")
    assert result.exit_code == 1
    assert "clinic.patients.zap" in result.output
    assert "clinic.patients.zip" in result.output


def test_check_names_mistakes(rules: Path) -> None:
    (rules / "more.yaml").write_text("ruels: []\nmode: observe\n")
    result = dbguard("check", rules)
    assert result.exit_code == 2
    assert f"{rules}/more.yaml:1:1: unknown key 'ruels'; did you mean 'rules'?" in result.output
    assert "more.yaml:2:7: mode: observe is not supported in this release" in result.output
    assert "Traceback" not in result.output


def test_check_schema() -> None:
    result = dbguard("check", "--schema")
    assert result.exit_code == 0
    assert json.loads(result.output)["additionalProperties"] is False


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        ("nowhere.json", "nowhere.json:1:1: can't be read"),
        ("postgresql://127.0.0.1:1/x", "the database can't be reached"),
        ("postgresql://127.0.0.1:port/x", "the DSN can't be read"),
    ],
)
def test_check_catalog_that_cannot_be_read(rules: Path, catalog: str, message: str) -> None:
    result = dbguard("check", rules, "--catalog", catalog)
    assert result.exit_code == 2
    assert message in result.output


def test_check_catalog_of_another_kind(rules: Path) -> None:
    result = dbguard("check", rules, "--catalog", rules / "rules.yaml")
    assert result.exit_code == 2
    assert "this is not a saved catalog" in result.output


def test_check_saves_the_catalog(rules: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    catalog = rules / "catalog.json"
    assert dbguard("check", rules, "--catalog", catalog, "--save", saved).exit_code == 0
    assert load(saved.read_text()) == load(catalog.read_text())
    assert dbguard("check", rules, "--save", saved).exit_code == 2
    result = dbguard("check", rules, "--catalog", catalog, "--save", tmp_path)
    assert result.exit_code == 2
    assert "can't be written" in result.output


def test_check_needs_rules() -> None:
    assert dbguard("check").exit_code == 2
    assert dbguard("check", "nowhere").exit_code == 2


def test_test_passes(rules: Path) -> None:
    result = dbguard("test", rules)
    assert result.exit_code == 0
    assert "63 of 63 cases pass" in result.output
    assert "analyst reads an ssn" in result.output


def test_test_fails(rules: Path) -> None:
    path = rules / "rules.yaml"
    path.write_text(path.read_text().replace("deny: [update, delete]", "deny: [update]"))
    result = dbguard("test", rules, "--failures")
    assert result.exit_code == 1
    assert "dba forgets WHERE" in result.output
    assert "expected deny, got allow" in result.output
    assert "62 of 63 cases pass" in result.output
    assert "analyst reads an ssn" not in result.output


def test_test_without_cases_or_catalog(rules: Path) -> None:
    (rules / "catalog.json").unlink()
    assert "catalog.json:1:1: can't be read" in dbguard("test", rules).output
    for path in rules.glob("*.cases.yaml"):
        path.unlink()
    result = dbguard("test", rules)
    assert result.exit_code == 2
    assert "no cases" in result.output


@pytest.mark.pg
def test_check_a_live_database(rules: Path, clinic_database: Any) -> None:
    result = dbguard("check", rules, "--catalog", clinic_database.dsn())
    assert result.exit_code == 0, result.output


PROOFS = """
catalog: {dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}
listen: {tls: {certificate: own.crt, key: own.crt, client_ca: own.crt}}
authentication:
  mode: identities
  logins: [{role: doctr, user: app}, {user: app}]
  tokens:
    issuer: https://login.example
    audience: dbguard
    roles: {claim: groups, map: {a: [clinician, analist], b: analist}}
  certificates: {map: certificates.map}
"""


def test_check_names_roles_that_nobody_defines(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "own.crt").write_text("")
    (tmp_path / "certificates.map").write_text("cn ana ana roles=clinician\ncn b b roles=nurze\n")
    (tmp_path / "dbguard.yaml").write_text(PROOFS)
    result = dbguard("check", rules, "--config", tmp_path / "dbguard.yaml")
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    for words in (
        "authentication.logins.0.role no rules file defines the role doctr",
        "authentication.tokens.roles.map no rules file defines the role analist",
        "certificates.map:2 no rules file defines the role nurze",
    ):
        assert sum(words in line for line in lines) == 1, words
    assert "role clinician" not in result.output
    (tmp_path / "certificates.map").write_text("cn ana")
    result = dbguard("check", rules, "--config", tmp_path / "dbguard.yaml")
    assert result.exit_code == 2
    assert "certificates.map:1: needs a kind, a name and a user" in result.output


def test_check_of_users(rules: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    (tmp_path / "dbguard.yaml").write_text(
        'catalog: {dsn: "postgresql://dbguard@127.0.0.1/postgres"}\n'
        "authentication: {mode: identities, users: users.json, logins: [{user: app}]}\n",
        "utf-8",
    )
    result = dbguard("check", rules, "--config", tmp_path / "dbguard.yaml")
    assert result.exit_code == 2
    assert "there is no such file of users" in result.output

    def add(known: dict[str, User]) -> None:
        known["anna"] = User("anna", roles=frozenset({"analyst", "anlyst"}))

    change_users(users, add)
    result = dbguard("check", rules, "--config", tmp_path / "dbguard.yaml")
    assert result.exit_code == 1
    assert "users.json: anna" in result.output
    assert "no rules file defines the role anlyst" in result.output
    assert "the role analyst" not in result.output
