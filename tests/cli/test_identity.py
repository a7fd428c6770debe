"""`dbguard identity` as an operator meets it: output and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner

from dbguard.cli.app import app
from tests.authority import CN, DAY, NOW, Authority, O, subject
from tests.oidc import LocalIssuer, rsa_key, running

AUTHORITY = Authority()
MAP = r"""
cn ana ana roles=reader,analyst department=oncology
email /([a-z]+)@clinic\.example/ \1
dns other nobody
"""
SETTINGS = """
catalog: {dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}
listen: {tls: {certificate: own.crt, key: own.crt, client_ca: own.crt}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ana = AUTHORITY.issue(
        x509.RFC822Name("bob@Clinic.Example"),
        x509.UniformResourceIdentifier("spiffe://clinic/ana"),
        subject=subject((O, "Clinic"), (CN, "ana")),
    )
    ana.write(tmp_path, "ana")
    (tmp_path / "ana.der").write_bytes(ana.der)
    AUTHORITY.issue(subject=subject((CN, "ana")), end=NOW - DAY / 2).write(tmp_path, "expired")
    AUTHORITY.issue(subject=subject((CN, "ana")), start=NOW + DAY).write(tmp_path, "early")
    AUTHORITY.issue(subject=subject((CN, "who"))).write(tmp_path, "stranger")
    AUTHORITY.issue(subject=subject((CN, "ana\0"))).write(tmp_path, "zero")
    (tmp_path / "own.crt").write_text("")
    (tmp_path / "certificates.map").write_text(MAP)
    (tmp_path / "bad.map").write_text("cn ana")
    settings = f"{SETTINGS}authentication: {{certificates: {{map: certificates.map}}}}\n"
    (tmp_path / "dbguard.yaml").write_text(settings)
    (tmp_path / "bare.yaml").write_text(SETTINGS)
    return tmp_path


def run(folder: Path, *arguments: str) -> Any:
    words = [str(folder / a) if "." in a else a for a in arguments]
    return CliRunner().invoke(app, ["identity", "certificate", *words], env={"COLUMNS": "200"})


@pytest.mark.parametrize("file", ["ana.crt", "ana.der"])
@pytest.mark.parametrize("source", [("--map", "certificates.map"), ("--config", "dbguard.yaml")])
def test_who_it_is(folder: Path, file: str, source: tuple[str, str]) -> None:
    result = run(folder, file, *source)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "dn     CN=ana,O=Clinic",
        "cn     ana",
        "email  bob@clinic.example",
        "uri    spiffe://clinic/ana",
        f"valid  until {NOW + 9 * DAY:%Y-%m-%d %H:%M} UTC",
        "",
        "ana: line 2, cn ana; roles analyst, reader; attributes department=oncology",
        "bob: line 3, email bob@clinic.example",
    ]


def test_whether_it_is_somebody(folder: Path) -> None:
    table = ("--map", "certificates.map")
    found = run(folder, "ana.crt", *table, "--user", "bob")
    assert (found.exit_code, found.output.splitlines()[-1]) == (
        0,
        "bob: line 3, email bob@clinic.example",
    )
    missed = run(folder, "ana.crt", *table, "--user", "dba")
    assert (missed.exit_code, missed.output.splitlines()[-1]) == (1, 'no line leads to "dba"')
    nobody = run(folder, "stranger.crt", *table)
    assert (nobody.exit_code, nobody.output.splitlines()[-1]) == (1, "stands for nobody")


@pytest.mark.parametrize(("file", "words"), [("expired", "expired on"), ("early", "not before")])
def test_one_that_is_not_valid_now(folder: Path, file: str, words: str) -> None:
    result = run(folder, f"{file}.crt", "--map", "certificates.map")
    assert result.exit_code == 1
    assert f"valid  {words}" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.crt", "--map", "certificates.map"), "cannot be read: no such file"),
        (("ana.key", "--map", "certificates.map"), "no certificate in PEM or DER format"),
        (("own.crt", "--map", "certificates.map"), "its names cannot be read"),
        (("zero.crt", "--map", "certificates.map"), "one that is too long or cannot be shown"),
        (("ana.crt", "--map", "bad.map"), "bad.map:1: needs a kind"),
        (("ana.crt", "--map", "missing.map"), "cannot be read: no such file"),
        (("ana.crt", "--config", "bare.yaml"), "names no certificate map"),
        (("ana.crt", "--config", "missing.yaml"), "missing.yaml"),
    ],
)
def test_mistakes(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


TOKENS = """
catalog: {{dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}}
authentication:
  tokens:
    issuer: "{url}"
    audience: dbguard
    skew: 0
    roles: {{claim: groups, map: {{a: [x, y]}}}}
    attributes: {{department: dept}}
"""


def told(folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    words = ["identity", "token", *arguments, "--config", str(folder / "tokens.yaml")]
    result = CliRunner().invoke(app, words, input=text, env={"COLUMNS": "200"})
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def test_tokens(tmp_path: Path) -> None:
    with running(LocalIssuer()) as issuer:
        (tmp_path / "tokens.yaml").write_text(TOKENS.format(url=issuer.url))
        token = issuer.token(exp=4_000_000_000, iat=3_999_999_999)
        assert told(tmp_path, token) == (1, "refused: not valid yet\n")
        token = issuer.token(groups=["a", "b"], dept="ward")
        (tmp_path / "token").write_text(token + "\n")
        for code, output in (told(tmp_path, token), told(tmp_path, "", str(tmp_path / "token"))):
            assert code == 0
            assert output.startswith("ana: until 20")
            assert output.endswith(" UTC; roles x, y; attributes department=ward\n")
        assert told(tmp_path, token, "--user", "ana")[0] == 0
        code, output = told(tmp_path, token, "--user", "bob")
        assert (code, output.splitlines()[-1]) == (1, 'it does not let "bob" in')
        other = issuer.token(rsa_key("one", number=1), sub="Ana-Secret")
        assert told(tmp_path, other) == (1, "refused: wrong signature\n")
        assert told(tmp_path, "") == (1, "refused: not a signed token\n")
        issuer.status = 503
        code, output = told(tmp_path, token)
        assert code == 2
        assert "issuer: it answers with HTTP status 503" in output
        assert "tokens cannot be checked at present" in output


def test_mistakes_about_tokens(folder: Path) -> None:
    (folder / "tokens.yaml").write_text(SETTINGS)
    code, output = told(folder, "x")
    assert (code, "names no issuer of tokens" in output) == (2, True)
    code, output = told(folder, "", str(folder / "missing"))
    assert (code, "token cannot be read: no such file" in output) == (2, True)
