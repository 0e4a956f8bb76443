"""Kits, run requests and the state of a run."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from copilot_pipeline.config.kit_filters import KitFilter

MODES = ("async", "sync")
RUN_TYPES = ("api", "sandbox")
LONGEST_KEY = 254  # characters, the vendor's limit on Idempotency-Key
_ORDER = re.compile(r":again\d+$")  # scoring again on purpose is another run: the ledger adds its order to the key
_LONGEST_ID_IN_KEY = 100  # two of them, the hash and an order fit


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit under our name: by code (its newest published version) or pinned to a version, which wins."""

    name: str
    code: str | None = None
    version_id: str | None = None
    call_filter: KitFilter = field(default_factory=KitFilter)

    @property
    def reference(self) -> str:
        """What the kit is asked for by."""
        return self.version_id or self.code or ""

    def body_fields(self) -> dict[str, str]:
        """The kit's part of a request body."""
        return {"kit_version_id": self.version_id} if self.version_id else {"kit_code": self.code or ""}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request that can be sent again: same body, same key."""

    kit: Kit
    body: bytes
    idempotency_key: str


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Nothing more will happen to it."""
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as an answer shows it; `body` is the answer, untouched."""

    run_id: str
    status: RunStatus
    kit_version_id: str | None
    kit_code: str | None
    duration_ms: int | None
    error_code: str | None
    error_message: str | None
    poll_after_seconds: float | None
    body: bytes


def run_request(
    call_id: str,
    transcript_text: str,
    kit: Kit,
    *,
    mode: str = "async",
    run_type: str = "api",
) -> RunRequest:
    """The one request that scores this text with this kit: the same arguments give the same bytes and the same key.

    The key covers everything that changes the body: a reused key with another body is refused with 409.
    """
    fields = {**kit.body_fields(), "input": {"transcript": transcript_text}, "mode": mode, "type": run_type}
    body = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")
    digest = hashlib.sha256(body).hexdigest()[:16]
    return RunRequest(kit, body, f"clari:{_short(call_id)}:{_short(kit.reference)}:{digest}")


def same_request(
    call_id: str, transcript_text: str, kit: Kit, key: str, *, mode: str = "async", run_type: str = "api"
) -> RunRequest:
    """The request that this key was made for, even where mode or type have been set to something else since.

    A request that may have been sent is sent again as it was. Where nothing fits the key it is kept all the same: a
    refusal (409) is better than to pay twice.
    """
    asked_first = _ORDER.sub("", key)
    for known_mode, known_type in ((mode, run_type), *itertools.product(MODES, RUN_TYPES)):
        request = run_request(call_id, transcript_text, kit, mode=known_mode, run_type=known_type)
        if request.idempotency_key == asked_first:
            return replace(request, idempotency_key=key)
    return replace(run_request(call_id, transcript_text, kit, mode=mode, run_type=run_type), idempotency_key=key)


def _short(text: str) -> str:
    if len(text) <= _LONGEST_ID_IN_KEY and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
