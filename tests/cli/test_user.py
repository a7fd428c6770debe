"""`dbguard user`: what it makes of the file, and what it says."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dbguard.cli.app import app
from dbguard.errors import ConfigurationError
from dbguard.identity.one_time import password_at, step_at
from dbguard.identity.store import accept_one_time, load_users
from dbguard.wire.scram import keys_of, make_verifier

PASSWORD = "correct horse"
ROOT = Path(__file__).parents[2]


def run(path: Path, *arguments: str, text: str = f"{PASSWORD}\n") -> Result:
    result = CliRunner().invoke(app, ["user", *arguments, "--users", str(path)], input=text)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert PASSWORD not in result.output
    return result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def anna(path: Path) -> Path:
    """The file with one user."""
    result = run(
        *(path, "add", "anna", "--password-stdin", "--role", "analyst", "--role", "reviewer"),
        *("--attribute", "department=oncology", "--attribute", "site=a=b"),
    )
    assert result.output == f"anna added to {path}\n"
    return path


def test_a_user_has_what_was_given_and_a_verifier_of_the_password(anna: Path) -> None:
    user = load_users(anna)["anna"]
    assert user.roles == {"analyst", "reviewer"}
    assert user.attributes == {("department", "oncology"), ("site", "a=b")}
    assert not user.disabled
    assert user.verifier is not None
    assert user.verifier.iterations == 4096
    assert user.verifier == make_verifier(PASSWORD, user.verifier.salt, 4096)
    assert PASSWORD not in anna.read_text("utf-8")


def test_each_verifier_has_a_salt_of_its_own(anna: Path) -> None:
    run(anna, "add", "bert", "--password-stdin")
    one, other = (user.verifier for user in load_users(anna).values())
    assert one is not None
    assert other is not None
    assert one.salt != other.salt


def test_a_new_password(anna: Path) -> None:
    before = load_users(anna)["anna"]
    result = run(
        *(anna, "passwd", "anna", "--password-stdin", "--iterations", "8192"),
        text="another one\r\n",
    )
    assert result.output == "anna has a new password\n"
    after = load_users(anna)["anna"].verifier
    assert after is not None
    assert after.iterations == 8192
    assert after.server_key == keys_of("another one", after.salt, 8192).server_key
    assert load_users(anna)["anna"].roles == before.roles
    assert run(anna, "passwd", "anna", "--no-password").output == "anna has no password\n"
    assert load_users(anna)["anna"].verifier is None


def test_disable_enable_remove(anna: Path) -> None:
    assert run(anna, "disable", "anna").output == "anna is disabled\n"
    assert load_users(anna)["anna"].disabled
    assert run(anna, "enable", "anna").output == "anna is enabled\n"
    assert not load_users(anna)["anna"].disabled
    assert run(anna, "remove", "anna", text="n\n").exit_code == 1
    assert "anna" in load_users(anna)
    assert run(anna, "remove", "anna", "--yes").output == f"anna removed from {anna}\n"
    assert load_users(anna) == {}


def test_roles_and_attributes_change(anna: Path) -> None:
    run(
        *(anna, "change", "anna", "--drop-role", "reviewer", "--role", "doctor"),
        *("--drop-attribute", "department", "--attribute", "department=research"),
    )
    user = load_users(anna)["anna"]
    assert user.roles == {"analyst", "doctor"}
    assert user.attributes == {("department", "research"), ("site", "a=b")}


def test_the_list_shows_no_secret(anna: Path) -> None:
    run(anna, "add", "bert [red]", "--no-password")
    run(anna, "disable", "bert [red]")
    run(anna, "totp", "anna")
    verifier = load_users(anna)["anna"].verifier
    assert verifier is not None
    shown = CliRunner().invoke(app, ["user", "list", "--users", str(anna)], env={"COLUMNS": "120"})
    for words in ("anna", "bert [red]", "disabled", "password (4096) + totp", "analyst, reviewer"):
        assert words in shown.output
    document = run(anna, "list", "--json").output
    for output in (shown.output, document):
        for part in verifier.encode().replace("$", ":").split(":")[2:]:
            assert part not in output
    assert json.loads(document)[0] == {
        "name": "anna",
        "disabled": False,
        "password": True,
        "iterations": 4096,
        "roles": ["analyst", "reviewer"],
        "attributes": {"department": ["oncology"], "site": ["a=b"]},
        "second_factor": True,
    }
    run(anna, "remove", "anna", "-y")
    run(anna, "remove", "bert [red]", "-y")
    assert run(anna, "list").output == "no users yet\n"


def test_a_second_factor_is_shown_once(anna: Path) -> None:
    uri = run(anna, "totp", "anna").output
    assert uri.startswith("otpauth://totp/dbguard:anna?secret=")
    one_time = load_users(anna)["anna"].one_time
    assert one_time is not None
    assert one_time.encode() in uri
    assert accept_one_time(anna, "anna", password_at(one_time.secret, step_at(1e9)), 1e9)
    with pytest.raises(ConfigurationError, match="has a second factor already"):
        run(anna, "totp", "anna")
    assert run(anna, "totp", "anna", "--replace").output != uri
    assert run(anna, "totp", "anna", "--remove").output == "anna has no second factor\n"
    assert load_users(anna)["anna"].one_time is None


MISTAKES = [
    (("add", "anna", "--no-password"), "there is a user anna already", "passwd"),
    (("add", " b", "--no-password"), "the name is empty, or begins", "another"),
    (("add", "b\nc", "--no-password"), "cannot be printed", "another"),
    (("add", "b", "--role", "a b"), "--role: must be letters", "--role analyst"),
    (("add", "b", "--attribute", "ab"), "--attribute: must be NAME=VALUE", "department"),
    (("add", "b", "--attribute", "a="), "--attribute: must be printable", "department"),
    (("add", "b", "--attribute", "=b"), "--attribute: must be letters", "department"),
    (("add", "b"), "there is no terminal to ask for a password on", "--password-stdin"),
    (("passwd", "ana"), "there is no user ana", "Did you mean anna?"),
    (("disable", "x"), "there is no user x", "user list"),
    (("enable", "x"), "there is no user x", "user list"),
    (("remove", "x", "-y"), "there is no user x", "user list"),
    (("totp", "x"), "there is no user x", "user list"),
    (("change", "anna", "--drop-role", "x"), "anna has no role x", "analyst, reviewer"),
    (("change", "anna", "--drop-attribute", "x"), "anna has no attribute x", "department, site"),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), MISTAKES)
def test_mistakes(anna: Path, arguments: tuple[str, ...], message: str, hint: str) -> None:
    before = anna.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        run(anna, *arguments)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert anna.read_bytes() == before


@pytest.mark.parametrize("text", ["", "\n", "seven77\n", "with\0zero byte\n"])
def test_passwords_that_are_none(path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="the password"):
        run(path, "add", "anna", "--password-stdin", text=text)
    assert not path.exists()


@pytest.mark.parametrize(
    "command", ["list", "disable x", "passwd x", "remove x", "totp x", "change x"]
)
def test_only_add_makes_a_file(path: Path, command: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file of users"):
        run(path, *command.split())
    assert not path.exists()


def test_the_settings_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    result = runner.invoke(app, ["user", "list"])
    assert isinstance(result.exception, ConfigurationError)
    assert "which users?" in result.exception.message
    settings = 'catalog: {dsn: "postgresql://dbguard@127.0.0.1/postgres"}\n'
    (tmp_path / "dbguard.yaml").write_text(settings, "utf-8")
    result = runner.invoke(app, ["user", "list"])
    assert isinstance(result.exception, ConfigurationError)
    assert "names no file of users" in result.exception.message
    text = "authentication: {mode: identities, users: people.json, logins: [{user: app}]}\n"
    (tmp_path / "dbguard.yaml").write_text(settings + text, "utf-8")
    assert runner.invoke(app, ["user", "add", "anna", "--no-password"]).exit_code == 0
    assert list(load_users(tmp_path / "people.json")) == ["anna"]


def test_no_password_is_taken_as_an_argument(path: Path) -> None:
    assert run(path, "add", "anna", "--password", PASSWORD[:3]).exit_code == 2
    assert run(path, "add", "anna", PASSWORD[:3]).exit_code == 2


def test_a_password_is_asked_for_twice_and_not_shown(path: Path) -> None:
    """At a terminal of its own."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dbguard", "user", "add", "anna", "--users", str(path)],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    os.close(inner)
    seen = b""
    for prompt in (b"Password: ", b"Once more: "):
        while prompt not in seen:
            seen += os.read(terminal, 1024)
        os.write(terminal, PASSWORD.encode() + b"\n")
    assert process.wait(60) == 0
    os.close(terminal)
    assert PASSWORD.encode() not in seen
    verifier = load_users(path)["anna"].verifier
    assert verifier is not None
    assert verifier == make_verifier(PASSWORD, verifier.salt, 4096)
