"""Backups in a bucket: whole, checked on the way and when they come back, and nothing else there.
Against moto's server."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup import objects as objects_module
from dbguard.guards.backup.giving_back import restore_database, restore_tables
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.model import BackupStatus, DumpFormat
from dbguard.guards.backup.objects import Bucket, LocationUnavailable, Objects, Stopped
from dbguard.guards.backup.pruning import remove_backup
from dbguard.guards.backup.sealing import Key
from dbguard.guards.backup.store import Store
from dbguard.guards.backup.table_names import table_name
from dbguard.guards.backup.taking import BackupContext, Step, take_backup, verify_backup
from dbguard.guards.backup.uploading import remove_leftovers
from dbguard.policy.decision import BackupRequirement
from dbguard.setting_types import SecretSource
from dbguard.sql.destruction import Destruction
from tests.buckets import answering, error, s3_client, s3_server

# botocore warns of its own use of datetime on some versions of Python
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]

HOUR = BackupRequirement("ddl-needs-backup", 3600)
DROPPED = Destruction(reason="dropping what is there")
MIB = 1024**2


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    with s3_client(endpoint, "dumps") as made:
        yield made


@pytest.fixture
def bucket(endpoint: str, client: Any) -> Bucket:
    return Bucket(
        "dumps", "a/b", "us-east-1", endpoint, SecretSource("k"), SecretSource("s"), timeout=20
    )


@pytest.fixture
def objects(bucket: Bucket) -> Objects:
    return Objects(bucket, ("k", "s"))


@pytest.fixture
def kept(context: BackupContext, bucket: Bucket) -> BackupContext:
    """Backups go to the bucket."""
    return replace(context, store=Store(bucket))


def names(client: Any) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket="dumps").get("Contents", [])]


def uploads(client: Any) -> list[str]:
    return [one["Key"] for one in client.list_multipart_uploads(Bucket="dumps").get("Uploads", [])]


def left(context: BackupContext) -> list[str]:
    return sorted(path.name for path in context.directory.iterdir() if path.name != ".lock")


def never() -> bool:
    return False


def guard_of(context: BackupContext) -> BackupGuard:
    return BackupGuard(
        context.registry, context.access, lambda: datetime.now(UTC), store=context.store
    )


# objects alone


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 5 * MIB + 1, 12 * MIB])
def test_what_is_written_comes_back(
    objects: Objects, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(objects_module, "PART", 5 * MIB)
    source, copy = tmp_path / "a", tmp_path / "b"
    source.write_bytes(os.urandom(size))
    seen = objects.put("x.dump", source, never)
    assert names(client) == ["a/b/x.dump"]
    assert uploads(client) == []
    assert seen.size == size
    assert objects.listing() == {"x.dump": seen}
    objects.fetch("x.dump", copy, size, never)
    assert copy.read_bytes() == source.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o600
    objects.remove("x.dump")
    objects.remove("x.dump")
    assert names(client) == []


def test_a_bucket_without_checksums_is_read_back(
    objects: Objects, client: Any, tmp_path: Path
) -> None:
    """Some that speak S3's protocol know nothing of SHA-256."""
    source = tmp_path / "a"
    source.write_bytes(b"what was sent")
    real = objects._client.head_object

    def forgetful(**about: Any) -> Any:
        answer = real(**about)
        answer.pop("ChecksumSHA256", None)
        return answer

    objects._client.head_object = forgetful
    objects.put("x", source, never)

    def damaging(**about: Any) -> Any:
        client.put_object(Bucket="dumps", Key="a/b/y", Body=b"what was sEnt")
        return forgetful(**about)

    objects._client.head_object = damaging
    with pytest.raises(LocationUnavailable, match="location of backups") as caught:
        objects.put("y", source, never)
    assert "not what was sent" in caught.value.detail


def test_a_checksum_that_differs_is_noticed(objects: Objects, client: Any, tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"what was sent")
    real = objects._client.head_object

    def damaging(**about: Any) -> Any:
        client.put_object(
            Bucket="dumps", Key="a/b/y", Body=b"what was sEnt", ChecksumAlgorithm="SHA256"
        )
        return real(**about)

    objects._client.head_object = damaging
    with pytest.raises(LocationUnavailable) as caught:
        objects.put("y", source, never)
    assert "not what was sent" in caught.value.detail


def test_parts_do_not_stay(
    objects: Objects, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "PART", 5 * MIB)
    source = tmp_path / "a"
    source.write_bytes(bytes(16 * MIB))
    asked = []

    def later() -> bool:
        """Stops in the middle of the second part."""
        asked.append(len(uploads(client)))
        parts = [
            part
            for one in client.list_multipart_uploads(Bucket="dumps").get("Uploads", [])
            for part in client.list_parts(
                Bucket="dumps", Key=one["Key"], UploadId=one["UploadId"]
            ).get("Parts", [])
        ]
        return bool(parts)

    with pytest.raises(Stopped):
        objects.put("x", source, later)
    assert 1 in asked
    assert uploads(client) == names(client) == []


def test_what_comes_back_otherwise_is_refused(
    objects: Objects, client: Any, tmp_path: Path
) -> None:
    client.put_object(Bucket="dumps", Key="a/b/x", Body=b"0123456789")
    for number, size in enumerate((9, 11)):
        with pytest.raises(BackupError, match="was changed"):
            objects.fetch("x", tmp_path / str(number), size, never)
    with pytest.raises(BackupError, match="is missing"):
        objects.fetch("nosuch", tmp_path / "other", 1, never)


def test_other_peoples_objects_are_not_ours(objects: Objects, client: Any) -> None:
    for name in ("a/bc/x", "a/x", "x", "a/b"):
        client.put_object(Bucket="dumps", Key=name, Body=b"")
    assert objects.listing() == {}


# what a location can answer


NAMELESS = b"<ListBucketResult><Contents><Key>a/b/x</Key></Contents></ListBucketResult>"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", "its credentials do not allow that"),
        (403, "InvalidAccessKeyId", "it does not know the access key"),
        (403, "SignatureDoesNotMatch", "the secret key is wrong"),
        (404, "NoSuchBucket", "there is no such bucket"),
        (400, "Strange", "it refuses (Strange)"),
        (400, "a b", "it refuses"),
        (400, "a <b>", "it refuses (400)"),
        (200, "", "what it says makes no sense"),
    ],
)
async def test_what_it_refuses_is_told_in_words(
    bucket: Bucket, status: int, code: str, expected: str
) -> None:
    with answering(status, error(code) if code else NAMELESS) as endpoint:
        store = Store(replace(bucket, endpoint=endpoint))
        with pytest.raises(LocationUnavailable) as caught:
            await store.contents()
    assert caught.value.detail == f"s3://dumps/a/b: {expected}."
    assert "secret words" not in str(caught.value)


async def test_nobody_there(bucket: Bucket) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(LocationUnavailable) as caught:
        await Store(replace(bucket, endpoint=f"http://127.0.0.1:{port}")).contents()
    assert "it cannot be reached" in caught.value.detail


async def test_silence_ends(bucket: Bucket) -> None:
    hang = threading.Event()
    with answering(200, hang=hang) as endpoint:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        store = Store(replace(bucket, endpoint=endpoint, timeout=1))
        with pytest.raises(LocationUnavailable) as caught:
            await store.contents()
        ticking.cancel()
    assert "it does not answer" in caught.value.detail
    assert ticks > 3  # others went on


async def test_secrets_are_read_again_when_they_are_refused(
    bucket: Bucket, tmp_path: Path, client: Any
) -> None:
    secret = tmp_path / "secret"
    store = Store(replace(bucket, secret_key=SecretSource(file=secret)))
    with pytest.raises(LocationUnavailable) as caught:
        await store.contents()
    assert "its key is not to be had" in caught.value.detail
    secret.write_text("s\n")
    assert (await store.contents()).seen == {}


# backups


@pytest.mark.pg
@pytest.mark.parametrize("form", list(DumpFormat))
@pytest.mark.parametrize("sealed", [True, False])
async def test_a_backup_goes_there_counts_and_comes_back(
    kept: BackupContext, clinic: Any, client: Any, pg_server: Any, form: DumpFormat, sealed: bool
) -> None:
    key = Key(bytes(range(32)))

    async def read_key() -> Key:
        return key

    steps: list[Step] = []
    context = replace(
        kept, format=form, read_key=read_key if sealed else None, progress=steps.append
    )
    backup = await take_backup(clinic.name, context)
    assert steps == list(Step)
    assert left(context) == []
    assert backup.path is None
    assert backup.object.startswith(f"s3://dumps/a/b/{backup.id}.")
    stored = names(client)
    if form is DumpFormat.CUSTOM:
        assert [f"s3://dumps/{name}" for name in stored] == [backup.object]
    else:
        assert len(stored) > 3
        assert all(f"s3://dumps/{name}".startswith(backup.object + "/") for name in stored)
    data = b"".join(client.get_object(Bucket="dumps", Key=n)["Body"].read() for n in stored)
    assert len(data) == backup.bytes
    assert (b"DBGDUMP1" in data) == sealed
    assert context.registry.all() == (backup,)
    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert (verdict.satisfied, verdict.backup_id) == (True, backup.id)

    assert (await verify_backup(backup.id, context)).status is BackupStatus.VERIFIED
    into = f"back_{backup.id}"
    await restore_database(backup.id, into, context)
    try:
        copy = pg_server.database(into) if hasattr(pg_server, "database") else None
        del copy
    finally:
        pg_server.execute(f'DROP DATABASE "{into}"')
    await restore_tables(backup.id, (table_name("clinic.patients"),), context)
    ours = "SELECT t::text FROM clinic.patients t ORDER BY 1"
    theirs = f"SELECT t::text FROM clinic.patients_restored_{backup.id} t ORDER BY 1"
    assert clinic.execute(theirs) == clinic.execute(ours)
    assert left(context) == []

    await remove_backup(backup, context)
    assert names(client) == []
    assert context.registry.all() == ()
    assert left(context) == []


def flip(client: Any, name: str) -> None:
    data = bytearray(client.get_object(Bucket="dumps", Key=name)["Body"].read())
    data[len(data) // 2] ^= 1
    client.put_object(Bucket="dumps", Key=name, Body=bytes(data))


def truncate(client: Any, name: str) -> None:
    data = client.get_object(Bucket="dumps", Key=name)["Body"].read()
    client.put_object(Bucket="dumps", Key=name, Body=data[:-1])


def delete(client: Any, name: str) -> None:
    client.delete_object(Bucket="dumps", Key=name)


def add(client: Any, name: str) -> None:
    client.put_object(Bucket="dumps", Key=f"{name}.more", Body=b"")


@pytest.mark.pg
@pytest.mark.parametrize("form", list(DumpFormat))
@pytest.mark.parametrize("damage", [flip, truncate, delete])
async def test_what_was_changed_in_the_bucket_never_counts(
    kept: BackupContext,
    clinic: Any,
    client: Any,
    form: DumpFormat,
    damage: Callable[[Any, str], None],
) -> None:
    context = replace(kept, format=form)
    backup = await take_backup(clinic.name, context)
    damage(client, names(client)[0])
    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert not verdict.satisfied
    assert backup.id in verdict.detail
    for refused in (
        restore_database(backup.id, "never_made", context),
        restore_tables(backup.id, (table_name("clinic.patients"),), context),
        verify_backup(backup.id, context),
    ):
        with pytest.raises(BackupError):
            await refused
        assert left(context) == []
    (stored,) = context.registry.all()
    assert stored.status is BackupStatus.FAILED  # as verify has found


@pytest.mark.pg
async def test_flipped_back_it_is_sound_and_says_who_wrote_it_over(
    kept: BackupContext, clinic: Any, client: Any
) -> None:
    """Entity tags tell contents: the same bytes, written again, are what was registered."""
    backup = await take_backup(clinic.name, kept)
    (name,) = names(client)
    flip(client, name)
    verdict = await guard_of(kept).check(HOUR, clinic.name, DROPPED)
    assert "its object was written over" in verdict.detail
    flip(client, name)
    verdict = await guard_of(kept).check(HOUR, clinic.name, DROPPED)
    assert verdict.backup_id == backup.id


@pytest.mark.pg
async def test_no_backup_without_its_location(
    kept: BackupContext, clinic: Any, client: Any, bucket: Bucket
) -> None:
    """Told before anything is dumped; what is on this machine still counts."""
    steps: list[Step] = []
    context = replace(
        kept, store=Store(replace(bucket, name="nosuch-bucket")), progress=steps.append
    )
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, context)
    assert caught.value.detail == "s3://nosuch-bucket/a/b: there is no such bucket."
    assert steps == []
    assert context.registry.all() == ()
    there = await take_backup(clinic.name, kept)
    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert "it is in another location than the settings name" in verdict.detail
    with pytest.raises(BackupError, match="another location"):
        await verify_backup(there.id, context)
    away = Store(bucket)
    away.bucket = replace(bucket, endpoint="http://127.0.0.1:9")
    verdict = await guard_of(replace(context, store=away)).check(HOUR, clinic.name, DROPPED)
    assert "its location cannot be asked: it cannot be reached" in verdict.detail
    with pytest.raises(LocationUnavailable):
        await verify_backup(there.id, replace(context, store=away))
    assert kept.registry.get(there.id) == there  # nothing was found out about it
    here = await take_backup(clinic.name, replace(context, store=None))
    verdict = await guard_of(replace(context, store=away)).check(HOUR, clinic.name, DROPPED)
    assert verdict.backup_id == here.id


class _Failing(Objects):
    """Its second object of a dump does not get there."""

    put_already = 0

    def put(self, *arguments: Any) -> Any:
        self.put_already += 1
        if self.put_already > 1:
            raise LocationUnavailable(self._bucket, "it does not answer")
        return super().put(*arguments)


@pytest.mark.pg
async def test_a_dump_that_does_not_get_there_leaves_nothing(
    kept: BackupContext, clinic: Any, client: Any, bucket: Bucket
) -> None:
    context = replace(kept, format=DumpFormat.DIRECTORY)
    assert context.store is not None
    context.store._objects = _Failing(bucket, ("k", "s"))
    with pytest.raises(LocationUnavailable):
        await take_backup(clinic.name, context)
    assert context.store._objects.put_already == 2  # type: ignore[attr-defined]
    assert names(client) == []
    assert left(context) == []
    (attempt,) = context.registry.all()
    assert attempt.status is BackupStatus.FAILED
    assert "it does not answer" in attempt.error
    assert not (await guard_of(context).check(HOUR, clinic.name, DROPPED)).satisfied


@pytest.mark.pg
async def test_a_registry_that_fails_leaves_nothing_in_the_bucket(
    kept: BackupContext, clinic: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise BackupError("backup registry cannot be used")

    monkeypatch.setattr(type(kept.registry), "add", full)
    with pytest.raises(BackupError, match="registry"):
        await take_backup(clinic.name, kept)
    assert names(client) == []
    assert left(kept) == []


@pytest.mark.pg
async def test_cancelled_on_its_way_it_leaves_nothing(
    kept: BackupContext, clinic: Any, client: Any, bucket: Bucket
) -> None:
    reached, go = threading.Event(), threading.Event()

    class Slow(Objects):
        def put(self, name: str, path: Path, stopped: Callable[[], bool]) -> Any:
            seen = super().put(name, path, stopped)
            reached.set()
            go.wait(60)
            return seen

    assert kept.store is not None
    kept.store._objects = Slow(bucket, ("k", "s"))
    taking = asyncio.create_task(take_backup(clinic.name, kept))
    await asyncio.to_thread(reached.wait, 60)
    assert len(names(client)) == 1
    taking.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert names(client) == []
    assert left(kept) == []
    assert kept.registry.all() == ()


@pytest.mark.pg
async def test_what_a_killed_run_left_is_removed(
    kept: BackupContext, clinic: Any, client: Any, bucket: Bucket
) -> None:
    good = await take_backup(clinic.name, kept)
    for name in (f"a/b/{good.id}x.dump", "a/b/20260101_000000_aaaaaa.dump", "a/b/other"):
        client.put_object(Bucket="dumps", Key=name, Body=b"part")
    client.create_multipart_upload(Bucket="dumps", Key="a/b/20260101_000000_bbbbbb.dump")
    for backup_id, place in {
        "20260101_000000_aaaaaa": "s3://dumps/a/b/20260101_000000_aaaaaa.dump",
        "20260101_000000_bbbbbb": "s3://dumps/a/b/20260101_000000_bbbbbb.dump",
        good.id: good.object,  # it was killed behind the registry
        "20260101_000000_cccccc": "s3://dumps/a/b/other",  # no marker of ours says that
        "20260101_000000_dddddd": "s3://elsewhere/20260101_000000_dddddd.dump",
    }.items():
        (kept.directory / f"{backup_id}.upload").write_text(place + "\n")
    await remove_leftovers(kept)
    own = good.object.removeprefix("s3://dumps/")
    assert names(client) == sorted([own, f"a/b/{good.id}x.dump", "a/b/other"])
    assert uploads(client) == []
    assert left(kept) == ["20260101_000000_cccccc.upload", "20260101_000000_dddddd.upload"]
    assert (await guard_of(kept).check(HOUR, clinic.name, DROPPED)).backup_id == good.id


@pytest.mark.pg
async def test_what_cannot_be_cleaned_up_is_told(kept: BackupContext, clinic: Any) -> None:
    (kept.directory / "20260101_000000_aaaaaa.upload").mkdir()
    with pytest.raises(BackupError, match="could not be written") as caught:
        await take_backup(clinic.name, kept)
    assert "is a directory" in caught.value.detail
    assert kept.registry.all() == ()
    (kept.directory / "20260101_000000_aaaaaa.upload").rmdir()
