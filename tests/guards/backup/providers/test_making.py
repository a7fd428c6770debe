"""Settings of providers: what is read, what is refused and in which words, what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.config import load_settings
from dbguard.errors import ConfigurationError
from dbguard.guards.backup.providers.making import check_providers, make_providers
from dbguard.settings import Settings

from .conftest import NOW

DSN = "postgresql://u:s3cret@127.0.0.1/postgres"
ALL = """
catalog: {dsn: "env:DSN"}
backup:
  providers:
    base: {kind: basebackup, directory: base}
    rest: {kind: pgbackrest, stanza: main, program: "sudo -n -u postgres pgbackrest", verify: true}
    barman: {kind: barman, server: main, configuration: /etc/barman.conf, timeout: 30s}
    wal-g: {kind: walg, environment: {AWS_SECRET_ACCESS_KEY: "env:DSN"}}
    rows: {kind: sql, dsn: "env:DSN", statement: SELECT 1, system_identifier: 7001}
    own: {kind: command, program: [/opt/inventory, "--all of it"]}
    url: {kind: http, url: "https://backups/", headers: {Authorization: "env:DSN"}}
"""


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "dbguard.yaml"
    path.write_text(text)
    return load_settings(path, {"DSN": DSN})


def test_all_kinds(tmp_path: Path) -> None:
    settings = load(tmp_path, ALL).backup
    assert settings is not None
    assert settings.dsn is None
    assert settings.providers["rest"].program == (
        "sudo", "-n", "-u", "postgres", "pgbackrest",
    )  # fmt: skip
    assert settings.providers["own"].program == ("/opt/inventory", "--all of it")
    assert settings.providers["base"].directory == tmp_path / "base"
    assert settings.providers["rows"].system_identifier == "7001"
    made = make_providers(settings.providers, ("127.0.0.1", 5432), lambda: NOW)
    assert [one.name for one in made.all] == list(settings.providers)
    assert "s3cret" not in repr(settings) + repr(made)


def test_of_one_more_upstream(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        f'catalog: {{dsn: "{DSN}"}}\n'
        f'upstreams: {{eu: {{databases: [x], catalog: {{dsn: "{DSN}"}}, backup: '
        "{providers: {main: {kind: pgbackrest, stanza: eu}}}}}\n",
    )
    eu = settings.upstreams["eu"].backup
    assert eu is not None
    assert eu.providers["main"].stanza == "eu"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {kind: pgbackrest}", "backup.providers.a: kind pgbackrest needs stanza"),
        ("a: {kind: tape}", "backup.providers.a.kind: must be 'basebackup', 'pgbackrest', 'barm"),
        ("a: {kind: walg, stanza: x}", "backup.providers.a: stanza does not belong to kind walg"),
        ("a: {kind: walg, zzz: x}", "backup.providers.a.zzz: unknown key."),
        ("a: {stanza: x}", "backup.providers.a.kind: required. Add kind: pgbackrest or set"),
        ("a: {kind: walg, timeout: 2m}", "backup.providers.a.timeout: must be less than or equal"),
        ("a: {kind: http, url: 'http://h/'}", "backup.providers.a: anybody on the way could"),
        ("a: {kind: http, url: 'ftp://h/'}", "backup.providers.a.url: must be an http or https"),
        ("a: {kind: http, url: 'https://u:p@h/'}", "backup.providers.a.url: must have no user"),
        ("a: {kind: sql, dsn: 'x', statement: y}", "backup.providers.a.dsn: must be a PostgreSQL"),
        ("a: {kind: command, program: ''}", "backup.providers.a.program: must name a program."),
        ("a: {kind: command, program: '\"'}", "backup.providers.a.program: has a quote that is"),
        ("a: {kind: command, program: [1]}", "backup.providers.a.program: must be a program and"),
        ("a: {kind: pgbackrest, stanza: '--x'}", "backup.providers.a.stanza: holds characters"),
        ("a: {kind: barman, server: all x}", "backup.providers.a.server: holds characters"),
        (
            "a: {kind: walg, environment: {'A=B': c}}",
            "backup.providers.a.environment: names must be letters",
        ),
        (
            "a: {kind: rds, instance: a, access_key: b}",
            "backup.providers.a: needs both access_key and secret_key, or neither",
        ),
        ("pg_dump: {kind: walg}", "backup.providers: pg_dump is the name of dbguard's own backups"),
        ("A: {kind: walg}", "backup.providers.A"),
        (
            ", ".join(f"a{n}: {{kind: walg}}" for n in range(17)),
            "backup.providers: ",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, f'catalog: {{dsn: "{DSN}"}}\nbackup: {{providers: {{{text}}}}}\n')
    lines = caught.value.message.splitlines()
    assert any("dbguard.yaml:2:" in line and expected in line for line in lines), lines
    assert "s3cret" not in caught.value.message


def test_neither_own_backups_nor_providers(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="backup: needs dsn for backups of dbguard's own"):
        load(tmp_path, f'catalog: {{dsn: "{DSN}"}}\nbackup: {{directory: x}}\n')


def test_what_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("none")
    text = f'catalog: {{dsn: "{DSN}"}}\nbackup: {{providers: {{'
    for provider, words in {
        "a: {kind: http, url: 'https://h/', ca: ca}": "holds no usable certificate authority",
        "a: {kind: basebackup, directory: d, binaries: d, verify: true}": "pg_verifybackup is not",
    }.items():
        settings = load(tmp_path, f"{text}{provider}}}}}\n").backup
        assert settings is not None
        with pytest.raises(ConfigurationError, match=words):
            check_providers(settings.providers)


def test_without_boto3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    text = f'catalog: {{dsn: "{DSN}"}}\nbackup: {{providers: {{a: {{kind: rds, instance: i}}}}}}\n'
    settings = load(tmp_path, text).backup
    assert settings is not None
    with pytest.raises(ConfigurationError, match="kind rds needs the package boto3") as caught:
        check_providers(settings.providers)
    assert caught.value.hint == "Install it: pip install 'dbguard[s3]'."
