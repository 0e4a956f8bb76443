"""The client: create a run, read a run, look at a kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from copilot_pipeline.errors import RequestRefused, UnreadableBody
from copilot_pipeline.http import Answer, Gate, HttpCaller, RetryPolicy, machine_code, retry_after
from copilot_pipeline.semarize.model import Kit, RunRequest, RunState, RunStatus

FIRST_POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 30.0
LEAST_POLL_SECONDS = 0.2


class IdempotencyConflict(RequestRefused):
    """The key was used before with another body (409). Never answered with a new key: that would pay twice."""


def make_caller(
    base_url: str,
    api_key: str,
    *,
    gate: Gate | None = None,
    transport: httpx.BaseTransport | None = None,
    policy: RetryPolicy | None = None,
) -> HttpCaller:
    """A caller for Semarize; `base_url` without `/v1`."""
    return HttpCaller(
        "Semarize", base_url, {"Authorization": f"Bearer {api_key}"}, gate=gate, transport=transport, policy=policy
    )


def next_poll_seconds(attempt: int, advised: float | None) -> float:
    """When to ask again: as advised, else 1 s growing to 30 s."""
    if advised is not None:
        return max(LEAST_POLL_SECONDS, min(advised, LONGEST_POLL_SECONDS))
    return float(min(LONGEST_POLL_SECONDS, FIRST_POLL_SECONDS * 1.6 ** min(attempt, 20)))


class SemarizeClient:
    """Talks to Semarize. Thread-safe, as its caller is."""

    def __init__(self, caller: HttpCaller) -> None:
        self._caller = caller

    def create(self, request: RunRequest) -> RunState:
        """Creates the run, or is given the one this key made before. Both 200 and 202 may come, in either mode."""
        headers = {"Idempotency-Key": request.idempotency_key, "Content-Type": "application/json"}
        try:
            answer = self._caller.call("POST", "/v1/runs", content=request.body, headers=headers)
        except RequestRefused as error:
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
        return _state(self._caller.call("GET", f"/v1/runs/{run_id}"), run_id)

    def kit_schema(self, kit: Kit) -> bytes:
        """The kit's bricks, as the server describes them (the shape is not documented)."""
        params = tuple(kit.body_fields().items())
        return self._caller.call("GET", "/v1/kits/schema", params=params).body

    def probe(self) -> None:
        """Returns when the key is accepted."""
        self._caller.call("GET", "/v1/runs", params=(("limit", "1"),))


def _state(answer: Answer, run_id: str | None = None) -> RunState:
    try:
        fields: Any = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableBody("Semarize: the answer about a run is not JSON") from None
    if not isinstance(fields, dict):
        raise UnreadableBody("Semarize: the answer about a run is not an object")
    known_id = _text(fields, "run_id") or _text(fields, "id") or run_id
    if known_id is None:
        raise UnreadableBody("Semarize: $.run_id is missing in the answer about a run")
    raw = _text(fields, "status") or ""
    output = fields.get("output")
    duration = fields.get("duration_ms")
    _, body_wait = machine_code(answer.body)
    return RunState(
        run_id=known_id,
        status=RunStatus(raw) if raw in set(RunStatus) else RunStatus.UNKNOWN,
        kit_version_id=_text(fields, "kit_version_id"),
        kit_code=_text(output, "kit_code") if isinstance(output, dict) else None,
        duration_ms=int(duration) if isinstance(duration, int | float) and not isinstance(duration, bool) else None,
        error_code=_text(fields, "error_code"),
        error_message=_text(fields, "error_message") or _text(fields, "error_user_message"),
        poll_after_seconds=body_wait if body_wait is not None else retry_after(answer.headers.get("retry-after")),
        body=answer.body,
    )


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
