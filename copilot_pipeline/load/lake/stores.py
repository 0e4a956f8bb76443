"""Open the file system of a lake: a folder, or a bucket of S3, Google Cloud Storage or Azure.

Endpoint, region and credentials come from the address or from the vendor's ordinary environment variables; without
them from the identity of the machine or workload, which the vendor's library looks up itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pa_fs

from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake.s3_requests import INSTALL, S3Connection, is_installed
from copilot_pipeline.load.lake.storage_errors import StorageError, explained

T = TypeVar("T")
R = TypeVar("R")

REQUESTS_AT_ONCE = 8
_DEFAULT_REGION = "us-east-1"  # for servers that have no regions, such as MinIO
_ATTEMPTS = 5
_GCS_RETRY_LIMIT = timedelta(seconds=60)  # the library's own limit is a quarter of an hour
_ENCRYPTION, _KMS_KEY = "encryption", "kms_key"
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_S3_PARAMETERS = frozenset(
    {"region", "scheme", "endpoint_override", "tls_ca_file_path", "force_virtual_addressing", _ENCRYPTION, _KMS_KEY}
)
_GCS_PARAMETERS = frozenset({"scheme", "endpoint_override", _KMS_KEY})


@dataclass(frozen=True, slots=True)
class Store:
    """The file system of a lake, and the path of the lake in it."""

    filesystem: pa_fs.FileSystem
    root: str
    scheme: str  # empty for a folder
    s3: S3Connection | None = None  # for what Arrow has no function
    encrypts: bool = False  # each object is written with a key or an algorithm of the address

    @property
    def s3_with_headers(self) -> S3Connection | None:
        """What writes and removes objects in place of Arrow, which cannot send the headers of encryption."""
        return self.s3 if self.encrypts else None

    @property
    def is_remote(self) -> bool:
        """Whether each operation is a request over a network."""
        return self.scheme in ("s3", "gs", "abfs")

    @property
    def replaces_whole_objects(self) -> bool:
        """Whether an object that is written under its own name becomes visible when it is complete, and not before.

        Azure shows an empty object as soon as it is opened; there, as in a folder, a draft is moved into place.
        """
        return self.scheme in ("s3", "gs")

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Apply a function that reads or writes files to each item, several at the same time.

        A local disk flushes several files in about the time of one. All of them end before the first error is raised.
        """
        items = list(items)
        if len(items) < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="lake") as pool:
            futures = [pool.submit(function, item) for item in items]
        return [future.result() for future in futures]


def open_store(url: str, environment: Mapping[str, str] = os.environ) -> Store:
    """Return the store of an address. Raises `ConfigurationError`; its message has no key of the address."""
    if "://" not in url:
        return Store(pa_fs.LocalFileSystem(), str(Path(url).absolute()), "")
    try:
        parts = urlsplit(url)
        opener = {"s3": _s3, "gs": _gcs, "gcs": _gcs, "abfs": _azure, "abfss": _azure}.get(parts.scheme)
        if opener is not None:
            with explained(url):
                return opener(parts, environment)
        filesystem, root = pa_fs.FileSystem.from_uri(url)
    except StorageError as error:
        raise ConfigurationError(str(error)) from None
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        # The library's message quotes the address, which may contain a key.
        raise ConfigurationError(
            f"COPILOT_PIPELINE_LAKE_URL is invalid: {without_secrets(url)} is neither a folder nor a supported object "
            f"store ({type(error).__name__}); use a path, s3://bucket/path, gs://bucket/path, or "
            "abfs://container@account.dfs.core.windows.net/path"
        ) from None
    return Store(filesystem, root, "")


def _s3(parts: SplitResult, environment: Mapping[str, str]) -> Store:
    given = _parameters(parts, _S3_PARAMETERS)
    endpoint = (
        given.get("endpoint_override") or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    )
    scheme = given.get("scheme", "https")
    if endpoint and "://" in endpoint:
        scheme, _, endpoint = endpoint.rstrip("/").partition("://")
    region = given.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    bucket = _bucket(parts)
    connection = S3Connection(
        access_key=unquote(parts.username) if parts.username else None,
        secret_key=unquote(parts.password) if parts.password else None,
        region=region or (_DEFAULT_REGION if endpoint else pa_fs.resolve_s3_region(bucket)),
        endpoint=f"{scheme}://{endpoint}" if endpoint else None,
        ca_file=given.get("tls_ca_file_path") or environment.get("AWS_CA_BUNDLE") or None,
        is_virtual=given.get("force_virtual_addressing") == "true",
        attempts=int(environment.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS),
        encryption=_s3_encryption(given),
    )
    filesystem = pa_fs.S3FileSystem(
        access_key=connection.access_key,
        secret_key=connection.secret_key,
        region=connection.region,
        endpoint_override=endpoint or None,
        scheme=scheme,
        tls_ca_file_path=connection.ca_file,
        force_virtual_addressing=connection.is_virtual,
        # An object of up to 10 MB is one PUT. A larger one is sent in parts in the background: if one of them fails,
        # the library does not complete the object. Without the background it would complete it without that part.
        allow_delayed_open=True,
        background_writes=True,
        retry_strategy=pa_fs.AwsStandardS3RetryStrategy(connection.attempts),
    )
    return Store(filesystem, _root(bucket, parts.path), "s3", connection, encrypts=bool(connection.encryption))


def _s3_encryption(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of server-side encryption. Raises `ConfigurationError`."""
    algorithm, key = given.get(_ENCRYPTION), given.get(_KMS_KEY)
    if algorithm is None and key is None:
        return ()
    if algorithm not in _ENCRYPTIONS or (key and algorithm == "AES256"):
        raise ConfigurationError(
            f"COPILOT_PIPELINE_LAKE_URL: encryption must be one of {', '.join(_ENCRYPTIONS)}; kms_key is the id or ARN "
            "of a key for the last two"
        )
    if not is_installed():
        raise ConfigurationError(
            f"COPILOT_PIPELINE_LAKE_URL: encryption needs boto3, which is not installed: {INSTALL}"
        )
    return (("ServerSideEncryption", algorithm), *((("SSEKMSKeyId", key),) if key else ()))


def _gcs(parts: SplitResult, environment: Mapping[str, str]) -> Store:
    given = _parameters(parts, _GCS_PARAMETERS)
    endpoint = given.get("endpoint_override") or environment.get("STORAGE_EMULATOR_HOST")
    scheme, key = given.get("scheme", "https"), given.get(_KMS_KEY)
    if endpoint and "://" in endpoint:
        scheme, _, endpoint = endpoint.rstrip("/").partition("://")
    filesystem = pa_fs.GcsFileSystem(
        anonymous=parts.username == "anonymous",
        scheme=scheme,
        endpoint_override=endpoint or None,
        retry_time_limit=_GCS_RETRY_LIMIT,
        default_metadata={"kmsKeyName": key} if key else None,  # Arrow sends it as the parameter of this name
    )
    return Store(filesystem, _root(_bucket(parts), parts.path), "gs", encrypts=bool(key))


def _azure(parts: SplitResult, environment: Mapping[str, str]) -> Store:
    key, token = environment.get("AZURE_STORAGE_KEY"), environment.get("AZURE_STORAGE_SAS_TOKEN")
    account, _, domain = (parts.hostname or "").partition(".")
    if not (key or token) or parts.password or not parts.username or not domain or parts.query:
        filesystem, root = pa_fs.FileSystem.from_uri(parts.geturl())
        return Store(filesystem, root.strip("/"), "abfs")
    suffix = domain.partition(".")[2]  # of sovereign clouds: `dfs.core.chinacloudapi.cn`
    filesystem = pa_fs.AzureFileSystem(
        account,
        account_key=key or None,
        sas_token=None if key else token,
        blob_storage_authority=f".blob.{suffix}",
        dfs_storage_authority=f".dfs.{suffix}",
    )
    return Store(filesystem, _root(unquote(parts.username), parts.path), "abfs")


def _parameters(parts: SplitResult, known: frozenset[str]) -> dict[str, str]:
    given = dict(parse_qsl(parts.query))
    if unknown := sorted(set(given) - known):
        raise ValueError(f"unknown parameter {unknown[0]}")
    return given


def _bucket(parts: SplitResult) -> str:
    if not parts.hostname:
        raise ValueError("no bucket")
    return parts.netloc.rpartition("@")[2]


def _root(bucket: str, path: str) -> str:
    return f"{bucket}/{unquote(path).strip('/')}".rstrip("/")
