"""Requests to S3 for which Arrow has no function: writing with headers of encryption, and versions of objects.

They need boto3 (extra `s3`), which is imported with the first request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import IO, Any

from copilot_pipeline.errors import ConfigurationError

INSTALL = 'python -m pip install "copilot-pipeline[s3]" (from a clone: python -m pip install -e ".[s3]")'
# As large as the objects and parts that Arrow sends in one request.
_PART_BYTES = 10_000_000
_MAX_DELETED = 1000  # in one request


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """A version of an object, or the mark of a deletion. `is_latest`: what a reader sees."""

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool


@dataclass(frozen=True, slots=True)
class S3Connection:
    """How to reach S3. Keys that are None are looked up in the environment, the profile or the role."""

    access_key: str | None
    secret_key: str | None
    region: str | None
    endpoint: str | None  # with its scheme
    ca_file: str | None
    is_virtual: bool  # the bucket is part of the host name
    attempts: int
    encryption: tuple[tuple[str, str], ...] = ()  # headers of each object, by their names in boto3

    def send(self, stream: IO[bytes], path: str) -> None:
        """Replace an object by the content of a stream, with the headers of encryption. Raises `OSError`."""
        from boto3.s3.transfer import TransferConfig

        bucket, _, key = path.partition("/")
        parts = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False)
        with _as_os_errors():
            self._client().upload_fileobj(stream, bucket, key, ExtraArgs=dict(self.encryption), Config=parts)

    def remove(self, path: str) -> None:
        """Remove an object; where versions are kept, they stay. Raises `OSError`."""
        bucket, _, key = path.partition("/")
        with _as_os_errors():
            self._client().delete_object(Bucket=bucket, Key=key)

    def keeps_versions(self, bucket: str) -> bool:
        """Return whether the bucket keeps, or has kept, versions of objects. Raises `OSError`."""
        with _as_os_errors():
            return self._client().get_bucket_versioning(Bucket=bucket).get("Status") in ("Enabled", "Suspended")

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
        """Yield all versions and deletions of the objects below a prefix. Raises `OSError`."""
        with _as_os_errors():
            pages = self._client().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for name, is_marker in (("Versions", False), ("DeleteMarkers", True)):
                    for one in page.get(name, ()):
                        yield ObjectVersion(one["Key"], one["VersionId"], one["IsLatest"], is_marker)

    def read(self, bucket: str, version: ObjectVersion) -> bytes | None:
        """Return the content of a version, None if it is removed. Raises `OSError`."""
        try:
            with _as_os_errors():
                found = self._client().get_object(Bucket=bucket, Key=version.key, VersionId=version.version_id)
                return bytes(found["Body"].read())
        except FileNotFoundError:
            return None

    def delete(self, bucket: str, versions: Sequence[ObjectVersion]) -> Sequence[str]:
        """Remove versions for ever; return the codes of those that the store refused. Raises `OSError`."""
        refused: list[str] = []
        for start in range(0, len(versions), _MAX_DELETED):
            some = versions[start : start + _MAX_DELETED]
            objects = [{"Key": one.key, "VersionId": one.version_id} for one in some]
            with _as_os_errors():
                answer = self._client().delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            refused += [one.get("Code", "no code") for one in answer.get("Errors", ())]
        return refused

    def _client(self) -> Any:
        return _client_of(self, os.getpid())  # connections are not shared with child processes


def is_installed() -> bool:
    """Return whether boto3 is installed."""
    return find_spec("boto3") is not None


@lru_cache(maxsize=8)
def _client_of(connection: S3Connection, _process_id: int) -> Any:
    if not is_installed():
        raise ConfigurationError(f"the lake's address needs boto3, which is not installed: {INSTALL}")
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": connection.attempts},
        s3={"addressing_style": "virtual" if connection.is_virtual else "auto"},
        proxies={},  # those of the environment do not concern the lake
        request_checksum_calculation="when_required",  # other stores than Amazon's may not accept it
        response_checksum_validation="when_required",
    )
    # A session of its own: that of the module is not safe in threads.
    return boto3.session.Session().client(
        "s3",
        region_name=connection.region,
        endpoint_url=connection.endpoint,
        aws_access_key_id=connection.access_key,
        aws_secret_access_key=connection.secret_key,
        verify=connection.ca_file,
        config=config,
    )


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Raise what Arrow would raise: `FileNotFoundError` for a missing object, `OSError` otherwise."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "NoSuchVersion"):
            raise FileNotFoundError(str(error)) from None
        raise OSError(str(error)) from None
    except BotoCoreError as error:
        raise OSError(str(error)) from None
