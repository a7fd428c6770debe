"""Who stands for whom at the server, and where the passwords come from."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from dbguard.authentication_settings import LoginSettings
from dbguard.config import load_settings
from dbguard.errors import ConfigurationError
from dbguard.identity import secret_reading
from dbguard.identity.credentials import (
    CredentialUnavailable,
    NobodyStandsIn,
    credential_of,
    login_for,
)
from dbguard.policy.decision import Identity, Proof
from dbguard.policy.loading import load_documents

POLICY = load_documents(
    {
        "x": """
roles:
  analyst: {identities: [anna]}
  doctor: {attributes: {department: [oncology]}}
  boss: {users: [bert], groups: [bert, dora]}
  reviewer: {identities: []}
rules: [{id: all, allow: [all]}]
"""
    }
)
DSN = "postgresql://dbguard@127.0.0.1/postgres"


def logins(
    tmp_path: Path, text: str, environ: dict[str, str] | None = None
) -> tuple[LoginSettings, ...]:
    path = tmp_path / "dbguard.yaml"
    path.write_text(
        f'catalog: {{dsn: "{DSN}"}}\nauthentication: {{mode: identities, logins: {text}}}\n',
        "utf-8",
    )
    return load_settings(path, environ or {}).authentication.logins


ENTRIES = """[
  {role: reviewer, user: app_reviewer}, {role: analyst, user: app_analyst},
  {role: unheard-of, user: app_unheard}, {role: doctor, user: app_doctor},
  {role: boss, user: app_boss}]"""


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        (Identity("anna", Proof.PASSWORD), "app_analyst"),
        (Identity("anna", Proof.PASSWORD, frozenset({"reviewer"})), "app_reviewer"),
        (Identity("carl", Proof.PASSWORD, frozenset({"analyst", "boss"})), "app_analyst"),
        (
            Identity("carl", Proof.TOKEN, attributes=frozenset({("department", "oncology")})),
            "app_doctor",
        ),
        (Identity("carl", Proof.TOKEN, frozenset({"unheard-of"})), "app_unheard"),
        (Identity("carl", Proof.TOKEN, attributes=frozenset({("department", "x")})), ""),
        (Identity("bert", Proof.PASSWORD), ""),
        (Identity("dora", Proof.PASSWORD), ""),
        (Identity("analyst", Proof.PASSWORD), ""),
        (Identity("", Proof.PASSWORD), ""),
    ],
)
def test_the_first_entry_that_fits(tmp_path: Path, identity: Identity, user: str) -> None:
    """A database user or group of the same name is somebody else."""
    entries = logins(tmp_path, ENTRIES)
    if user:
        assert login_for(entries, POLICY, identity).user == user
        return
    with pytest.raises(NobodyStandsIn, match="no database user stands for you"):
        login_for(entries, POLICY, identity)
    everybody = (*entries, LoginSettings(user="app_readonly"))
    assert login_for(everybody, POLICY, identity).user == "app_readonly"


def test_each_server_has_users_of_its_own(tmp_path: Path) -> None:
    entries = logins(
        tmp_path,
        "[{role: analyst, upstream: europe, user: eu_analyst}, {upstream: asia, user: as_app},"
        " {role: analyst, user: app_analyst}]",
    )
    anna, carl = Identity("anna", Proof.PASSWORD), Identity("carl", Proof.PASSWORD)
    assert login_for(entries, POLICY, anna, "europe").user == "eu_analyst"
    assert login_for(entries, POLICY, anna, "asia").user == "as_app"
    assert login_for(entries, POLICY, anna).user == "app_analyst"
    assert login_for(entries, POLICY, carl, "asia").user == "as_app"
    for upstream in ("", "europe"):
        with pytest.raises(NobodyStandsIn):
            login_for(entries, POLICY, carl, upstream)


def password(tmp_path: Path, source: str, environ: dict[str, str] | None = None) -> str | None:
    (login,) = logins(tmp_path, f"[{{user: app, password: '{source}'}}]", environ)
    for secret in ("hushed", "from env"):
        assert secret not in repr(login)
    return asyncio.run(credential_of(login)).password


def test_secrets_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.secret").write_text("hushed\n", "utf-8")
    script = tmp_path / "tell.py"
    script.write_text("import sys; print('hushed ' + sys.argv[1])", "utf-8")
    assert password(tmp_path, "file:a.secret") == "hushed"
    assert password(tmp_path, "env:SECRET", {"SECRET": "from env"}) == "from env"
    assert password(tmp_path, "hushed") == "hushed"
    command = f'command:{sys.executable} {script} "a $HOME; b"'
    assert password(tmp_path, command) == "hushed a $HOME; b", "no shell looks at it"
    (login,) = logins(tmp_path, "[{user: app}]")
    assert asyncio.run(credential_of(login)).password is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a ", " a "), ("ä\n".encode(), "ä")],
)
def test_one_line_break_does_not_count(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "a.secret").write_bytes(content)
    assert password(tmp_path, "file:a.secret") == expected
    tell = f'command:{sys.executable} -c "import sys; sys.stdout.buffer.write({content!r})"'
    (login,) = logins(tmp_path, "[{user: app, password: " + repr_yaml(tell) + "}]")
    assert asyncio.run(credential_of(login)).password == expected


def repr_yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "a.secret"
    (login,) = logins(tmp_path, "[{user: app, password: 'file:a.secret'}]")
    for secret in ("one", "two"):
        file.write_text(secret, "utf-8")
        assert asyncio.run(credential_of(login)).password == secret


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("file:nosuch", "its file cannot be read: no such file or directory"),
        ("file:empty", "it is empty"),
        ("file:zero", "it holds a zero byte"),
        ("file:bytes", "it is not UTF-8 text"),
        ("command:nosuch-program", "its command cannot be started: no such file or directory"),
        (f'command:{sys.executable} -c "print(1); raise SystemExit(3)"', "exit code 3"),
        (f'command:{sys.executable} -c "pass"', "it is empty"),
        (f'command:{sys.executable} -c "print(7 * 99999)"', "says too much"),
        (f'command:{sys.executable} -c "import time; time.sleep(60)"', "takes more than 0.5 s"),
    ],
)
def test_secrets_that_are_not_to_be_had(
    tmp_path: Path, source: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in source:
        monkeypatch.setattr(secret_reading, "COMMAND_SECONDS", 0.5)
    if "too much" in why:
        monkeypatch.setattr(secret_reading, "MAX_BYTES", 5)
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "zero").write_bytes(b"hushed\0")
    (tmp_path / "bytes").write_bytes(b"hushed\xff")
    source = source.replace("file:", f"file:{tmp_path}/")
    (login,) = logins(tmp_path, "[{user: app, password: " + repr_yaml(source) + "}]")
    with pytest.raises(CredentialUnavailable) as caught:
        asyncio.run(credential_of(login))
    error = caught.value
    assert error.message == "the server cannot be logged in to on your behalf"
    assert why in error.detail
    assert "hushed" not in f"{error.detail} {error.hint}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{role: x}]", "authentication.logins.0.user: required"),
        ("[{user: ''}]", "authentication.logins.0.user: "),
        ('[{user: "a\\tb"}]', "must be a printable name"),
        (f"[{{user: {'ä' * 40}}}]", "at most 63 bytes"),
        ("[{user: a, rol: x}]", "authentication.logins.0.rol: unknown key. Did you mean role?"),
        ("[{user: a, password: 'env:NOSUCH'}]", "NOSUCH, which is not set"),
        ("[{user: a, password: 'env:EMPTY'}]", "secret is empty"),
        ("[{user: a, password: ''}]", "secret is empty"),
        ("[{user: a, password: 12345}]", "secret must be text; put it in quotes"),
        ("[{user: a, password: {text: hushed}}]", "secret must be text; put it in quotes"),
        ("[{user: a, password: 'file:'}]", "secret file must be a path"),
        ("[{user: a, password: 'command:'}]", "command must name a program"),
        ("[{user: a, password: 'command:a \"hushed'}]", "a quote that is not closed"),
        ("{user: a}", "authentication.logins: "),
        ("a", "authentication.logins: "),
    ],
)
def test_mistakes_in_the_settings(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        logins(tmp_path, text, {"EMPTY": ""})
    assert words in caught.value.message
    assert f"{tmp_path}/dbguard.yaml:2:" in caught.value.message
    assert "hushed" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{mode: identities}", "authentication.mode: identities knows nobody"),
        ("{mode: identities, users: u.json}", "authentication.logins: no database user stands"),
        ("{mode: identities, users: u.json, logins: []}", "authentication.logins: no database"),
        (
            "{mode: identities, users: u.json, logins: [{user: a, upstream: nosuch}]}",
            "authentication.logins.0.upstream: there is no upstream nosuch",
        ),
        ("{users: u.json}", "authentication.users: the server knows its own users only"),
        ("{mode: server-users, logins: [{user: a}]}", "authentication.logins: the server knows"),
        (
            "{mode: identities, users: u.json, logins: [{user: a}], query: SELECT}",
            "authentication.query and authentication.dsn: what the server knows",
        ),
        (
            "{mode: identities, users: u.json, logins: [{user: a}], file: dbguard.yaml}",
            "authentication.file: what the server knows",
        ),
    ],
)
def test_settings_that_let_nobody_in(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dbguard.yaml"
    path.write_text(f'catalog: {{dsn: "{DSN}"}}\nauthentication: {text}\n', "utf-8")
    with pytest.raises(ConfigurationError, match=words):
        load_settings(path, {}).check_combination()


def test_variables_name_no_entries_of_a_list() -> None:
    environ = {"DBGUARD_CATALOG__DSN": DSN}
    for name in ("LOGINS", "LOGINS__USER", "LOGINS__0__USER"):
        with pytest.raises(ConfigurationError, match=f"variable DBGUARD_AUTHENTICATION__{name}: "):
            load_settings(None, environ | {f"DBGUARD_AUTHENTICATION__{name}": "x"})
