"""Settings: what is accepted, and that every mistake is named with its place and remedy."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.config import (
    Durability,
    ServerTlsMode,
    Settings,
    UpstreamTlsMode,
    load_settings,
    setting_paths,
)
from dbguard.config_file import KEY, parse_document
from dbguard.errors import ConfigurationError

DSN = "postgresql://dbguard:s3cret@127.0.0.1:5432/postgres"
MINIMAL = f"catalog: {{dsn: '{DSN}'}}\n"


def load(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    path = tmp_path / "dbguard.yaml"
    path.write_text(textwrap.dedent(text))
    return load_settings(path, environ or {})


def problems(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, environ)
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.message.splitlines()]


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL)
    assert (settings.listen.host, settings.listen.port, settings.listen.tls) == (
        "127.0.0.1",
        6432,
        None,
    )
    assert settings.upstream.tls.mode is UpstreamTlsMode.DISABLE
    assert settings.environment == "production"
    assert settings.rules == tmp_path / "rules"
    assert settings.state.path == tmp_path / "state.db"
    assert settings.audit.directory == tmp_path / "audit"
    assert settings.audit.durability is Durability.DURABLE
    assert settings.backup is None
    settings.check_combination()


def test_everything(tmp_path: Path) -> None:
    for name in ("server.crt", "server.key", "ca.crt"):
        (tmp_path / name).write_text("")
    (tmp_path / "dsn").write_text(DSN + "\n")
    settings = load(
        tmp_path,
        """
        listen:
          host: 0.0.0.0
          port: 7000
          tls: {mode: prefer, certificate: server.crt, key: server.key, client_ca: ca.crt}
        upstream: {host: db.internal, port: 5433, tls: {mode: disable, ca: ca.crt}}
        catalog: {dsn: "env:CATALOG"}
        environment: staging
        rules: ../policy
        state: {url: "sqlite:////var/lib/dbguard/state.db"}
        audit: {directory: /var/log/dbguard, durability: buffered}
        backup: {dsn: "file:dsn", directory: dumps, binaries: bin}
        limits: {statement_bytes: 2 MiB, analysis_timeout: 500ms, startup_timeout: 1m}
        """,
        {"CATALOG": DSN},
    )
    assert settings.listen.tls is not None
    assert settings.listen.tls.mode is ServerTlsMode.PREFER
    assert settings.listen.tls.key == tmp_path / "server.key"
    assert settings.upstream.host == "db.internal"
    assert settings.catalog.dsn.get_secret_value() == DSN
    assert settings.rules.resolve() == tmp_path.parent / "policy"
    assert settings.state.path == Path("/var/lib/dbguard/state.db")
    assert settings.backup is not None
    assert settings.backup.dsn is not None
    assert settings.backup.dsn.get_secret_value() == DSN
    assert settings.backup.binaries == tmp_path / "bin"
    assert settings.limits.statement_bytes == 2 * 1024**2
    assert settings.limits.analysis_timeout == 0.5
    assert settings.limits.startup_timeout == 60


def test_variables_go_over_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        MINIMAL + "listen: {port: 7000}\n",
        {
            "DBGUARD_LISTEN__PORT": "7001",
            "DBGUARD_UPSTREAM__TLS__MODE": "verify-full",
            "DBGUARD_BACKUP__DSN": DSN,
            "DBGUARD_LIMITS__CONNECTIONS": "5",
            "DBGUARD_RULES": "elsewhere",
            "PATH": "/bin",
        },
    )
    assert settings.listen.port == 7001
    assert settings.upstream.tls.mode is UpstreamTlsMode.VERIFY_FULL
    assert settings.backup is not None
    assert settings.limits.connections == 5
    assert settings.rules == tmp_path / "elsewhere"


def test_variables_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {"DBGUARD_CATALOG__DSN": DSN})
    assert settings.audit.directory == tmp_path / "audit"
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {})
    assert caught.value.message == (
        "environment variables: catalog: required. "
        'Add catalog: {dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}.'
    )


def test_variables_that_are_not_settings(tmp_path: Path) -> None:
    load(
        tmp_path,
        MINIMAL,
        {
            "DBGUARD_PG_BIN": "/bin",
            "DBGUARD_CONFIG": "x",
            "DBGUARD_TEST_DSN": "x",
            # what Kubernetes sets beside a service called dbguard
            "DBGUARD_PORT": "tcp://10.0.0.1:6432",
            "DBGUARD_PORT_6432_TCP_ADDR": "10.0.0.1",
            "DBGUARD_SERVICE_HOST": "10.0.0.1",
        },
    )


def test_secrets_never_show(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL + f"backup: {{dsn: '{DSN}'}}\n")
    for text in (repr(settings), str(settings), str(settings.model_dump())):
        assert "s3cret" not in text


CASES = [
    ("listen: {prot: 1}", "dbguard.yaml:2:10: listen.prot: unknown key. Did you mean port?"),
    (
        "listn: {}",
        "dbguard.yaml:2:1: listn: unknown key. Did you mean listen?",
    ),
    (
        "upstream: {zzz: 1}",
        "dbguard.yaml:2:12: upstream.zzz: unknown key. Known keys: host, port, "
        "target_session_attrs, tls.",
    ),
    (
        "listen:\n  port: 99999",
        "dbguard.yaml:3:9: listen.port: must be less than or equal to 65535. "
        "For example port: 6432.",
    ),
    (
        "listen:\n  port: high",
        "dbguard.yaml:3:9: listen.port: must be a valid integer, unable to parse string as an "
        "integer. For example port: 6432.",
    ),
    ("listen: 6432", "dbguard.yaml:2:9: listen: must be a section with keys. "),
    ("rules: [a]", "dbguard.yaml:2:8: rules: "),
    ("rules: ''", "dbguard.yaml:2:8: rules: must be a path. For example rules: rules/."),
    ("environment: 'a b'", "dbguard.yaml:2:14: environment: holds characters"),
    ("listen: {port: 1}\nlisten: {port: 2}", 'dbguard.yaml:3:1: duplicate key "listen". It is al'),
    ("listen: {port: 1, port: 2}", 'dbguard.yaml:2:19: duplicate key "port". It is already give'),
    (
        "state: {url: 'postgresql://x@y/z'}",
        "dbguard.yaml:2:14: state.url: a PostgreSQL store is not supported in this release",
    ),
    ("state: {url: state.db}", "dbguard.yaml:2:14: state.url: must be sqlite:///FILE. For exam"),
    ("metrics: {port: 0}", "dbguard.yaml:2:17: metrics.port: must be greater than or equal to 1"),
    (
        "listen: {proxy_protocol: [10.0.0.1/8]}",
        "dbguard.yaml:2:26: listen.proxy_protocol: must be a list of networks like 10.0.0.0/8 or ",
    ),
    (
        "upstream: {tls: {minimum_version: 1.1}}",
        "dbguard.yaml:2:35: upstream.tls.minimum_version: ",
    ),
    ("audit: {durability: fast}", "dbguard.yaml:2:21: audit.durability: must be 'durable' or"),
    ("backup: {directory: x}", "dbguard.yaml:2:9: backup: needs dsn for backups of dbguard's own"),
    (
        "backup: {dsn: 'env:NOSUCH'}",
        "dbguard.yaml:2:15: backup.dsn: secret comes from the variable NOSUCH, which is not set",
    ),
    ("backup: {dsn: 'file:nosuch'}", "dbguard.yaml:2:15: backup.dsn: secret file "),
    ("backup: {dsn: 'http://u@h/'}", "dbguard.yaml:2:15: backup.dsn: must be a PostgreSQL URL"),
    ("backup: {dsn: 'postgresql://h/'}", "dbguard.yaml:2:15: backup.dsn: must name a user"),
    ("backup: {dsn: 'postgresql://u:s3cret@h:x/'}", "dbguard.yaml:2:15: backup.dsn: is not a val"),
    (
        "backup: {dsn: 'postgresql://u@h/', location: 's3://dumps/x'}",
        "dbguard.yaml:2:9: backup: location needs a key, since dumps hold all data and leave this "
        "machine with it; or say location: {unencrypted: true}.",
    ),
    (
        "backup: {dsn: 'postgresql://u@h/', key: x, location: {url: 's3://dumps', "
        "unencrypted: true}}",
        "dbguard.yaml:2:9: backup: with a key dumps are encrypted: leave out location.unencrypted",
    ),
    (
        "backup: {providers: {a: {kind: walg}}, key: x, location: 's3://dumps'}",
        "dbguard.yaml:2:9: backup: location is where dbguard's own backups go, which need dsn",
    ),
    (
        "backup: {dsn: 'postgresql://u@h/', key: x, location: 'https://dumps/'}",
        "dbguard.yaml:2:54: backup.location.url: holds characters that are not allowed here. For "
        "example url: s3://clinic-backups/dbguard.",
    ),
    (
        "backup: {dsn: 'postgresql://u@h/', key: x, location: {url: 's3://dumps', bucket: x}}",
        "dbguard.yaml:2:74: backup.location.bucket: unknown key. Known keys: url, region",
    ),
    (
        "backup: {dsn: 'postgresql://u@h/', key: x, location: {url: 's3://dumps', "
        "endpoint: 'http://minio:9000'}}",
        "dbguard.yaml:2:54: backup.location: dumps and signatures would go in clear text; use htt",
    ),
    (
        "backup: {dsn: 'postgresql://u@h/', key: x, location: {url: 's3://dumps', access_key: a}}",
        "dbguard.yaml:2:54: backup.location: needs both access_key and secret_key, or neither",
    ),
    (
        "backup: {dsn: 'postgresql://u@h/', key: x, location: {url: 's3://dumps', "
        "secret_key: 'file:nosuch', access_key: s3cret, timeout: 1h}}",
        "dbguard.yaml:2:130: backup.location.timeout: must be less than or equal to 600",
    ),
    (
        "listen:\n  tls: {certificate: nosuch.crt, key: nosuch.key}",
        "dbguard.yaml:3:22: listen.tls.certificate: ",
    ),
    ("limits: {connections: 0}", "dbguard.yaml:2:23: limits.connections: must be greater than"),
    ("limits: {statement_bytes: 1 MB}", "dbguard.yaml:2:27: limits.statement_bytes: must be a num"),
    ("limits: {analysis_timeout: soon}", "dbguard.yaml:2:28: limits.analysis_timeout: must be a"),
    ("limits: {analysis_timeout: true}", "dbguard.yaml:2:28: limits.analysis_timeout: "),
    ("a: &x 1\nb: *y", "dbguard.yaml:3:4: not valid YAML: found undefined alias"),
    ("  x: 1", "dbguard.yaml:2:3: not valid YAML: "),
    ("x: !!python/object:os.system 1", "dbguard.yaml:2:4: YAML tag "),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    lines = problems(tmp_path, MINIMAL + text + "\n")
    assert any(line.startswith(expected) for line in lines), lines
    assert "s3cret" not in "\n".join(lines)


def test_all_at_once_and_in_order(tmp_path: Path) -> None:
    lines = problems(
        tmp_path,
        """\
        catalog: {dsn: "http://u:s3cret@h"}
        listen: {port: 0}
        upstream: {port: 0}
        upstream: {prot: 1}
        nosuch: 1
        """,
        {"DBGUARD_LISTEN__HOST": "", "DBGUARD_LISTEN__PROT": "1", "DBGUARD_LISTEN": "x"},
    )
    assert [line.split(": ")[0] for line in lines] == [
        "dbguard.yaml:1:16",
        "dbguard.yaml:2:16",
        "dbguard.yaml:3:18",
        "dbguard.yaml:4:1",
        "dbguard.yaml:5:1",
        "variable DBGUARD_LISTEN",
        "variable DBGUARD_LISTEN__HOST",
        "variable DBGUARD_LISTEN__PROT",
    ]
    assert lines[-1].endswith("names no setting. Did you mean DBGUARD_LISTEN__PORT?")
    assert "names a section" in lines[-3]


@pytest.mark.parametrize("text", ["- a\n", "text\n", "1\n"])
def test_not_a_mapping(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)[0].startswith("dbguard.yaml:1:1: settings must be keys")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: no such file") as caught:
        load_settings(tmp_path / "nosuch.yaml", {})
    assert caught.value.hint
    with pytest.raises(ConfigurationError, match="cannot be read: is a directory"):
        load_settings(tmp_path, {})
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"# ok\nx: \xe4\n")
    with pytest.raises(ConfigurationError, match=r"latin\.yaml:2:4: text is not UTF-8"):
        load_settings(path, {})
    path.write_bytes(b"x: a\x00b\n")
    with pytest.raises(ConfigurationError, match=r"latin\.yaml:1:5: character not allowed"):
        load_settings(path, {})


def test_expected_sessions(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL + "watch: {expected: [{user: a}, {networks: [10.0.0.0/8]}]}")
    assert [entry.user for entry in settings.watch.expected] == ["a", None]
    assert settings.watch.interval == 15
    (line,) = problems(tmp_path, MINIMAL + "watch: {expected: [{}]}")
    assert line == (
        "dbguard.yaml:2:20: watch.expected.0: must name a user, networks or an application"
    )


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
    missing = [".".join(path) for path in setting_paths() if f"`{'.'.join(path)}`" not in text]
    assert missing == []


# config_file on its own


def test_positions() -> None:
    document = parse_document("a:\n  b: 1\n  c: [x, {d: 2}]\ne:\n", "f")
    assert document.value == {"a": {"b": 1, "c": ["x", {"d": 2}]}, "e": None}
    found = {
        path: str(document.position(path))
        for path in [("a",), ("a", "b"), ("a", "c", 1, "d"), ("a", "c", 1, "nosuch"), ("e",)]
    }
    assert found == {
        ("a",): "f:1:1",
        ("a", "b"): "f:2:6",
        ("a", "c", 1, "d"): "f:3:14",
        ("a", "c", 1, "nosuch"): "f:3:10",
        ("e",): "f:4:1",
    }
    assert str(document.position(("a", "b", KEY))) == "f:2:3"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: no", "no"),
        ("x: on", "on"),
        ("x: 22:30", "22:30"),
        ("x: 2024-01-01", "2024-01-01"),
        ("x: 0x10", "0x10"),
        ("x: 1_000", "1_000"),
        ("x: 010", 10),
        ("x: true", True),
        ("x: 1.5", 1.5),
        ("x: ~", None),
        ("x: '1'", "1"),
        ("x: null", None),
    ],
)
def test_plain_words_stay_words(text: str, value: object) -> None:
    assert parse_document(text, "f").value == {"x": value}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "\n".join(
            f"{c}: &{c} [{', '.join([f'*{p}'] * 9)}]"
            for p, c in zip("abcdefg", "bcdefgh", strict=True)
        ),
        "[" * 5000,
        "a: " + "[" * 60 + "]" * 60,
        "<<: {a: 1}",
        "[a]: 1",
        "a: 1\n---\nb: 2",
        "x: !!int abc",
        "x: " + "9" * 5000,
        "x: !!binary aGk=",
        "x: !!set {a}",
        "x: @y",
        "x: \x07",
    ],
    ids=range(13),
)
def test_hostile_files_are_problems(text: str) -> None:
    document = parse_document(text, "f")
    assert document.problems
    assert all(str(problem).startswith("f:") for problem in document.problems)


@given(st.text(alphabet="ab:-[]{}&*!|>#%@`'\",?\n\t 01.~<=é\x85\u2028", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_is_a_problem(text: str) -> None:
    document = parse_document(text, "f")
    assert all(problem.position.line >= 1 for problem in document.problems)


@given(st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_are_a_problem(data: bytes) -> None:
    parse_document(data, "f")


@given(
    st.dictionaries(
        st.sampled_from([f"DBGUARD_{'__'.join(path).upper()}" for path in setting_paths()]),
        st.one_of(
            st.text(max_size=12).filter(lambda text: "\0" not in text),
            st.sampled_from(
                ["file:x\ny", "env:\n", "sqlite:///a%0Ab", "1", "require", "postgresql://u@h"]
            ),
        ),
        max_size=6,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_value_is_taken_or_refused_in_words(environ: dict[str, str]) -> None:
    try:
        load_settings(None, {"DBGUARD_CATALOG__DSN": DSN} | environ)
    except ConfigurationError as error:
        for line in error.message.splitlines():
            assert line.startswith(("variable DBGUARD_", "environment variables: "))


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
def test_direct_tls_has_no_way_back(tmp_path: Path, mode: str) -> None:
    text = MINIMAL + f"upstream: {{tls: {{mode: {mode}, negotiation: direct}}}}\n"
    if mode == "require":
        assert load(tmp_path, text).upstream.tls.negotiation == "direct"
    else:
        (problem,) = problems(tmp_path, text)
        assert "upstream.tls.negotiation: direct needs mode require" in problem


UPSTREAMS = MINIMAL + "upstreams:\n"


def test_several_servers(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        UPSTREAMS
        + f"""
  europe: {{databases: [clinic_eu, "eu_*"], host: "a,b", port: "1,2", catalog: {{dsn: "{DSN}"}}}}
""",
        {
            "DBGUARD_UPSTREAMS__EUROPE__TARGET_SESSION_ATTRS": "read-write",
            "DBGUARD_UPSTREAMS__ASIA__DATABASES": "x, y",
            "DBGUARD_UPSTREAMS__ASIA__HOST": "/run/postgresql",
            "DBGUARD_UPSTREAMS__ASIA__CATALOG__DSN": DSN,
        },
    )
    settings.check_combination()
    assert settings.upstreams["europe"].addresses == (("a", 1), ("b", 2))
    assert settings.upstreams["europe"].target_session_attrs == "read-write"
    assert settings.upstreams["asia"].databases == ("x", "y")
    assert settings.upstreams["asia"].addresses == (("/run/postgresql", 5432),)
    assert settings.routes.upstream_of("eu_1") == "europe"
    assert list(settings.servers) == ["", "europe", "asia"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("upstreams: {eu: {databases: [x]}}", "upstreams.eu.catalog: required"),
        ("upstreams: {eu: {catalog: {dsn: DSN}}}", "upstreams.eu.databases: required"),
        ("upstreams: {eu: {databases: [], catalog: {dsn: DSN}}}", "must name at least one"),
        ("upstreams: {eu: {databases: [x, x], catalog: {dsn: DSN}}}", "each database once"),
        ("upstreams: {eu: {databases: [''], catalog: {dsn: DSN}}}", "between 1 and 63"),
        ("upstreams: {EU: {databases: [x], catalog: {dsn: DSN}}}", "not allowed here"),
        ("upstreams: {eu: {databses: [x], catalog: {dsn: DSN}}}", "Did you mean databases?"),
        ("upstreams: {eu: {databases: [x], catalog: {dsn: DSN, x: 1}}}", "unknown key"),
        ("upstreams: [eu]", "must be a section"),
        ("upstreams: {eu: 1}", "must be a section"),
        ("upstream: {host: 'a,,b'}", "single commas"),
        ("upstream: {host: 'a,b', port: '1,2,3'}", "as many as there are hosts"),
        ("upstream: {host: 'a,a'}", "the same server twice"),
        ("upstream: {port: '1;2'}", "must be a port between"),
        ("upstream: {target_session_attrs: master}", "upstream.target_session_attrs: must be"),
    ],
)
def test_mistakes_about_servers(tmp_path: Path, text: str, words: str) -> None:
    found = problems(tmp_path, MINIMAL + text.replace("DSN", f"'{DSN}'") + "\n")
    assert any(words in line for line in found), found
    assert "s3cret" not in "".join(found)


def test_a_database_is_on_one_server(tmp_path: Path) -> None:
    one = f"{{databases: ['a*'], catalog: {{dsn: '{DSN}'}}}}"
    other = f"{{databases: ['*b'], catalog: {{dsn: '{DSN}'}}}}"
    settings = load(tmp_path, UPSTREAMS + f"  one: {one}\n  other: {other}\n")
    with pytest.raises(ConfigurationError, match="would be on two servers") as caught:
        settings.check_combination()
    assert caught.value.message.startswith("upstreams.one.databases and upstreams.other.databases")
    assert caught.value.detail == "a* and *b can be the same name."
