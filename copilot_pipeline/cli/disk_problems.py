"""Name a disk that is full, or a folder that cannot be written, in one sentence."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from copilot_pipeline.errors import DISK_FULL, ConfigurationError, PipelineError

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR}
_POSTGRES_DISK_FULL = "53100"  # SQLSTATE of PostgreSQL


def disk_problem(error: BaseException) -> PipelineError | None:
    """Return the error as one with a next step, None if it does not concern a disk."""
    for cause in _causes(error):
        if getattr(cause, "sqlstate", None) == _POSTGRES_DISK_FULL:
            return PipelineError(
                "the disk of the database is full. Free space on it, then run the same command again to continue."
            )
        if not isinstance(cause, OSError) or cause.errno is None:
            continue
        where = str(cause.filename) if cause.filename else "a file"
        if cause.errno in DISK_FULL:
            return PipelineError(
                f"{where} cannot be written ({cause.strerror}). Free space, or raise the quota, then run the same "
                "command again to continue."
            )
        if cause.errno in _NOT_WRITABLE and cause.filename:
            return ConfigurationError(
                f"{where} cannot be written or read ({cause.strerror}): change its permissions, or name another "
                "folder, such as in COPILOT_PIPELINE_HOME or COPILOT_PIPELINE_LAKE_URL"
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
