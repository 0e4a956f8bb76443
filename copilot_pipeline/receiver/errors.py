"""The error that rejects a request, and its frequent forms."""

from __future__ import annotations

from copilot_pipeline.errors import PipelineError


class RequestRejected(PipelineError):
    """A rejected request: HTTP status, machine-readable code, and the fix.

    The message names the header or the field and never repeats any content of the request.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds


def malformed(code: str, message: str) -> RequestRejected:
    """400: the body cannot be used as it is."""
    return RequestRejected(400, code, message)


def unauthenticated(code: str, message: str) -> RequestRejected:
    """401: the signature or secret is missing, wrong, too old or was used before."""
    return RequestRejected(401, code, message)
