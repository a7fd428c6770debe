"""Wrong settings, rules, ports and servers: one message that says what, where and what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .forking import the_nursery
from .proxies import HIPAA, ROOT, free_port, write_config

pytestmark = pytest.mark.pg


def serve(folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = ("serve", "--config", str(folder / "dbguard.yaml"))
    return the_nursery().run(arguments, ROOT, {**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.fixture
def folder(tmp_path: Path, pg_database: Any) -> Path:
    server = pg_database.server
    server.create_user("dbguard")
    control = server.dsn("dbguard", pg_database.name)
    upstream = f"{server.host}:{server.port}"
    write_config(tmp_path, free_port(), upstream, control, control)
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    config = folder / "dbguard.yaml"
    text = config.read_text("utf-8")
    assert old in text
    config.write_text(text.replace(old, new), "utf-8")


def refused(folder: Path, *expected: str) -> None:
    result = serve(folder)
    assert result.returncode == 2, result.stderr
    message = "\n".join(line for line in result.stderr.splitlines() if not line.startswith("{"))
    assert "Traceback" not in result.stderr
    assert message.startswith("dbguard: ")
    for part in expected:
        assert part in message, message


def test_unknown_key(folder: Path) -> None:
    change(folder, "environment:", "enviroment:")
    refused(folder, "dbguard.yaml:5:1", "enviroment", "environment")


def test_broken_yaml(folder: Path) -> None:
    change(folder, "listen: {host", "listen: {{host")
    refused(folder, "dbguard.yaml:3:", "not valid YAML")


def test_broken_rules(folder: Path) -> None:
    rules = folder / "rules"
    rules.mkdir()
    (rules / "a.yaml").write_text("rules:\n  - id: x\n    allow: [reed]\n    rolls: [a]\n", "utf-8")
    change(folder, f'"{HIPAA}"', '"rules"')
    refused(folder, "a.yaml:3:", "reed", "a.yaml:4:", "rolls")


def test_missing_rules_folder(folder: Path) -> None:
    change(folder, f'"{HIPAA}"', '"nosuch"')
    refused(folder, "nosuch")


def test_unreachable_server(folder: Path) -> None:
    config = folder / "dbguard.yaml"
    port = free_port()
    text = config.read_text("utf-8")
    dsn = next(line for line in text.splitlines() if line.startswith("catalog:"))
    config.write_text(
        text.replace(dsn, f'catalog: {{dsn: "postgresql://dbguard:x@127.0.0.1:{port}/postgres"}}')
    )
    refused(folder, "catalog.dsn", "cannot be read", "Check that the server runs")


def test_port_in_use(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = folder / "dbguard.yaml"
        lines = config.read_text("utf-8").splitlines()
        port = taken.getsockname()[1]
        lines[1] = f"listen: {{host: 127.0.0.1, port: {port}}}"
        config.write_text("\n".join(lines), "utf-8")
        refused(folder, f"127.0.0.1:{port} is in use", "listen.port")


def test_unreadable_key(folder: Path) -> None:
    (folder / "server.crt").write_text("no certificate", "utf-8")
    (folder / "server.key").write_text("no key", "utf-8")
    change(
        folder,
        "listen: {host: 127.0.0.1,",
        "listen: {tls: {certificate: server.crt, key: server.key}, host: 127.0.0.1,",
    )
    refused(folder, "server.crt", "PEM")
    (folder / "server.key").unlink()
    refused(folder, "server.key", "cannot be read")


def test_audit_directory_that_is_a_file(folder: Path) -> None:
    (folder / "audit").write_text("", "utf-8")
    refused(folder, "audit")


def test_no_settings_at_all(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "dbguard", "serve"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "catalog" in result.stderr


def test_settings_named_by_a_variable(tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.yaml"
    named.write_text("enviroment: production\n", "utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "dbguard", "serve"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DBGUARD_CONFIG": str(named)},
    )
    assert result.returncode == 2
    assert "elsewhere.yaml:1:1" in result.stderr
