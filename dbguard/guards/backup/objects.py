"""Dumps as objects in a bucket of S3: written whole or not at all. Blocking.

An object is written with its SHA-256 (each part's, where there are several), which the bucket
compares with what arrives; and it is asked afterwards what it holds. Where it tells of no
checksum, it is read back. Its *entity tag* is what the bucket calls these contents: it is another
one as soon as somebody writes something else there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from dbguard.errors import BackupError
from dbguard.setting_types import SecretSource

PART: Final = 16 * 1024**2
"""Bytes of a part, of which one is held. S3 takes parts from 5 MiB on."""
MOST_PARTS: Final = 9_000
"""S3 takes 10,000; dumps that need more get larger ones."""
_MOST_PAGES: Final = 1_000
"""Of 1,000 objects each: whose prefix holds more is used for something else."""
_MISSING: Final = ("404", "NoSuchKey", "NotFound", "NoSuchUpload")
_REASONS: Final = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "its credentials do not allow that",
    "403": "its credentials do not allow that",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "BadDigest": "what arrived there was not what was sent",
    "EntityTooLarge": "it does not take objects of this size",
    "SSLError": "its certificate is not to be trusted",
    "NoCredentialsError": "there are no credentials",
    "PartialCredentialsError": "there are no credentials",
    "NoRegionError": "it needs a region",
    "ConnectTimeoutError": "it does not answer",
    "ReadTimeoutError": "it does not answer",
}
"""By S3's code, or botocore's name, of an error. What else they say is not passed on."""
SHUT_OUT: Final = frozenset(
    {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
)
"""Errors behind which the credentials are read again."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects are kept."""

    name: str
    prefix: str
    """How their names begin, without slashes at its ends; may be empty."""
    region: str | None = None
    endpoint: str | None = None
    access_key: SecretSource | None = None
    secret_key: SecretSource | None = None
    ca: Path | None = None
    timeout: float = 30.0
    """Seconds that an answer may take."""

    @property
    def url(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The whole name of an object."""
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bucket says of an object."""

    size: int
    tag: str
    """Its entity tag."""


class NotAtHand(BackupError):
    """A dump cannot be looked at now, which says nothing of it."""


class LocationUnavailable(NotAtHand):
    """The bucket cannot be asked, or does not do what it was asked."""

    def __init__(self, bucket: Bucket, reason: str, code: str = "") -> None:
        super().__init__(
            "location of backups cannot be used",
            detail=f"{bucket.url}: {reason}.",
            hint="Check backup.location, its credentials and the bucket.",
        )
        self.reason = reason
        self.shut_out = code in SHUT_OUT


class ObjectMissing(BackupError):
    """There is no such object."""


class Stopped(Exception):
    """Whoever wanted it wants it no more."""


class Objects:
    """The bucket, by the handful of operations that are needed.

    `stopped` is asked again and again; when it says so, the operation ends with Stopped. All raise
    LocationUnavailable, and OSError for the file.
    """

    def __init__(self, bucket: Bucket, keys: tuple[str | None, str | None]) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        with self._words():
            self._client: Any = boto3.session.Session().client(
                "s3",
                region_name=bucket.region,
                endpoint_url=bucket.endpoint,
                aws_access_key_id=keys[0],
                aws_secret_access_key=keys[1],
                verify=str(bucket.ca) if bucket.ca else None,
                config=Config(
                    connect_timeout=min(10.0, bucket.timeout),
                    read_timeout=bucket.timeout,
                    retries={"mode": "standard", "total_max_attempts": 3},
                    s3={"addressing_style": "path"} if bucket.endpoint else None,
                ),
            )

    def listing(self, begin: str = "") -> dict[str, Seen]:
        """Everything below the prefix whose name begins so, by name."""
        start = self._bucket.key("")
        found: dict[str, Seen] = {}
        with self._words():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=start + begin
            )
            for number, page in enumerate(pages):
                if number >= _MOST_PAGES:
                    raise LocationUnavailable(self._bucket, "it holds too much besides backups")
                for entry in page.get("Contents", []):
                    name = str(entry["Key"])[len(start) :]
                    found[name] = Seen(int(entry["Size"]), str(entry["ETag"]))
        return found

    def put(self, name: str, path: Path, stopped: Callable[[], bool]) -> Seen:
        """Write a file. It is in the bucket as it is in the file when this returns; something else
        may be there when it raises."""
        size = path.stat().st_size
        place = {"Bucket": self._bucket.name, "Key": self._bucket.key(name)}
        with path.open("rb") as file, self._words():
            parts = _parts(size)
            told = (
                self._put_whole(place, file, stopped)
                if len(parts) == 1
                else self._put_in_parts(place, file, parts, stopped)
            )
            head = self._client.head_object(**place, ChecksumMode="ENABLED")
        seen = Seen(int(head["ContentLength"]), str(head["ETag"]))
        # of parts it is that of their checksums, with their number behind it or not
        known = str(head.get("ChecksumSHA256", "")).partition("-")[0]
        same = known == told or self._read_back(name, path, stopped)
        if seen.size != size or not same:
            raise LocationUnavailable(self._bucket, _REASONS["BadDigest"])
        return seen

    def fetch(self, name: str, path: Path, size: int, stopped: Callable[[], bool]) -> None:
        """Write an object that has `size` bytes to a new file that nobody else may read.

        Raises:
            ObjectMissing: it is not there.
        """
        place = {"Bucket": self._bucket.name, "Key": self._bucket.key(name)}
        with self._words(name), os.fdopen(_created(path), "wb") as file:
            body = self._client.get_object(**place)["Body"]
            left = size
            for piece in body.iter_chunks(1024 * 1024):
                if stopped():
                    body.close()
                    raise Stopped
                left -= len(piece)
                if left < 0:
                    body.close()
                    break
                file.write(piece)
        if left:
            raise BackupError(
                f"{self._bucket.url}/{name} was changed",
                detail="It does not have the recorded size.",
                hint="It does not count. Find out who changed it, and take a new backup.",
            )

    def remove(self, name: str) -> None:
        """Remove an object, and parts of one that were left; no error when there is none."""
        place = {"Bucket": self._bucket.name, "Key": self._bucket.key(name)}
        with self._words():
            for upload in self._uploads(place["Key"]):
                with suppress(ObjectMissing), self._words(name):
                    self._client.abort_multipart_upload(**place, UploadId=upload)
            self._client.delete_object(**place)

    def names(self, begin: str) -> list[str]:
        """Objects, and what there are parts of, whose names begin so."""
        start = self._bucket.key("")
        found = set(self.listing(begin))
        with self._words():
            answer = self._client.list_multipart_uploads(
                Bucket=self._bucket.name, Prefix=self._bucket.key(begin)
            )
            found |= {str(one["Key"])[len(start) :] for one in answer.get("Uploads", [])}
        return sorted(found)

    def _put_whole(
        self, place: Mapping[str, str], file: BinaryIO, stopped: Callable[[], bool]
    ) -> str:
        data = file.read()
        checksum = _base64(hashlib.sha256(data).digest())
        self._client.put_object(**place, Body=_Watched(data, stopped), ChecksumSHA256=checksum)
        return checksum

    def _put_in_parts(
        self,
        place: Mapping[str, str],
        file: BinaryIO,
        sizes: list[int],
        stopped: Callable[[], bool],
    ) -> str:
        upload = self._client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")
        about = {**place, "UploadId": upload["UploadId"]}
        done, digests = [], []
        try:
            for number, size in enumerate(sizes, 1):
                data = file.read(size)
                digest = hashlib.sha256(data).digest()
                answer = self._client.upload_part(
                    **about,
                    PartNumber=number,
                    Body=_Watched(data, stopped),
                    ChecksumSHA256=_base64(digest),
                )
                part = {"PartNumber": number, "ETag": answer["ETag"]}
                if "ChecksumSHA256" in answer:
                    part["ChecksumSHA256"] = answer["ChecksumSHA256"]
                done.append(part)
                digests.append(digest)
            self._client.complete_multipart_upload(**about, MultipartUpload={"Parts": done})
        except BaseException:
            with suppress(BackupError), self._words():
                self._client.abort_multipart_upload(**about)
            raise
        return _base64(hashlib.sha256(b"".join(digests)).digest())

    def _read_back(self, name: str, path: Path, stopped: Callable[[], bool]) -> bool:
        """Whether the object holds what the file does, byte for byte."""
        place = {"Bucket": self._bucket.name, "Key": self._bucket.key(name)}
        with self._words(), path.open("rb") as file:
            for piece in self._client.get_object(**place)["Body"].iter_chunks(1024 * 1024):
                if stopped():
                    raise Stopped
                if piece != file.read(len(piece)):
                    return False
            return not file.read(1)

    def _uploads(self, key: str) -> list[str]:
        answer = self._client.list_multipart_uploads(Bucket=self._bucket.name, Prefix=key)
        return [str(one["UploadId"]) for one in answer.get("Uploads", []) if one["Key"] == key]

    @contextmanager
    def _words(self, name: str | None = None) -> Iterator[None]:
        """Turns boto3's errors into ours; of a missing object only where its `name` is given."""
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.parsers import ResponseParserError

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if name is not None and code in _MISSING:
                raise ObjectMissing(
                    f"{self._bucket.url}/{name} is missing",
                    hint="The backup does not count. Take a new one: dbguard backup now",
                ) from None
            word = f"it refuses ({code})" if code.isalnum() else "it refuses"
            raise LocationUnavailable(self._bucket, _REASONS.get(code, word), code) from None
        except BotoCoreError as error:
            # what a body raises while it is read comes wrapped
            inner = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
            if isinstance(inner, Stopped):
                raise inner from None
            word = _REASONS.get(type(error).__name__, "it cannot be reached")
            raise LocationUnavailable(self._bucket, word) from None
        except (ResponseParserError, LookupError, TypeError):
            raise LocationUnavailable(self._bucket, "what it says makes no sense") from None
        except RecursionError:
            raise LocationUnavailable(self._bucket, "it redirects without end") from None
        except ValueError:
            raise LocationUnavailable(
                self._bucket, "its endpoint, region or name is not valid"
            ) from None


class _Watched(io.BytesIO):
    """Bytes on their way, which stop when nobody wants them there any more."""

    def __init__(self, data: bytes, stopped: Callable[[], bool]) -> None:
        super().__init__(data)
        self._stopped = stopped

    def read(self, size: int | None = -1, /) -> bytes:
        if self._stopped():
            raise Stopped
        return super().read(size)


def _parts(size: int) -> list[int]:
    """Sizes of the parts of a file; at least one, which may be empty."""
    part = max(PART, -(-size // MOST_PARTS))
    return [min(part, size - start) for start in range(0, size, part)] or [0]


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _created(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
