"""The client: create a run, read a run, look at a kit."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.error_response import parse_error_body, parse_retry_after
from copilot_pipeline.clients.http import HttpClient, HttpResponse, RetryPolicy
from copilot_pipeline.clients.semarize.decoding import count, decode_object, text
from copilot_pipeline.clients.semarize.models import Kit, RunRequest, RunState, RunStatus
from copilot_pipeline.errors import RequestRefused, TemporaryFailure, UnreadableBody

MIN_POLL_SECONDS = 1.0  # the vendor's rule
# Slow growth, so that the end of a run is noticed within a quarter of its duration.
POLL_BACKOFF = Backoff(
    first_seconds=MIN_POLL_SECONDS, max_seconds=10.0, factor=1.25, jitter=0.0, max_retry_after_seconds=300.0
)
_KEY_CONFLICT = "idempotency_key_conflict"


class IdempotencyConflict(RequestRefused):
    """The key was used before with another body (409). Never answered with a new key: that would pay twice."""


def make_client(
    base_url: str,
    api_key: str,
    *,
    transport: httpx.BaseTransport | None = None,
    policy: RetryPolicy | None = None,
) -> HttpClient:
    """A caller for Semarize; `base_url` without `/v1`."""
    return HttpClient("Semarize", base_url, {"Authorization": f"Bearer {api_key}"}, transport=transport, policy=policy)


def next_poll_seconds(polls: int, advised: float | None) -> float:
    """Return the seconds until a run that was polled `polls` times is polled again; `advised` comes from the server."""
    return max(MIN_POLL_SECONDS, POLL_BACKOFF.delay(polls + 1, advised))


class SemarizeClient:
    """Talks to Semarize. Thread-safe, as its caller is."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    @property
    def has_succeeded(self) -> bool:
        """Whether the server has accepted the credentials."""
        return self._http.has_succeeded

    def create(self, request: RunRequest) -> RunState:
        """Creates the run, or is given the one this key made before. Both 200 and 202 may come, in either mode.

        A 409 with another code than the documented one is about the state of things, such as a first request with this
        key that is still under way: `TemporaryFailure`.
        """
        headers = {"Idempotency-Key": request.idempotency_key, "Content-Type": "application/json"}
        try:
            answer = self._http.request("POST", "/v1/runs", content=request.body, headers=headers)
        except RequestRefused as error:
            if error.status == 409 and error.code not in (None, _KEY_CONFLICT):
                raise TemporaryFailure(str(error), status=409) from None
            if error.status == 409:
                raise IdempotencyConflict(
                    f"{error}: this key was used with another body; the run is not asked for again",
                    status=409,
                    code=error.code,
                ) from None
            raise
        return _state(answer)

    def read(self, run_id: str) -> RunState:
        """The run as it stands."""
        return _state(self._http.request("GET", f"/v1/runs/{quote(run_id, safe='')}"), run_id)

    def kit_schema(self, kit: Kit) -> bytes:
        """The kit's bricks, as the server describes them (the shape is not documented)."""
        params = tuple(kit.body_fields().items())
        return self._http.request("GET", "/v1/kits/schema", params=params).body

    def probe(self) -> None:
        """Returns when the key is accepted."""
        self._http.request("GET", "/v1/runs", params=(("limit", "1"),))


def _state(answer: HttpResponse, run_id: str | None = None) -> RunState:
    try:
        fields = decode_object(answer.body)
    except UnreadableBody as error:
        raise UnreadableBody(f"Semarize: the answer about a run cannot be read: {error}") from None
    known_id = text(fields.get("run_id")) or text(fields.get("id")) or run_id
    if known_id is None:
        raise UnreadableBody("Semarize: $.run_id is missing in the answer about a run")
    raw = text(fields.get("status")) or ""
    output = fields.get("output")
    _, body_wait = parse_error_body(answer.body)
    return RunState(
        run_id=known_id,
        status=RunStatus(raw) if raw in set(RunStatus) else RunStatus.UNKNOWN,
        kit_version_id=text(fields.get("kit_version_id")),
        kit_code=text(output.get("kit_code")) if isinstance(output, dict) else None,
        duration_ms=count(fields.get("duration_ms")),
        error_code=text(fields.get("error_code")),
        error_message=text(fields.get("error_message")) or text(fields.get("error_user_message")),
        poll_after_seconds=body_wait if body_wait is not None else parse_retry_after(answer.headers.get("retry-after")),
        body=answer.body,
    )
