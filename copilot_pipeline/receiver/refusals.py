"""Why a request is not accepted, as the sender is told."""

from __future__ import annotations

from copilot_pipeline.errors import PipelineError


class Refused(PipelineError):
    """A request that is not accepted: HTTP status, a machine-readable code, and what to do about it.

    The message never repeats anything that the request holds: it names the header or the field.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds


def malformed(code: str, message: str) -> Refused:
    """400: the body cannot be used as it is."""
    return Refused(400, code, message)


def not_authentic(code: str, message: str) -> Refused:
    """401: nobody we know, or not now."""
    return Refused(401, code, message)
