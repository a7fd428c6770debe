"""Entries of `audit.ship`: what is taken, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.config import Settings, load_settings
from dbguard.errors import ConfigurationError
from dbguard.shipping import making
from dbguard.shipping.making import check_installed, make_destination
from dbguard.shipping_settings import DestinationType, OnReject, Sent

from .places import Said, settings_of

DSN = "postgresql://ship:s3cret@db/evidence"


def load(tmp_path: Path, *entries: str) -> Settings:
    path = tmp_path / "dbguard.yaml"
    ship = "\n".join(f"    - {entry}" for entry in entries)
    path.write_text(f"catalog: {{dsn: '{DSN}'}}\naudit:\n  ship:\n{ship}\n")
    return load_settings(path, {"KEY": "k"})


def test_all_types(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    settings = load(
        tmp_path,
        "{name: second-place, type: file, directory: ../copy, send: [checkpoints]}",
        f"{{name: table, type: postgresql, dsn: '{DSN}', schema_name: evidence, timeout: 1m}}",
        "{name: vault, type: s3, bucket: ev-1, access_key: 'env:KEY', secret_key: 'file:s',"
        " lock: {mode: governance, keep: 6y}, endpoint: 'https://s3.internal', on_reject: skip}",
        "{name: siem, type: syslog, address: '[::1]:6514', tls: {ca: ca.crt}}",
        "{name: otel, type: otlp, url: 'https://o/v1/logs', headers: {Authorization: 'file:x'}}",
        "{name: bus, type: kafka, servers: 'a:1,b:2', topic: t, "
        " options: {sasl.password: 'file:x'}}",
    )
    first, table, vault, siem, otel, bus = settings.audit.ship
    assert first.directory == tmp_path / "../copy"
    assert first.send == (Sent.CHECKPOINTS,)
    assert table.send == (Sent.RECORDS, Sent.CHECKPOINTS)
    assert (table.timeout, table.on_reject) == (60, OnReject.STOP)
    assert vault.lock is not None
    assert vault.lock.keep == 2192
    assert siem.tls is not None
    assert otel.headers["Authorization"].file == tmp_path / "x"
    assert [entry.type for entry in settings.audit.ship] == list(DestinationType)
    assert bus.options["sasl.password"].file == tmp_path / "x"
    assert "s3cret" not in repr(settings)


CASES = [
    ("{name: a, type: file}", "audit.ship.0: type file needs directory"),
    ("{name: a, type: postgresql}", "audit.ship.0: type postgresql needs dsn"),
    ("{name: a, type: kafka, servers: 'a:1'}", "audit.ship.0: type kafka needs topic"),
    ("{name: a, type: file, directory: x, bucket: abc}", "bucket does not belong to type file"),
    ("{name: A, type: file, directory: x}", "audit.ship.0.name: holds characters"),
    ("{name: a/b, type: file, directory: x}", "audit.ship.0.name: holds characters"),
    ("{type: file, directory: x}", "audit.ship.0.name: required"),
    ("{name: a, type: tape}", "audit.ship.0.type: must be 'file', 'postgresql', 's3'"),
    ("{name: a, type: file, directory: x, sned: []}", "sned: unknown key. Did you mean send?"),
    ("{name: a, type: file, directory: x, send: []}", "audit.ship.0.send: "),
    ("{name: a, type: file, directory: x, send: [records, records]}", "must name each once"),
    ("{name: a, type: syslog, address: logs}", "audit.ship.0.address: holds characters"),
    ("{name: a, type: syslog, address: 'l:99999'}", "must be HOST:PORT with a port between"),
    (
        "{name: a, type: syslog, address: 'l:1', transport: tcp, tls: {}}",
        "tls does not belong to transport tcp",
    ),
    ("{name: a, type: otlp, url: 'ftp://x'}", "audit.ship.0.url: must be an http or https URL"),
    (
        "{name: a, type: otlp, url: 'https://u:s3cret@x/'}",
        "must have no user, no space and no fragment",
    ),
    (
        "{name: a, type: otlp, url: 'http://o/', headers: {Authorization: s3cret}}",
        "secrets would be sent in clear text; use https",
    ),
    ("{name: a, type: otlp, url: 'https://o/', headers: {'A b': x}}", "names must be letters"),
    ("{name: a, type: s3, bucket: abc, access_key: x}", "needs both access_key and secret_key"),
    (
        "{name: a, type: kafka, servers: 'a:1', topic: t, options: {acks: '1'}}",
        "audit.ship.0.options: acks is dbguard's own to set",
    ),
    (
        "{name: a, type: syslog, address: 'l:1', tls: {ca: nosuch.crt}}",
        "audit.ship.0.tls.ca: ",
    ),
    (
        "{name: a, type: postgresql, dsn: 'mysql://u:s3cret@h/'}",
        "audit.ship.0.dsn: must be a PostgreSQL URL",
    ),
    (
        "{name: a, type: postgresql, dsn: 'env:NOSUCH'}",
        "audit.ship.0.dsn: secret comes from the variable NOSUCH, which is not set",
    ),
]


@pytest.mark.parametrize(("entry", "words"), CASES)
def test_mistakes(tmp_path: Path, entry: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, entry)
    assert words in caught.value.message
    assert "s3cret" not in caught.value.message
    assert "dbguard.yaml:4:" in caught.value.message


def test_names_are_for_one_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="each destination needs a name of its own"):
        load(
            tmp_path,
            "{name: a, type: file, directory: x}",
            "{name: a, type: file, directory: y}",
        )


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_EXTRAS", {DestinationType.KAFKA: "no_such_module"})
    settings = settings_of(type="kafka", servers="a:1", topic="t")
    with pytest.raises(ConfigurationError, match="needs the package no_such_module") as caught:
        check_installed([settings])
    assert caught.value.hint == "Install it: pip install 'dbguard[kafka]'."


def test_files_of_tls_that_are_none(tmp_path: Path, said: Said) -> None:
    (tmp_path / "x.pem").write_text("not a certificate")
    path = tmp_path / "x.pem"
    for tls, words in (
        ({"ca": path}, "holds no usable certificate authority"),
        ({"certificate": path, "key": path}, "not a certificate whose key is"),
    ):
        settings = settings_of(type="syslog", address="a:1", tls=tls)
        with pytest.raises(ConfigurationError, match=words):
            make_destination(settings, said)
