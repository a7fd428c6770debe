"""What is shipped for deployment is started where the means exist, and read closely elsewhere."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml

from dbguard.cli.app import app
from dbguard.config import load_settings
from dbguard.demo.server import THROWAWAY, EmbeddedServer, free_port
from tests.conftest import PgServer, _engine_answers, binaries

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
UNIT = DOCKER / "systemd" / "dbguard.service"


def unit() -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(UNIT.read_text("utf-8"))
    return found


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_units_command_can_be_typed() -> None:
    service = unit()["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name == "dbguard"
    command: Any = typer.main.get_command(app)
    with command.make_context("dbguard", list(arguments), resilient_parsing=True) as context:
        name, serve, rest = command.resolve_command(context, arguments)
        assert name == "serve"
        with serve.make_context(name, rest) as parsed:
            assert parsed.params["config"] == Path("/etc/dbguard/dbguard.yaml")


def test_the_unit_fits_what_dbguard_does(tmp_path: Path) -> None:
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert service["ExecReload"].split()[1:] == ["-HUP", "$MAINPID"]
    (tmp_path / "dbguard.yaml").write_text('catalog: {dsn: "postgresql://dbguard@localhost/x"}')
    limits = load_settings(tmp_path / "dbguard.yaml", {}).limits
    assert seconds(service["TimeoutStopSec"]) > limits.shutdown_timeout
    assert int(service["LimitNOFILE"]) > 2 * limits.connections
    assert service["User"] != "root"
    assert service["NoNewPrivileges"] == "true"


def test_systemd_can_read_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    copy = tmp_path / "dbguard.service"
    # the programs that it names need not be here
    copy.write_text(UNIT.read_text("utf-8").replace("/opt/dbguard/bin/dbguard", "/bin/true"))
    found = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in found.stderr.splitlines() if "dbguard.service" in line]
    assert complaints == []


def test_systemd_hears_that_dbguard_is_ready() -> None:
    if not Path("/run/systemd/system").exists():
        pytest.skip("systemd does not run here (no /run/systemd/system)")
    run = shutil.which("systemd-run")
    if run is None or os.geteuid() != 0:
        pytest.skip("systemd-run for a notifying service needs root")
    talking = "from dbguard.cli.supervisor import Supervisor as S;import os,time;"
    talking += "S(os.environ['NOTIFY_SOCKET']).ready();time.sleep(1)"
    subprocess.run(
        [run, "--wait", "--collect", "--property=Type=notify", "--property=NoNewPrivileges=true",
         f"--setenv=PYTHONPATH={ROOT}", sys.executable, "-c", talking],
        check=True, timeout=60,
    )  # fmt: skip


def test_ports_are_those_of_the_documents(tmp_path: Path) -> None:
    (tmp_path / "dbguard.yaml").write_text(
        'catalog: {dsn: "postgresql://dbguard@localhost/x"}\nmetrics: {}\n'
    )
    settings = load_settings(tmp_path / "dbguard.yaml", {})
    assert settings.metrics is not None
    ports = {settings.listen.port, settings.metrics.port}
    assert ports == {6432, 9432}
    exposed = re.findall(r"^EXPOSE (.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert exposed == ["6432"]
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert services["dbguard"]["ports"] == ["127.0.0.1:6432:6432"]
    documents = list(yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text()))
    for document in documents:
        assert {"apiVersion", "kind", "metadata"} <= set(document)
    (deployment,) = (d for d in documents if d["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {port["containerPort"] for port in container["ports"]} == ports
    (service,) = (d for d in documents if d["kind"] == "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    volumes = {volume["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_both_services_of_the_compose_file_have_healthchecks() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    for service in services.values():
        assert service["healthcheck"]["test"][0] == "CMD"
    assert services["dbguard"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_kubernetes_takes_the_manifest() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here")
    reached = subprocess.run(
        [kubectl, "version", "--request-timeout=3s"], capture_output=True, check=False
    )
    if reached.returncode:
        pytest.skip("kubectl reaches no cluster")
    subprocess.run(
        [kubectl, "create", "--dry-run=server", "-f", str(DOCKER / "kubernetes.yaml")], check=True
    )


@pytest.fixture
def database_server() -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="dbguard-deploy-"))
    home.chmod(0o755)
    server = EmbeddedServer.create(
        home / "s", password="super-demo", settings=THROWAWAY, binaries=binaries()
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.pg
def test_scripts_settings_and_rules_of_the_compose_file(
    database_server: EmbeddedServer, tmp_path: Path
) -> None:
    """All but the containers: secrets made, both scripts run, dbguard served as the file says."""
    copy = tmp_path / "docker"
    shutil.copytree(DOCKER, copy, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(["sh", str(copy / "make-secrets.sh")], check=True)
    secrets = copy / "secrets"
    known = PgServer("", "127.0.0.1", database_server.port, "postgres", "super-demo")
    environ = {
        "PATH": f"{known.binary('psql').parent}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(database_server.port),
        "PGPASSWORD": "super-demo",
        "POSTGRES_USER": "postgres",
        "SECRETS": str(secrets),
        "SAMPLE_SCHEMA": str(ROOT / "dbguard" / "demo" / "schema.sql"),
        "LC_ALL": "C.UTF-8",
    }
    for script in sorted((copy / "initdb").iterdir()):
        subprocess.run([str(script)], env=environ, check=True)
    port = free_port()
    for name in ("catalog_dsn", "backup_dsn"):
        text = (secrets / name).read_text()
        (secrets / name).write_text(
            text.replace("postgres:5432", f"127.0.0.1:{database_server.port}")
        )
    text = (copy / "dbguard.yaml").read_text()
    for old, new in (
        ("0.0.0.0, port: 6432", f"127.0.0.1, port: {port}"),
        ("host: postgres, port: 5432", f"host: 127.0.0.1, port: {database_server.port}"),
        ("/run/secrets", str(secrets)),
        ("/etc/dbguard/rules", str(ROOT / "rules" / "hipaa")),
        ("/var/lib/dbguard", str(tmp_path / "state")),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "state").mkdir()
    (tmp_path / "dbguard.yaml").write_text(text)
    with (tmp_path / "log").open("w") as log:
        proxy = subprocess.Popen(
            [sys.executable, "-m", "dbguard", "serve", "--config", str(tmp_path / "dbguard.yaml")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        assert proxy.stdout is not None
        assert proxy.stdout.readline() == f"dbguard ready on 127.0.0.1:{port}\n"
        checked = subprocess.run(
            [sys.executable, str(copy / "healthcheck.py")],
            env={"DBGUARD_LISTEN__PORT": str(port)},
            check=False,
        )
        assert checked.returncode == 0
        password = (secrets / "people_password").read_text()
        seen = {}
        for user in ("analyst", "clinician"):
            with closing(
                psycopg.connect(
                    host="127.0.0.1", port=port, user=user, password=password, dbname="clinic"
                )
            ) as session:
                query = "SELECT ssn FROM clinic.patients WHERE id = 7"
                seen[user] = session.execute(query).fetchone()
                assert session.execute("SELECT count(*) FROM clinic.encounters").fetchone() == (
                    200,
                )
        assert seen["clinician"] == ("907-17-0007",)
        assert seen["analyst"] == ("***-**-0007",)
    finally:
        proxy.terminate()
        proxy.wait(30)
        if proxy.stdout is not None:
            proxy.stdout.close()


@pytest.mark.pg
def test_the_compose_file_in_containers() -> None:
    if not _engine_answers():
        pytest.skip("no Docker engine answers here")
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("no docker compose here")
    command = [docker, "compose", "-f", str(DOCKER / "compose.yaml"), "-p", f"test{os.getpid()}"]
    subprocess.run(["sh", str(DOCKER / "make-secrets.sh")], check=True)
    built = subprocess.run([*command, "build"], check=False, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"the image cannot be built here: {built.stderr[-300:]}")
    try:
        subprocess.run([*command, "up", "--detach", "--wait"], check=True, timeout=300)
        password = (DOCKER / "secrets" / "people_password").read_text()
        until = time.monotonic() + 60
        while True:
            with suppress(psycopg.OperationalError):
                with closing(
                    psycopg.connect(
                        host="127.0.0.1", port=6432, user="analyst", password=password,
                        dbname="clinic",
                    )
                ) as session:  # fmt: skip
                    row = session.execute("SELECT ssn FROM clinic.patients WHERE id = 7").fetchone()
                    assert row == ("***-**-0007",)
                return
            assert time.monotonic() < until
            time.sleep(1)
    finally:
        subprocess.run([*command, "down", "--volumes"], check=False)
