"""The image and the compose file, read rather than run: properties that must not get lost."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbguard.config import load_settings

DOCKER = Path(__file__).parent.parent / "docker"


def instructions() -> list[tuple[str, str]]:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(i for i, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def compose() -> Any:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_image_runs_as_an_ordinary_user_by_number() -> None:
    users = [rest for word, rest in final_stage() if word == "USER"]
    assert users == ["10001:10001"]  # a number: Kubernetes' runAsNonRoot can check it
    words = [word for word, _ in final_stage()]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word == "RUN")


def test_bases_are_pinned_and_the_commands_are_exec_forms() -> None:
    assert [rest.split()[0] for word, rest in instructions() if word == "FROM"] == [
        "python:3.12-slim"
    ] * 2
    stage = dict(final_stage())
    assert stage["ENTRYPOINT"] == '["dbguard"]'
    assert stage["CMD"].startswith("[")  # signals reach dbguard itself
    assert 'CMD ["python", "/opt/dbguard/healthcheck.py"]' in stage["HEALTHCHECK"]


def test_a_wheel_can_be_built_from_what_is_copied(tmp_path: Path) -> None:
    """The build reads files of the root that no code imports."""
    pytest.importorskip("hatchling")
    root, source = DOCKER.parent, tmp_path / "src"
    source.mkdir()
    first = instructions()[: -len(final_stage())]
    for word, rest in first:
        if word == "COPY":
            *files, where = rest.split()
            for file in files:
                if (root / file).is_dir():
                    shutil.copytree(root / file, source / where)
                else:
                    shutil.copy(root / file, source / where)
    assert any("gcc" in rest for word, rest in first if word == "RUN"), "some parts are compiled"
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=source,
        env={**os.environ, "DBGUARD_COMPILE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert list(tmp_path.glob("*.whl"))


def test_no_secret_is_baked_in() -> None:
    for word, rest in instructions():
        assert word not in ("ADD", "ARG")
        if word == "ENV":
            names = [pair.split("=")[0] for pair in shlex.split(rest)]
            assert not [n for n in names if "PASS" in n or "DSN" in n or "SECRET" in n]
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    sources = [
        rest.split()[:-1] for w, rest in instructions() if w == "COPY" and "--from" not in rest
    ]
    root = DOCKER.parent
    for source in (source for group in sources for source in group):
        assert (root / source).exists()
        assert f"!{source}" in ignored


def test_server_cannot_be_reached_but_through_dbguard() -> None:
    services = compose()["services"]
    assert "ports" not in services["postgres"]
    assert services["postgres"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}
    assert services["dbguard"]["ports"] == ["127.0.0.1:6432:6432"]  # no TLS: this machine only
    assert services["dbguard"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_container_has_no_more_rights_than_it_needs() -> None:
    service = compose()["services"]["dbguard"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "environment" not in service
    writable = [v for v in service["volumes"] if not v.endswith(":ro")]
    assert writable == ["state:/var/lib/dbguard"]


def test_mounted_files_exist_and_secrets_are_files() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DOCKER / source).exists()
    assert all(secret["file"].startswith("./secrets/") for secret in compose()["secrets"].values())
    for script in (DOCKER / "initdb").iterdir():
        assert os.access(
            script, os.X_OK
        )  # else the image's entrypoint sources it, `set -u` and all
    assert "secrets/" in (DOCKER / ".gitignore").read_text().split()


def test_settings_load_with_the_secrets_that_the_script_makes(tmp_path: Path) -> None:
    copy = tmp_path / "docker"
    shutil.copytree(DOCKER, copy, ignore=shutil.ignore_patterns("secrets"))
    for _ in range(2):  # the second run keeps what the first one made
        subprocess.run(["sh", str(copy / "make-secrets.sh")], check=True)
    secrets = copy / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {path.name for path in secrets.iterdir()} == set(compose()["secrets"])
    password = (secrets / "catalog_password").read_text()
    assert len(password) == 48
    text = (DOCKER / "dbguard.yaml").read_text().replace("/run/secrets", str(secrets))
    (tmp_path / "dbguard.yaml").write_text(text)
    settings = load_settings(tmp_path / "dbguard.yaml", {})
    settings.check_combination()
    assert f":{password}@postgres:5432" in settings.catalog.dsn.get_secret_value()
    assert settings.upstream.host == "postgres"


@pytest.mark.parametrize(("answer", "code"), [(b"S", 0), (b"N", 0), (b"H", 1), (b"", 1), (None, 1)])
def test_healthcheck(answer: bytes | None, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(8) == bytes.fromhex("0000000804d2162f")
                connection.sendall(answer or b"")

        thread = threading.Thread(target=serve)
        if answer is None:
            server.close()
        else:
            thread.start()
        result = subprocess.run(
            [sys.executable, str(DOCKER / "healthcheck.py")],
            env={"DBGUARD_LISTEN__PORT": str(port)},
            capture_output=True,
        )
        if answer is not None:
            thread.join()
    assert result.returncode == code
    assert bool(result.stderr) == (code != 0)


def test_kubernetes_manifest(tmp_path: Path) -> None:
    """Its settings are valid, its probes exist, and the pod has no more rights than it needs."""
    documents = list(yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    (tmp_path / "secrets").mkdir()
    text = kinds["ConfigMap"]["data"]["dbguard.yaml"]
    for name in ("catalog_dsn", "backup_dsn"):
        (tmp_path / "secrets" / name).write_text("postgresql://dbguard:x@postgres/postgres")
    (tmp_path / "dbguard.yaml").write_text(
        text.replace("/run/secrets/dbguard", str(tmp_path / "secrets"))
    )
    settings = load_settings(tmp_path / "dbguard.yaml", {})
    settings.check_combination()
    assert settings.metrics is not None
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["terminationGracePeriodSeconds"] > settings.limits.shutdown_timeout
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"postgres": settings.listen.port, "http": settings.metrics.port}
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(settings.rules), str(settings.state.path.parent)} <= mounted
    assert kinds["Deployment"]["spec"]["replicas"] == 1  # an audit folder has one writer
