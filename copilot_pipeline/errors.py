"""Every error the pipeline raises on purpose, sorted by what the caller should do about it.

PipelineError
├── ConfigurationError     fix a setting (environment, pipeline.yaml), then run again
├── CredentialsRefused     fix the credentials; nothing else will help
├── RequestRefused         fix the request; the server will never accept it as it is (400, 409, 422)
├── NotFound               the thing asked for is not there (404)
├── TemporaryFailure       wait and retry: transport errors, 429, 5xx
├── QuotaExhausted            the week's requests are used up; go on after `resets_at`
├── NotReady               the call is still being processed; look again later
├── UnreadableBody         these bytes cannot be understood; set them aside, go on with the rest
└── WorkRemains            a step did all it could and some items are left; run it again

No message holds a secret or a spoken word: messages name the place (method, path, field), never the content.
"""

from __future__ import annotations

from datetime import datetime


class PipelineError(Exception):
    """Base of the tree: what happened, where, and what to do about it."""


class ConfigurationError(PipelineError):
    """A setting is missing or wrong."""


class CredentialsRefused(PipelineError):
    """The server does not accept the key (401 or 403)."""


class RequestRefused(PipelineError):
    """The server understood and refuses; asking again the same way is pointless."""

    def __init__(self, message: str, *, status: int, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotFound(RequestRefused):
    """The server does not know this id."""


class TemporaryFailure(PipelineError):
    """Worth another try: transport error, 429 or 5xx. `retry_after_seconds` is the server's own wish."""

    def __init__(self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class QuotaExhausted(PipelineError):
    """The weekly request budget is used up until `resets_at` (aware UTC)."""

    def __init__(self, message: str, *, resets_at: datetime) -> None:
        super().__init__(message)
        self.resets_at = resets_at


class NotReady(PipelineError):
    """The call has no transcript yet."""


class UnreadableBody(PipelineError):
    """A body that cannot be understood. The message names the place in it, never what stands there."""


class WorkRemains(PipelineError):
    """A step finished what it could; `details` says what is left, item by item."""

    def __init__(self, message: str, *, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.details = details
