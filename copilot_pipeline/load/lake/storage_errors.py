"""Explain the errors of object stores: what is wrong and what to do, without the library's text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pyarrow as pa

from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.errors import ConfigurationError, PipelineError

SCHEMES = frozenset({"s3", "gs", "gcs", "abfs", "abfss"})
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the machine or service account",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or the service account of the machine or pod",
    "abfs": "AZURE_STORAGE_KEY, AZURE_CLIENT_ID with its secret or token, or the managed identity",
}
_AGAIN = "run the same command again when it answers"


@dataclass(frozen=True, slots=True)
class _Explanation:
    """A pattern of the library's message, and the sentence in its place."""

    pattern: str
    sentence: str


# Google does not name what it did not find. When an upload begins, that can only be the bucket.
_NO_BUCKET = r"=CreateResumableUpload|=InsertObjectMedia"
# The first that matches counts. `{bucket}`, `{credentials}` and the groups of the pattern are filled in.
_EXPLANATIONS = (
    _Explanation(
        r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|ContainerNotFound|Bucket .* not found"
        rf"|NOT_FOUND.*(?:{_NO_BUCKET})",
        "there is no bucket or container {bucket}: create it, or correct COPILOT_PIPELINE_LAKE_URL",
    ),
    _Explanation(
        r"INVALID_ACCESS_KEY_ID|InvalidAccessKeyId|INVALID_CLIENT_TOKEN_ID|UNRECOGNIZED_CLIENT",
        "the store does not know the access key: check {credentials}",
    ),
    _Explanation(
        r"SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch|AuthenticationFailed",
        "the secret of the key is wrong: check {credentials}",
    ),
    _Explanation(
        r"ExpiredToken|EXPIRED_TOKEN|InvalidToken|INVALID_TOKEN|TokenRefreshRequired",
        "the credentials have expired: renew them ({credentials})",
    ),
    _Explanation(
        r"REQUEST_TIME_TOO_SKEWED|RequestTimeTooSkewed",
        "the clock of this machine differs from that of the store by more than it allows: set it (NTP)",
    ),
    _Explanation(
        r"(?:AuthorizationHeaderMalformed|PermanentRedirect|HTTP status 30[17])"
        r"(?:.*(?:expecting '|region: )(?P<region>[a-z0-9-]+))?",
        "the bucket {bucket} is in another region{region}: set AWS_REGION, or `?region=` in COPILOT_PIPELINE_LAKE_URL",
    ),
    _Explanation(
        r"KMS\.|kms:",
        "its key cannot be used: check `kms_key` in COPILOT_PIPELINE_LAKE_URL, and allow kms:GenerateDataKey and "
        "kms:Decrypt on it",
    ),
    _Explanation(
        r"ACCESS_DENIED|AccessDenied|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED|AuthorizationPermission"
        r"|AuthorizationFailure|NoAuthenticationInformation|[Cc]redential",
        "permission is missing, or no credentials were found: allow reading, writing, listing and deleting objects of "
        "{bucket}, and check {credentials}",
    ),
    _Explanation(
        r"curlCode: 6\b|[Cc]ould ?n.t resolve host|NAME_RESOLUTION",
        f"its name cannot be resolved: check the endpoint and the network, then {_AGAIN}",
    ),
    _Explanation(
        r"curlCode: (?:35|51|58|60|77)\b|SSL|certificate",
        "no TLS connection can be made: check the scheme of the endpoint (http or https), and the certificates "
        "(AWS_CA_BUNDLE)",
    ),
    _Explanation(
        r"curlCode: 7\b|[Cc]ould (?:n.t|not) connect|[Cc]ouldn.t connect|[Cc]onnection refused",
        f"there is no connection: check the endpoint and the network, then {_AGAIN}",
    ),
    _Explanation(r"curlCode: 28\b|[Tt]imeout|TIMEOUT", f"the store did not answer in time: {_AGAIN}"),
    _Explanation(
        r"NETWORK_CONNECTION|curlCode|[Tt]ransport|[Cc]onnection was closed",
        f"the connection was lost: check the network, then {_AGAIN}",
    ),
    _Explanation(
        r"SLOW_DOWN|SlowDown|THROTTLING|UNAVAILABLE|ServiceUnavailable|HTTP status 50[0234]|INTERNAL_FAIL|ServerBusy",
        f"the store is overloaded or has a fault of its own: {_AGAIN}",
    ),
)
_FLAT_NAMESPACE = (
    "this store cannot replace a file in one step, so readers would see incomplete files. Azure: use an account with a "
    "hierarchical namespace (Data Lake Storage Gen2), which can rename"
)
_CODE = re.compile(r"AWS Error [A-Z_]+(?: \(HTTP status \d+\))?|HTTP status \d+|Azure Error: \[\w+\]")


class StorageError(PipelineError, OSError):
    """An object store refused or failed. The message names the lake, the reason and what to do."""


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Raise `StorageError` in place of what the library of an object store raises in the block.

    A missing file stays `FileNotFoundError`, content that cannot be parsed `pyarrow.ArrowInvalid`, and the error of a
    folder that of the operating system.
    """
    if urlsplit(url).scheme not in SCHEMES:
        yield
        return
    try:
        yield
    except (StorageError, pa.ArrowInvalid):
        raise
    except FileNotFoundError as error:
        if not re.search(_NO_BUCKET, str(error)):
            raise
        raise StorageError(f"the lake {without_secrets(url)}: {explanation(str(error), url)}") from None
    except pa.ArrowNotImplementedError:
        raise StorageError(f"the lake {without_secrets(url)}: {_FLAT_NAMESPACE}") from None
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"the lake {without_secrets(url)}: {explanation(str(error), url)}") from None


def explanation(message: str, url: str) -> str:
    """Return a sentence for a message of the library."""
    parts = urlsplit(url)
    bucket = parts.username if parts.scheme.startswith("abfs") and parts.username else parts.netloc.rpartition("@")[2]
    credentials = _CREDENTIALS.get({"gcs": "gs", "abfss": "abfs"}.get(parts.scheme, parts.scheme), "the credentials")
    for one in _EXPLANATIONS:
        if match := re.search(one.pattern, message, re.DOTALL):
            region = match.groupdict().get("region")
            return one.sentence.format(bucket=bucket, credentials=credentials, region=f" ({region})" if region else "")
    code = _CODE.search(message)
    return (
        f"the store failed ({code.group() if code else 'no code'}): check COPILOT_PIPELINE_LAKE_URL, the permissions "
        f"of {bucket}, and {credentials}"
    )


def system_message(error: OSError) -> str:
    """Return the operating system's message of an error, its class if there is none. Arrow's own text has paths."""
    return os.strerror(error.errno) if error.errno else type(error).__name__


def unusable(display_url: str, verb: str, error: OSError) -> ConfigurationError:
    """Return the error of a command whose lake cannot be read or written (the verb); the address is without secrets."""
    if isinstance(error, StorageError):
        return ConfigurationError(str(error))
    return ConfigurationError(
        f"the lake {display_url} cannot be {verb} ({system_message(error)}): check "
        "COPILOT_PIPELINE_LAKE_URL, the permissions of the folder, and the credentials of an object store"
    )
