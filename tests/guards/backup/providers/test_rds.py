"""Snapshots of AWS RDS, against moto's imitation of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.providers.fields import NoInventory
from dbguard.guards.backup.providers.rds import Rds
from dbguard.setting_types import SecretSource

from .conftest import CLINIC, SYSTEM

moto_server = pytest.importorskip("moto.server", reason="needs moto and boto3 (extra shipping)")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str) -> Any:
    import boto3

    return boto3.session.Session().client(
        "rds",
        region_name="eu-central-1",
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="s3cret",
    )


def made(aws: Any, name: str) -> dict[str, Any]:
    """An instance with a snapshot of the same name."""
    instance: dict[str, Any] = aws.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="root",
        MasterUserPassword="s3cret77",
        BackupRetentionPeriod=0,
    )["DBInstance"]
    aws.create_db_snapshot(DBSnapshotIdentifier=f"{name}-1", DBInstanceIdentifier=name)
    return instance


def ask(
    endpoint: str, name: str, address: tuple[str, int] = ("h", 1), **more: Any
) -> list[Evidence]:
    provider = Rds(
        "aws",
        name,
        address,
        30,
        "eu-central-1",
        endpoint,
        SecretSource("key"),
        SecretSource("s3cret"),
        **more,
    )
    assert "s3cret" not in repr(provider)
    return list(asyncio.run(provider.backups(CLINIC)))


def snapshot(found: list[Evidence], name: str) -> Evidence:
    (one,) = (e for e in found if e.id == name)
    return one


def test_a_snapshot_of_the_server_that_dbguard_goes_to(endpoint: str, aws: Any) -> None:
    there = made(aws, "clinic-a")["Endpoint"]
    found = ask(endpoint, "clinic-a", (there["Address"].upper(), there["Port"]))
    assert snapshot(found, "clinic-a-1").flaw == ""
    assert snapshot(found, "clinic-a-1").coverage.cluster
    found = ask(endpoint, "clinic-a", (there["Address"], there["Port"] + 1))
    assert snapshot(found, "clinic-a-1").flaw.startswith("dbguard does not go to its instance's")


def test_a_server_that_the_settings_name(endpoint: str, aws: Any) -> None:
    made(aws, "clinic-b")
    found = ask(endpoint, "clinic-b", system_identifier=SYSTEM)
    assert snapshot(found, "clinic-b-1").flaw == ""
    found = ask(endpoint, "clinic-b", system_identifier="7001")
    assert snapshot(found, "clinic-b-1").flaw == "it is of another server"


def test_an_instance_that_is_not_there(endpoint: str) -> None:
    with pytest.raises(NoInventory, match="there is no such instance"):
        ask(endpoint, "nosuch")


def test_nobody_there() -> None:
    with pytest.raises(NoInventory, match="AWS cannot be reached"):
        ask("http://127.0.0.1:1", "clinic-a")


class Answers:
    """A client with one instance and one snapshot, as DescribeDB… describe them."""

    def __init__(self, instance: dict[str, Any], snapshots: list[dict[str, Any]]) -> None:
        self.instance, self.snapshots = instance, snapshots

    def describe_db_instances(self, **_: str) -> dict[str, Any]:
        return {"DBInstances": [self.instance]}

    def get_paginator(self, _: str) -> Answers:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"DBSnapshots": self.snapshots}]


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({}, ""),
        ({"Status": "creating"}, "it is not available yet, or not any more"),
        ({"DbiResourceId": "db-OLD"}, "it is of an earlier instance of this name"),
        ({"SnapshotCreateTime": None}, "AWS does not tell when it was made"),
        ({"OriginalSnapshotCreateTime": "2020-01-01T00:00:00Z"}, "2020"),
    ],
)
def test_flaws(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], flaw: str) -> None:
    one = {
        "DBSnapshotIdentifier": "one",
        "Status": "available",
        "DbiResourceId": "db-NEW",
        "SnapshotCreateTime": "2026-11-22T06:00:00Z",
    }
    instance = {
        "DbiResourceId": "db-NEW",
        "BackupRetentionPeriod": 7,
        "LatestRestorableTime": "2026-11-22T06:55:00Z",
    }
    monkeypatch.setattr(Rds, "_client", lambda *_: Answers(instance, [one | change]))
    found = ask("https://x", "clinic", system_identifier=SYSTEM)
    assert snapshot(found, "point-in-time").taken_at.minute == 55
    if flaw == "2020":  # a copy is as old as what it is a copy of
        assert snapshot(found, "one").taken_at.year == 2020
    else:
        assert snapshot(found, "one").flaw == flaw


def test_without_automated_backups_no_point_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = {"DbiResourceId": "a", "BackupRetentionPeriod": 0, "LatestRestorableTime": "x"}
    monkeypatch.setattr(Rds, "_client", lambda *_: Answers(instance, []))
    assert ask("https://x", "clinic", system_identifier=SYSTEM) == []
