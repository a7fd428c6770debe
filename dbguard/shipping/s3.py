"""Destination `s3`: objects that are written once, under Object Lock where it is asked for.

    PREFIX/TRAIL/WRITER/records/FIRST.jsonl.zst       a batch, by its first sequence number
    PREFIX/TRAIL/WRITER/checkpoints/SIZE.json         a checkpoint, by its tree size
    PREFIX/TRAIL/WRITER/gaps/FIRST-LAST.json          what was gone before it was shipped

WRITER is `_` for the chain at the top of a trail. The metadata of a batch names its last record
and that one's hash. What is there already is never written again: if it is the beginning of what
comes, the rest goes behind it; if it is something else, it is a fork.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from dbguard.audit.compression import DamagedFrame, compress, decompress
from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource
from dbguard.shipping_settings import ObjectLockSettings

from .destination import Fork, Rejected, Unavailable
from .items import Chain, CheckpointBatch, Gap, RecordBatch
from .one_thread import OneThread

TOP: Final = "_"
_THERE: Final = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_MISSING: Final = ("404", "NoSuchKey", "NotFound")
_SHUT_OUT: Final = (
    "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects go, and how they are kept there."""

    name: str
    prefix: str
    region: str | None = None
    endpoint: str | None = None
    access_key: SecretSource | None = None
    secret_key: SecretSource | None = None
    lock: ObjectLockSettings | None = None
    ca: Path | None = None


class S3Copy:
    """See the module."""

    def __init__(
        self,
        name: str,
        bucket: Bucket,
        timeout: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket = bucket
        self._timeout = timeout
        self._clock = clock
        self._thread = OneThread(f"ship-{name}")
        self._objects: _Objects | None = None
        self._ahead: dict[Chain, int] = {}
        """Chains whose last batch was in an object that goes on behind it, up to this record."""

    async def send_records(self, batch: RecordBatch) -> None:
        objects = await self._connected()
        ahead = self._ahead.get(batch.chain, 0)
        known = sum(record.sequence <= ahead for record in batch.records)
        if known < len(batch.records):
            rest = batch.part(known, len(batch.records))
            self._ahead[batch.chain] = await self._thread.run(lambda: _put_records(objects, rest))

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        objects = await self._connected()
        await self._thread.run(lambda: _put_checkpoints(objects, batch))

    async def send_gap(self, gap: Gap) -> None:
        objects = await self._connected()
        key = f"{folder_of(gap.chain)}/gaps/{gap.first:015d}-{gap.last:015d}.json"
        await self._thread.run(lambda: objects.put(key, gap.line, {}))

    async def close(self) -> None:
        self._objects = None
        self._thread.end()

    async def read_back(self) -> ReadBack:
        """The way to what was written."""
        return ReadBack(await self._connected())

    async def _connected(self) -> _Objects:
        """A client with the secrets of now: they are read again after each failure to log in."""
        if self._objects is not None and not self._objects.shut_out:
            return self._objects
        keys = []
        for source in (self._bucket.access_key, self._bucket.secret_key):
            try:
                keys.append(None if source is None else await read_secret(source))
            except SecretUnavailable as error:
                raise Unavailable(f"its key is not to be had: {error}") from None
        made = await self._thread.run(
            lambda: _Objects(self._bucket, keys, self._timeout, self._clock)
        )
        self._objects = made
        return made


def folder_of(chain: Chain) -> str:
    """Without the prefix."""
    return f"{chain.trail}/{chain.writer or TOP}"


def _put_records(objects: _Objects, batch: RecordBatch) -> int:
    """Write the batch, or what is missing of it; the last record that is there then."""
    rest = batch
    while True:
        key = f"{folder_of(batch.chain)}/records/{rest.records[0].sequence:015d}.jsonl.zst"
        there = objects.metadata(key)
        if there is None:
            last = rest.records[-1]
            metadata = {
                "first": str(rest.records[0].sequence),
                "last": str(last.sequence),
                "hash": last.hash,
                "segment": str(rest.segment),
            }
            if objects.put(key, compress(rest.data), metadata):
                return last.sequence
            continue
        taken = _covered(objects, key, there, rest)
        if taken == len(rest.records):
            return int(there.get("last", rest.records[-1].sequence))
        rest = rest.part(taken, len(rest.records))


def _covered(objects: _Objects, key: str, there: Mapping[str, str], batch: RecordBatch) -> int:
    """How many records of the batch the object holds. Raises Fork when it holds other ones."""
    for number, record in enumerate(batch.records, 1):
        if str(record.sequence) == there.get("last"):
            if record.hash != there.get("hash"):
                break
            return number
    else:
        if objects.content(key).startswith(batch.data):
            return len(batch.records)  # it was a larger batch then
    raise Fork(f"the bucket holds something else in {key}")


def _put_checkpoints(objects: _Objects, batch: CheckpointBatch) -> None:
    for checkpoint in batch.checkpoints:
        key = f"{folder_of(batch.chain)}/checkpoints/{checkpoint.size:015d}.json"
        metadata = {"root": checkpoint.root, "last": str(checkpoint.sequence)}
        while True:
            there = objects.metadata(key)
            if there is None:
                if objects.put(key, checkpoint.line, metadata):
                    break
            elif there.get("root") == checkpoint.root:
                break
            else:
                raise Fork(f"the bucket holds another root in {key}")


class _Objects:
    """The bucket, by the handful of operations that are needed. Blocking.

    All raise Unavailable and Rejected.
    """

    def __init__(
        self,
        bucket: Bucket,
        keys: list[str | None],
        timeout: float,
        clock: Callable[[], datetime],
    ) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        self._clock = clock
        self._conditional = True
        self.shut_out = False
        with _words():
            self._client = boto3.session.Session().client(
                "s3",
                region_name=bucket.region,
                endpoint_url=bucket.endpoint,
                aws_access_key_id=keys[0],
                aws_secret_access_key=keys[1],
                verify=str(bucket.ca) if bucket.ca else None,
                config=Config(
                    connect_timeout=min(10.0, timeout),
                    read_timeout=timeout,
                    retries={"total_max_attempts": 1},
                    s3={"addressing_style": "path"} if bucket.endpoint else None,
                ),
            )

    def metadata(self, key: str) -> dict[str, str] | None:
        """What an object says of itself; None when it is not there."""
        with _words(self, missing=True):
            answer = self._client.head_object(Bucket=self._bucket.name, Key=self._key(key))
            return dict(answer["Metadata"])
        return None

    def content(self, key: str) -> bytes:
        """An object's bytes, decompressed where they are compressed."""
        with _words(self):
            answer = self._client.get_object(Bucket=self._bucket.name, Key=self._key(key))
            data = bytes(answer["Body"].read())
        try:
            return decompress(data) if key.endswith(".zst") else data
        except DamagedFrame:
            raise Rejected(f"{key} is damaged") from None

    def put(self, key: str, data: bytes, metadata: dict[str, str]) -> bool:
        """Write an object; False when one is there."""
        more: dict[str, object] = {}
        if self._bucket.lock is not None:
            more["ObjectLockMode"] = self._bucket.lock.mode.value.upper()
            more["ObjectLockRetainUntilDate"] = self._clock() + timedelta(
                days=self._bucket.lock.keep
            )
        if self._conditional:
            more["IfNoneMatch"] = "*"
        with _words(self, there=True) as found:
            self._client.put_object(
                Bucket=self._bucket.name,
                Key=self._key(key),
                Body=data,
                Metadata=metadata,
                ContentMD5=base64.b64encode(
                    hashlib.md5(data, usedforsecurity=False).digest()
                ).decode(),
                ContentType="application/zstd" if key.endswith(".zst") else "application/json",
                **more,
            )
            return True
        if found.unknown and self._conditional:
            self._conditional = False
            return self.put(key, data, metadata)
        return False

    def keys(self, below: str) -> Iterator[str]:
        """The keys of a folder in order, without the prefix."""
        start = self._key(below)
        with _words(self):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=start
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    yield below + str(entry["Key"])[len(start) :]

    def _key(self, key: str) -> str:
        prefix = self._bucket.prefix.strip("/")
        return f"{prefix}/{key}" if prefix else key


class _words:
    """Turns boto3's errors into ours. `missing`, `there`: that is no error, the block just ends.
    No message of the server's is passed on."""

    def __init__(
        self, objects: _Objects | None = None, *, missing: bool = False, there: bool = False
    ) -> None:
        self._objects = objects
        self._missing, self._there = missing, there
        self.unknown = False
        """The server does not know conditional writes."""

    def __enter__(self) -> _words:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None:
            return False
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            return self._answered(str(error.response.get("Error", {}).get("Code", "")))
        if isinstance(error, BotoCoreError):
            raise Unavailable(_BOTO.get(type(error).__name__, "it cannot be reached")) from None
        if isinstance(error, ValueError):
            raise Unavailable("its endpoint, region or name is not valid") from None
        return False

    def _answered(self, code: str) -> bool:
        if self._missing and code in _MISSING:
            return True
        if self._there and code in _THERE:
            return True
        if self._there and code == "NotImplemented":
            self.unknown = True
            return True
        if code in _SHUT_OUT:
            if self._objects is not None:
                self._objects.shut_out = True
            raise Unavailable(f"it does not let dbguard do that ({code})") from None
        if code == "EntityTooLarge":
            raise Rejected(code) from None
        raise Unavailable(f"it refuses ({code})") from None


_BOTO: Final = {
    "SSLError": "its certificate is not to be trusted",
    "NoCredentialsError": "there are no credentials",
    "PartialCredentialsError": "there are no credentials",
    "NoRegionError": "it needs a region",
    "ConnectTimeoutError": "it does not answer",
    "ReadTimeoutError": "it does not answer",
}


class ReadBack:
    """What a bucket holds, for those who fetch it. Blocking, raises Unavailable."""

    def __init__(self, objects: _Objects) -> None:
        self._objects = objects

    def chains(self) -> list[Chain]:
        found = {tuple(key.split("/")[:2]) for key in self._objects.keys("")}
        return [
            Chain(trail, "" if writer == TOP else writer)
            for trail, writer in sorted(parts for parts in found if len(parts) == 2)
        ]

    def records(self, chain: Chain) -> Iterator[tuple[int, bytes]]:
        """Segment and content of each batch in order."""
        for key in self._objects.keys(f"{folder_of(chain)}/records/"):
            metadata = self._objects.metadata(key) or {}
            yield int(metadata.get("segment", "1")), self._objects.content(key)

    def checkpoints(self, chain: Chain) -> Iterator[bytes]:
        for key in self._objects.keys(f"{folder_of(chain)}/checkpoints/"):
            yield self._objects.content(key)
