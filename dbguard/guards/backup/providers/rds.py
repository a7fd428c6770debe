"""Snapshots of one AWS RDS instance, and its point-in-time recovery, by boto3 (extra `s3`).

Names as in the RDS API reference (DescribeDBInstances, DescribeDBSnapshots). A snapshot counts for
an instance with the same resource id: names are used again. AWS does not tell PostgreSQL's system
identifier, so that the instance is taken for the server when dbguard goes to its endpoint, or when
the settings say that it has that identifier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dbguard.guards.backup.evidence import Coverage, Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.policy.decision import Verification
from dbguard.setting_types import SecretSource

from .fields import NEVER, Fields, Misread, NoInventory

_PAGES: Final = 20
"""Of a hundred snapshots each; AWS keeps at most 100 manual and 35 automated ones by default."""
_AVAILABLE: Final = "available"
POINT_IN_TIME: Final = "point-in-time"
"""Id of what recovery to the latest restorable time would give."""


@dataclass(frozen=True, slots=True)
class Rds:
    """The provider of kind `rds`."""

    name: str
    instance: str
    address: tuple[str, int]
    """Host and port of the server as dbguard reaches it."""
    seconds: float
    region: str | None = None
    endpoint: str | None = None
    access_key: SecretSource | None = field(default=None, repr=False)
    secret_key: SecretSource | None = field(default=None, repr=False)
    system_identifier: str | None = None

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        try:
            keys = [
                await read_secret(one) if one is not None else None
                for one in (self.access_key, self.secret_key)
            ]
        except SecretUnavailable:
            raise NoInventory("its keys cannot be read") from None
        try:
            return await asyncio.to_thread(self._read, keys, database)
        except Misread as error:
            raise NoInventory(f"its inventory is not understood: {error.reason}") from None

    def _read(self, keys: list[str | None], database: DatabaseIdentity) -> list[Evidence]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._client(keys)
            found = client.describe_db_instances(DBInstanceIdentifier=self.instance)
            instance = Fields(found["DBInstances"][0], "the instance")
            snapshots = list(self._snapshots(client))
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code == "DBInstanceNotFound":
                raise NoInventory("there is no such instance") from None
            raise NoInventory(f"AWS refuses{f' ({code})' if code.isalnum() else ''}") from None
        except (BotoCoreError, ValueError, LookupError, TypeError):
            raise NoInventory("AWS cannot be reached or asked with these settings") from None
        flaw = self._flaw(instance, database)
        resource = instance.text("DbiResourceId")
        listed = [self._snapshot(one, resource, flaw) for one in snapshots]
        return [*self._point_in_time(instance, flaw), *listed]

    def _client(self, keys: list[str | None]) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "rds",
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            config=Config(
                connect_timeout=self.seconds,
                read_timeout=self.seconds,
                retries={"total_max_attempts": 1},
            ),
        )

    def _snapshots(self, client: Any) -> Iterator[Fields]:
        pages = client.get_paginator("describe_db_snapshots").paginate(
            DBInstanceIdentifier=self.instance
        )
        for number, page in enumerate(pages):
            if number >= _PAGES:
                raise NoInventory("it has too many snapshots")
            for snapshot in page["DBSnapshots"]:
                yield Fields(snapshot, "a snapshot")

    def _flaw(self, instance: Fields, database: DatabaseIdentity) -> str:
        """Why the instance is not taken for the server."""
        if self.system_identifier is not None:
            same = self.system_identifier == database.server
            return "" if same else "it is of another server"
        there = instance.section("Endpoint") if instance.has("Endpoint") else None
        if there is None:
            return "its instance has no endpoint"
        if (there.text("Address").lower(), there.number("Port")) != (
            self.address[0].lower(),
            self.address[1],
        ):
            return "dbguard does not go to its instance's endpoint (or set system_identifier)"
        return ""

    def _snapshot(self, snapshot: Fields, resource: str, flaw: str) -> Evidence:
        status = snapshot.text("Status")
        created = [
            snapshot.moment(name)
            for name in ("SnapshotCreateTime", "OriginalSnapshotCreateTime")
            if snapshot.has(name)
        ]
        if not flaw and status != _AVAILABLE:
            flaw = "it is not available yet, or not any more"
        if not flaw and snapshot.text("DbiResourceId") != resource:
            flaw = "it is of an earlier instance of this name"
        if not flaw and not created:
            flaw = "AWS does not tell when it was made"
        return _evidence(self.name, snapshot.text("DBSnapshotIdentifier"), created, flaw)

    def _point_in_time(self, instance: Fields, flaw: str) -> Iterator[Evidence]:
        kept = instance.has("BackupRetentionPeriod") and instance.number("BackupRetentionPeriod")
        if kept and instance.has("LatestRestorableTime"):
            yield _evidence(
                self.name, POINT_IN_TIME, [instance.moment("LatestRestorableTime")], flaw
            )


def _evidence(name: str, one: str, times: list[datetime], flaw: str) -> Evidence:
    return Evidence(
        id=one,
        provider=name,
        taken_at=min(times, default=NEVER),
        verification=Verification.EXISTS,
        coverage=Coverage(everything=True, cluster=True),
        flaw=flaw,
    )
