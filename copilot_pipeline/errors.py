"""Every expected error of the pipeline, sorted by what the caller should do.

PipelineError
├── ConfigurationError     fix a setting (environment, pipeline.yaml), then run again
├── CredentialsRefused     fix the credentials (401, 403); a retry cannot succeed
├── RequestRefused         fix the request; the server never accepts it as it is (400, 409, 422)
│   └── NotFound           the requested object does not exist (404)
├── TemporaryFailure       retry with backoff: transport errors, 429, 5xx
│   └── GarbledResponse    the last attempt succeeded (2xx), but its body is not JSON: quarantine it, retry later
├── SnapshotRefused        check the source: the answer has much fewer rows than are stored, which stay
├── QuotaExhausted         continue after `resets_at`: the weekly quota is exhausted
└── UnreadableBody         quarantine the response and continue with the others: it cannot be parsed
    └── BodyTooLarge       the response exceeds a limit; only its first bytes were kept

Messages contain neither secrets nor spoken words: they name the place (method, path, field), never its content. Control
codes in the ids and names that they contain are replaced, for terminals, logs and messages alike.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import datetime

from copilot_pipeline.printable import printable

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # numbers of an `OSError`: a disk, a quota, a limit
_DRIVERS = frozenset({"psycopg", "psycopg2", "psycopg_pool"})
_CONNECTION_ERRORS = frozenset({"OperationalError", "InterfaceError", "PoolTimeout"})


class PipelineError(Exception):
    """Base class. The message states what happened, where, and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class ConfigurationError(PipelineError):
    """A setting is missing or invalid."""


class CredentialsRefused(PipelineError):
    """The server refuses the credentials (401 or 403)."""


class RequestRefused(PipelineError):
    """The server refuses the request; repeating it cannot succeed.

    `code` is the server's error code.
    """

    def __init__(self, message: str, *, status: int, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotFound(RequestRefused):
    """The server has no object with this id."""


class TemporaryFailure(PipelineError):
    """A transport error, 429 or 5xx.

    `retry_after_seconds` is the delay that the server requests.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class GarbledResponse(TemporaryFailure):
    """A successful response whose body is not JSON: HTML of a proxy, JSON that is cut off, nothing.

    `body` holds the bytes of the last attempt.
    """

    def __init__(self, message: str, *, status: int, body: bytes) -> None:
        super().__init__(message, status=status)
        self.body = body


class SnapshotRefused(PipelineError):
    """An answer is empty or much smaller than the table that it would replace. The table is unchanged."""


class QuotaExhausted(PipelineError):
    """The weekly request quota is exhausted until `resets_at` (aware, UTC)."""

    def __init__(self, message: str, *, resets_at: datetime) -> None:
        super().__init__(message)
        self.resets_at = resets_at


class UnreadableBody(PipelineError):
    """A response body that cannot be parsed.

    The message names the place in it, never its content. `body` holds the bytes where the caller does not have them.
    """

    def __init__(self, message: str, *, body: bytes | None = None) -> None:
        super().__init__(message)
        self.body = body


class BodyTooLarge(UnreadableBody):
    """A response exceeds a limit of `advanced.http`. `body` holds its first bytes."""


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it, each once.

    A chain may be a ring: `raise error.orig from None` inside `except … as error` makes each the cause of the other.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def is_connection_loss(error: BaseException) -> bool:
    """Return whether a lost database connection caused the error, in our driver, in Dagster's or in the pool."""
    for cause in error_chain(error):
        for kind in type(cause).__mro__:
            # By name: two of the three libraries are slow to import, and the command may have used neither.
            if kind.__module__.partition(".")[0] in _DRIVERS and kind.__name__ in _CONNECTION_ERRORS:
                return True
    return False
