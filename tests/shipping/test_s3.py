"""Objects in a bucket: written once, locked, found again. Against moto's server."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbguard.audit.compression import decompress
from dbguard.setting_types import SecretSource
from dbguard.shipping.delivering import Delivery, GivenUp, Load
from dbguard.shipping.making import make_destination
from dbguard.shipping.reading_back import checkpoint_lines, open_source, write_copy
from dbguard.shipping_settings import DestinationSettings
from dbguard.verification.trail import verify

from .places import QUICK, Said, Trail, settings_of

moto_server = pytest.importorskip("moto.server", reason="needs moto and boto3 (extra shipping)")
boto3 = pytest.importorskip("boto3", reason="needs boto3 (extra s3)")
# botocore warns of its own use of datetime on some versions of Python
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[Any]:
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="k", aws_secret_access_key="s",
    )  # fmt: skip
    client.create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True)
    yield client
    urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()


def settings(endpoint: str, **members: object) -> DestinationSettings:
    given: dict[str, object] = {
        "type": "s3",
        "bucket": "evidence",
        "region": "us-east-1",
        "endpoint": endpoint,
        "access_key": SecretSource("k"),
        "secret_key": SecretSource("s"),
    }
    return settings_of(**(given | members))


def shipping(
    trail: Trail, said: Said, endpoint: str, load: Load | None = None, **members: object
) -> Delivery:
    chosen = settings(endpoint, **members)
    destination = make_destination(chosen, said)
    return Delivery(trail.directory, chosen, destination, said, pace=QUICK, by_hand=True, load=load)


def keys(client: Any) -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket="evidence").get("Contents", [])]


def versions(client: Any) -> int:
    return len(client.list_object_versions(Bucket="evidence").get("Versions", []))


def content(client: Any, key: str) -> bytes:
    return bytes(client.get_object(Bucket="evidence", Key=key)["Body"].read())


async def test_objects_hold_the_lines(
    trail: Trail, said: Said, endpoint: str, bucket: Any, tmp_path: Path
) -> None:
    trail.add(40)
    trail.checkpoint(20)
    trail.checkpoint()
    lock = {"mode": "compliance", "keep": 2192}
    await shipping(trail, said, endpoint, lock=lock, prefix="a/b").run(once=True)
    names = keys(bucket)
    batches = [name for name in names if name.endswith(".jsonl.zst")]
    assert b"".join(decompress(content(bucket, name)) for name in batches) == b"".join(
        trail.lines()
    )
    identity = names[0].split("/")[2]
    assert batches[0] == f"a/b/{identity}/_/records/000000000000001.jsonl.zst"
    assert f"a/b/{identity}/_/checkpoints/000000000000020.json" in names
    for name in names:
        found = bucket.head_object(Bucket="evidence", Key=name)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        left = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=2191) < left < timedelta(days=2193)
    async with open_source(settings(endpoint, prefix="a/b")) as source:
        lines = [line async for line in checkpoint_lines(source)]
        assert await write_copy(source, None, tmp_path / "copy") == trail.count
    assert b"".join(lines) == (trail.folder / "checkpoints.jsonl").read_bytes()
    assert verify(tmp_path / "copy") == verify(trail.directory)


async def test_a_retry_writes_nothing_twice(
    trail: Trail, said: Said, endpoint: str, bucket: Any
) -> None:
    """Whatever the cursor has forgotten, and however the batches are cut the second time."""
    cursor = trail.directory / "shipping" / "place.json"
    trail.add(20)
    trail.checkpoint()
    for load in (Load(records=3), Load(records=7), Load()):
        await shipping(trail, said, endpoint, load).run(once=True)
        cursor.unlink()
        trail.add(4)
    await shipping(trail, said, endpoint).run(once=True)
    batches = [name for name in keys(bucket) if "/records/" in name]
    assert b"".join(decompress(content(bucket, name)) for name in batches) == b"".join(
        trail.lines()
    )
    assert versions(bucket) == len(keys(bucket))


async def test_the_larger_batch_of_before_covers_smaller_ones(
    trail: Trail, said: Said, endpoint: str, bucket: Any
) -> None:
    trail.add(5)
    await shipping(trail, said, endpoint).run(once=True)
    (trail.directory / "shipping" / "place.json").unlink()
    await shipping(trail, said, endpoint, Load(records=2)).run(once=True)
    found = content(bucket, keys(bucket)[0])
    assert decompress(found) == b"".join(trail.lines())


@pytest.mark.parametrize("what", ["records", "checkpoints"])
async def test_a_fork_is_found(
    trail: Trail, said: Said, endpoint: str, bucket: Any, what: str
) -> None:
    trail.add(5)
    trail.checkpoint()
    await shipping(trail, said, endpoint).run(once=True)
    (name,) = (name for name in keys(bucket) if f"/{what}/" in name)
    metadata = bucket.head_object(Bucket="evidence", Key=name)["Metadata"]
    changed = metadata | {"hash": "0" * 64, "root": "x"}
    bucket.put_object(Bucket="evidence", Key=name, Body=b"other", Metadata=changed)
    (trail.directory / "shipping" / "place.json").unlink()
    with pytest.raises(GivenUp, match="fork: the bucket holds"):
        await shipping(trail, said, endpoint).run(once=True)


async def test_gaps_and_rejections(trail: Trail, said: Said, endpoint: str, bucket: Any) -> None:
    trail.add(40)
    trail.checkpoint()
    (trail.folder / "audit-000001.jsonl").unlink()
    await shipping(trail, said, endpoint).run(once=True)
    (name,) = (name for name in keys(bucket) if "/gaps/" in name)
    assert b'"reason":"missing"' in content(bucket, name)


async def test_no_bucket_and_nobody_there(trail: Trail, said: Said, endpoint: str) -> None:
    trail.add(1)
    with pytest.raises(GivenUp, match="it refuses"):
        await shipping(trail, said, endpoint, bucket="nosuch").run(once=True)
    with pytest.raises(GivenUp, match="it cannot be reached"):
        await shipping(trail, said, "http://127.0.0.1:1", timeout=5).run(once=True)
    assert "SecretSource" not in str(said)


async def test_gathering_waits_and_then_goes(
    trail: Trail, said: Said, bucket: Any, endpoint: str
) -> None:
    trail.add(5)
    chosen = settings(endpoint)
    destination = make_destination(chosen, said)
    delivery = Delivery(
        trail.directory, chosen, destination, said, pace=QUICK, load=Load(gather=0.5)
    )
    task = asyncio.create_task(delivery.run())
    async with asyncio.timeout(90):
        while not keys(bucket):
            await asyncio.sleep(0.05)
    assert len(keys(bucket)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
