"""The client: create and read runs, and read the schema of a kit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from urllib.parse import quote

import httpx

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.bounded_response import BoundedResponse, ResponseLimits
from copilot_pipeline.clients.error_response import parse_error_body, parse_retry_after
from copilot_pipeline.clients.http import HttpClient, Observer, RetryPolicy
from copilot_pipeline.clients.semarize.decoding import count, decode_object, text
from copilot_pipeline.clients.semarize.models import Kit, RunRequest, RunState, RunStatus, UsedKit
from copilot_pipeline.errors import RequestRefused, TemporaryFailure, UnreadableBody

MIN_POLL_SECONDS = 1.0  # the vendor's rule
# Slow growth, so that the end of a run is noticed within a quarter of its duration.
POLL_BACKOFF = Backoff(
    first_seconds=MIN_POLL_SECONDS, max_seconds=10.0, factor=1.25, jitter=0.0, max_retry_after_seconds=300.0
)
MAX_RUN_ID_BYTES = 1024  # it is in an index
MAX_LISTED_RUNS = 100  # the largest page of the vendor
_KEY_CONFLICT = "idempotency_key_conflict"


class IdempotencyConflict(RequestRefused):
    """The key was used with another body (409). It is never retried with a new key, because that would pay twice."""


def make_client(
    base_url: str,
    api_key: str,
    *,
    transport: httpx.BaseTransport | None = None,
    policy: RetryPolicy | None = None,
    limits: ResponseLimits | None = None,
    observer: Observer | None = None,
) -> HttpClient:
    """Return an HTTP client for Semarize; `base_url` without `/v1`."""
    headers = {"Authorization": f"Bearer {api_key}"}
    return HttpClient(
        "Semarize", base_url, headers, transport=transport, policy=policy, limits=limits, observer=observer
    )


def next_poll_seconds(polls: int, advised: float | None) -> float:
    """Return the seconds until a run that was polled `polls` times is polled again; `advised` comes from the server."""
    return max(MIN_POLL_SECONDS, POLL_BACKOFF.delay(polls + 1, advised))


class SemarizeClient:
    """Creates and reads runs. Thread-safe."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    @property
    def has_succeeded(self) -> bool:
        """Whether the server has accepted the credentials."""
        return self._http.has_succeeded

    def create(self, request: RunRequest) -> RunState:
        """Create a run, or return the one that was created with the same key, in either mode with 200 or 202.

        Raises `IdempotencyConflict` if the key was used with another body, and `TemporaryFailure` for a 409 with an
        undocumented code, which is temporary, such as a first request with the key that is still being processed.
        """
        headers = {"Idempotency-Key": request.idempotency_key, "Content-Type": "application/json"}
        try:
            response = self._http.request("POST", "/v1/runs", content=request.body, headers=headers)
        except RequestRefused as error:
            if error.status == 409 and error.code not in (None, _KEY_CONFLICT):
                raise TemporaryFailure(str(error), status=409) from None
            if error.status == 409:
                raise IdempotencyConflict(
                    f"{error}: this key was used with another body; the request is not retried",
                    status=409,
                    code=error.code,
                ) from None
            raise
        return _state(response)

    def read(self, run_id: str) -> RunState:
        """Return the current state of a run."""
        return _state(self._http.request("GET", f"/v1/runs/{quote(run_id, safe='')}"), run_id)

    def kit_schema(self, kit: Kit) -> bytes:
        """Return the schema of a kit as received; its shape is not documented."""
        params = tuple(kit.body_fields().items())
        return self._http.request("GET", "/v1/kits/schema", params=params).body

    def recent_kits(self) -> list[UsedKit]:
        """Return the kits of the newest runs of the workspace, the last used first.

        The API has no list of kits. A run that does not name its kit is left out.
        """
        response = self._http.request("GET", "/v1/runs", params=(("limit", str(MAX_LISTED_RUNS)),))
        fields = decode_object(response.body)
        # The name of the list is not documented.
        listed = next((value for value in fields.values() if isinstance(value, list)), [])
        counts: Counter[UsedKit] = Counter()
        for run in listed:
            output = run.get("output") if isinstance(run, dict) else None
            if isinstance(run, dict):
                code = text(run.get("kit_code")) or (text(output.get("kit_code")) if isinstance(output, dict) else None)
                counts[UsedKit(code, text(run.get("kit_version_id")))] += 1
        return [replace(kit, runs=runs) for kit, runs in counts.items() if kit.code or kit.version_id]

    def probe(self) -> None:
        """Send the smallest request. Raises an error if the key is refused."""
        self._http.request("GET", "/v1/runs", params=(("limit", "1"),))


def _state(response: BoundedResponse, run_id: str | None = None) -> RunState:
    try:
        fields = decode_object(response.body)
    except UnreadableBody as error:
        problem = f"Semarize: the body of a run cannot be parsed: {error}"
        raise UnreadableBody(problem, body=response.body) from None
    known_id = text(fields.get("run_id")) or text(fields.get("id")) or run_id
    if known_id is None:
        raise UnreadableBody("Semarize: $.run_id is missing in the body of a run", body=response.body)
    if len(known_id.encode()) > MAX_RUN_ID_BYTES:
        raise UnreadableBody(f"Semarize: $.run_id is longer than {MAX_RUN_ID_BYTES:,} bytes", body=response.body)
    raw = text(fields.get("status")) or ""
    output = fields.get("output")
    _, poll_after = parse_error_body(response.body)
    if poll_after is None:
        poll_after = parse_retry_after(response.headers.get("retry-after"))
    return RunState(
        run_id=known_id,
        status=RunStatus(raw) if raw in set(RunStatus) else RunStatus.UNKNOWN,
        kit_version_id=text(fields.get("kit_version_id")),
        kit_code=text(output.get("kit_code")) if isinstance(output, dict) else None,
        duration_ms=count(fields.get("duration_ms")),
        error_code=text(fields.get("error_code")),
        error_message=text(fields.get("error_message")) or text(fields.get("error_user_message")),
        poll_after_seconds=poll_after,
        body=response.body,
    )
